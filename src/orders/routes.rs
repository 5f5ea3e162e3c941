//! `/v1/orders`.

use std::slice;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

pub use super::place::WakeWaiting;
use super::place::{Place, PlaceOrder};
use super::{
    Billing, DescribeBilling, FulfilmentStatus, ListFilter, Order, PaymentStatus, TakePayment, find, list,
    load,
};
use crate::api::{
    ApiError, ApiKey, Asked, BodyFaults, CommonFaults, Faults, FieldError, NamedFaults, Page, Paging, Placed,
    QueryFaults, only, read_query,
};
use crate::clock::Clock;

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(place_order, list_orders, show_order))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let orders = web::resource("/v1/orders").get(list_orders).post(place_order);
    let order = web::resource("/v1/orders/{name}").get(show_order);
    service.service(orders.default_service(only("GET, POST"))).service(order.default_service(only("GET")));
}

/// Places an order.
#[utoipa::path(
    post, path = "/v1/orders", tag = "orders", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body = PlaceOrder,
    responses((status = 201, description = "The order.", body = Order), CommonFaults, BodyFaults)
)]
async fn place_order(
    asked: Asked,
    pool: web::Data<PgPool>,
    clock: web::Data<Clock>,
    wake: web::Data<WakeWaiting>,
    take: web::Data<dyn TakePayment>,
) -> Result<HttpResponse, ApiError> {
    let order: PlaceOrder = asked.json()?;
    let Asked { key, idempotency, .. } = &asked;
    let place =
        Place { pool: &pool, wake: **wake, take: &**take, key: *key, idempotency: idempotency.as_ref() };
    let (answer, is_replay) = place.place(&order, clock.now()).await?;
    Ok(answer.into_response(is_replay))
}

/// Shows an order.
#[utoipa::path(
    get, path = "/v1/orders/{name}", tag = "orders", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it.")),
    responses((status = 200, description = "The order.", body = ShownOrder), CommonFaults, NamedFaults)
)]
async fn show_order(
    _: ApiKey,
    name: web::Path<String>,
    pool: web::Data<PgPool>,
    take: web::Data<dyn TakePayment>,
    describe: web::Data<dyn DescribeBilling>,
) -> Result<web::Json<ShownOrder>, ApiError> {
    let mut conn = pool.acquire().await?;
    let missing = || ApiError::not_found(format!("no order has the id, number or Stripe object {name:?}"));
    let id = find(&mut conn, &name).await?.ok_or_else(missing)?;
    let order = load(&mut conn, &[id]).await?.pop().ok_or_else(missing)?;
    let payment = take.describe(&mut conn, &[id]).await?.remove(&id);
    let billing = describe.describe(&mut conn, slice::from_ref(&order)).await?.remove(&id);
    Ok(web::Json(ShownOrder { order, payment, billing }))
}

/// An order, with what is known of its payment where Packline takes it, and of its invoice where it has one.
#[derive(Serialize, ToSchema)]
struct ShownOrder {
    #[serde(flatten)]
    order: Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing: Option<Billing>,
}

/// An order in a list, with what is known of its invoice where it has one.
#[derive(Serialize, ToSchema)]
struct ListedOrder {
    #[serde(flatten)]
    order: Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing: Option<Billing>,
}

impl Placed for ListedOrder {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.order.created_at, self.order.id)
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// One word, such as `paid`.
    status: Option<String>,
    /// On the payment axis.
    #[param(value_type = Option<PaymentStatus>)]
    payment_status: Option<String>,
    /// On the fulfilment axis.
    #[param(value_type = Option<FulfilmentStatus>)]
    fulfilment_status: Option<String>,
    /// The customer's.
    email: Option<String>,
    /// Made then or later.
    #[param(value_type = Option<OffsetDateTime>)]
    created_from: Option<String>,
    /// Made before.
    #[param(value_type = Option<OffsetDateTime>)]
    created_before: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Orders on a page; 20 by default.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// Lists orders, newest first.
#[utoipa::path(
    get, path = "/v1/orders", tag = "orders", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of orders.", body = Page<ListedOrder>), CommonFaults, QueryFaults)
)]
async fn list_orders(
    _: ApiKey,
    request: HttpRequest,
    pool: web::Data<PgPool>,
    describe: web::Data<dyn DescribeBilling>,
) -> Result<web::Json<Page<ListedOrder>>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;

    let mut conn = pool.acquire().await?;
    let found = list(&mut conn, &filter).await?;
    let page = page.show(found, async |ids| {
        let orders = load(&mut conn, ids).await?;
        let mut billings = describe.describe(&mut conn, &orders).await?;
        let listed = |order: Order| ListedOrder { billing: billings.remove(&order.id), order };
        Ok::<_, sqlx::Error>(orders.into_iter().map(listed).collect())
    });
    Ok(web::Json(page.await?))
}

impl ListQuery {
    fn check(self) -> Result<(ListFilter, Paging), Vec<FieldError>> {
        let mut faults = Faults::default();
        let payment: Vec<&str> = PaymentStatus::ALL.iter().map(|status| status.as_str()).collect();
        faults.one_of("payment_status", self.payment_status.as_deref(), &payment);
        let fulfilment: Vec<&str> = FulfilmentStatus::ALL.iter().map(|status| status.as_str()).collect();
        faults.one_of("fulfilment_status", self.fulfilment_status.as_deref(), &fulfilment);
        faults.one_of("status", self.status.as_deref(), Order::STATUSES);
        if self.email.as_deref().is_some_and(|email| email.contains(char::is_control)) {
            faults.add("email", "give an e-mail address");
        }
        let mut time = |field: &str, text: Option<String>| {
            let parsed = text.map(|text| OffsetDateTime::parse(&text, &Rfc3339)).transpose();
            parsed
                .map_err(|_| faults.add(field, "give an RFC 3339 time such as 2026-01-31T12:00:00Z"))
                .ok()?
        };
        let created_from = time("created_from", self.created_from);
        let created_before = time("created_before", self.created_before);
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        let filter = ListFilter {
            status: self.status,
            payment_status: self.payment_status,
            fulfilment_status: self.fulfilment_status,
            email: self.email,
            created_from,
            created_before,
            after: page.after,
            limit: page.rows(),
        };
        faults.finish(Some((filter, page)))
    }
}
