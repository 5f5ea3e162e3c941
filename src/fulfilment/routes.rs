//! `/v1/fulfilments` and the fulfilments of an order: where merchants look, and providers call back.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::FulfilmentMetrics;
use super::callback::{self, CallBack};
use super::download::{self, Links};
use super::shown::{self, ShownPart};
use crate::api::{
    ApiError, ApiKey, BodyFaults, CallerKey, CommonFaults, NamedFaults, only, read_body, read_json,
};
use crate::clock::Clock;
use crate::orders;

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(show, show_of_order, call_back, download::follow_link))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let one = web::resource("/v1/fulfilments/{id}").get(show);
    let of_order = web::resource("/v1/orders/{name}/fulfilments").get(show_of_order);
    let events = web::resource("/v1/fulfilments/{id}/events").post(call_back);
    let link = web::resource("/d/{code}").get(download::follow_link);
    service
        .service(one.default_service(only("GET")))
        .service(of_order.default_service(only("GET")))
        .service(events.default_service(only("POST")))
        .service(link.default_service(only("GET")));
}

/// Shows a fulfilment.
#[utoipa::path(
    get, path = "/v1/fulfilments/{id}", tag = "fulfilment", security(("api_key" = [])),
    params(("id" = String, Path, description = "The fulfilment's id.")),
    responses((status = 200, description = "The fulfilment.", body = ShownPart), CommonFaults, NamedFaults)
)]
async fn show(
    _: ApiKey,
    id: web::Path<String>,
    pool: web::Data<PgPool>,
    links: web::Data<Links>,
) -> Result<web::Json<ShownPart>, ApiError> {
    let mut conn = pool.acquire().await?;
    let part = match read_id(&id) {
        Some(id) => shown::load_part(&mut conn, id, Some(&links)).await?,
        None => None,
    };
    part.map(web::Json).ok_or_else(|| unknown(&id))
}

/// The fulfilments of an order.
#[derive(Serialize, ToSchema)]
struct Fulfilments {
    /// By part; empty until the order is paid.
    data: Vec<ShownPart>,
}

/// Shows the fulfilments of an order: one for each provider.
#[utoipa::path(
    get, path = "/v1/orders/{name}/fulfilments", tag = "fulfilment", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it.")),
    responses((status = 200, description = "Its parts.", body = Fulfilments), CommonFaults, NamedFaults)
)]
async fn show_of_order(
    _: ApiKey,
    name: web::Path<String>,
    pool: web::Data<PgPool>,
    links: web::Data<Links>,
) -> Result<web::Json<Fulfilments>, ApiError> {
    let mut conn = pool.acquire().await?;
    let missing = || ApiError::not_found(format!("no order has the id, number or Stripe object {:?}", *name));
    let order = orders::find(&mut conn, &name).await?.ok_or_else(missing)?;
    let data = shown::load_parts_of(&mut conn, order, Some(&links)).await?;
    Ok(web::Json(Fulfilments { data }))
}

/// Tells what became of a fulfilment: for its provider, with a key of its own.
///
/// Events may come in any order and as often as you like; where the fulfilment stands follows from all of them.
#[utoipa::path(
    post, path = "/v1/fulfilments/{id}/events", tag = "fulfilment", security(("api_key" = [])),
    params(("id" = String, Path, description = "The `fulfilment_id` of the hand-over.")),
    request_body = CallBack,
    responses(
        (status = 200, description = "It is kept, or was before; this is where the fulfilment stands.", body = ShownPart),
        CommonFaults, NamedFaults, BodyFaults
    )
)]
async fn call_back(
    caller: CallerKey,
    id: web::Path<String>,
    body: web::Payload,
    pool: web::Data<PgPool>,
    clock: web::Data<Clock>,
    links: web::Data<Links>,
    metrics: web::Data<FulfilmentMetrics>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let known = read_id(&id).ok_or_else(|| unknown(&id))?;
    let said: CallBack = read_json(&body)?;
    callback::take(&pool, known, &caller, said, &metrics, clock.now()).await?;
    let mut conn = pool.acquire().await?;
    let part = shown::load_part(&mut conn, known, Some(&links)).await?.ok_or_else(|| unknown(&id))?;
    Ok(HttpResponse::Ok().json(part))
}

fn read_id(id: &str) -> Option<Uuid> {
    Uuid::parse_str(id).ok()
}

fn unknown(id: &str) -> ApiError {
    let hint =
        "give the fulfilment_id of the hand-over, or an id that GET /v1/orders/{name}/fulfilments lists";
    ApiError::not_found(format!("there is no fulfilment {id:?}; {hint}"))
}
