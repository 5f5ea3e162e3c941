//! The routes of payments: `/pay` (in `routes/pay.rs`) and `/checkout/…` for browsers with a checkout token,
//! `/v1/orders/{id}/…` for the merchant's back end.

mod pay;

use actix_cors::Cors;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::capture::Progress;
use super::checkout::CheckoutState;
use super::describe::{NewPayment, PaymentReport, report};
use super::payment::RefundRequest;
use super::refund::{AskRefund, Asked, Preview};
use super::request::{DestinationRequest, PaymentRequest};
use super::{Payments, checkout_token, page, store};
use crate::api::{
    self, ApiError, ApiKey, BodyFaults, ChangeFaults, CommonFaults, ErrorBody, Faults, NamedFaults, only,
};
use crate::orders::{self, Order};

/// The routes, described.
#[derive(OpenApi)]
#[openapi(
    components(schemas(PaymentRequest, DestinationRequest, PaymentReport, NewPayment, pay::Failed)),
    paths(
        page::page,
        page::script,
        page::style,
        make_token,
        capture,
        cancel,
        ask_refund,
        list_refunds,
        pay::pay,
        show_state
    )
)]
pub struct Described;

/// Adds the routes to a service. `origins` are those whose pages may call what browsers call; a page of this service
/// always may.
pub fn configure(origins: Vec<String>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |service| {
        let tokens = web::resource("/v1/orders/{name}/checkout_tokens").post(make_token);
        let capturing = web::resource("/v1/orders/{name}/capture").post(capture);
        let cancelling = web::resource("/v1/orders/{name}/cancel").post(cancel);
        let refunds = web::resource("/v1/orders/{name}/refunds").get(list_refunds).post(ask_refund);
        let paying = web::resource("/pay").post(pay::pay);
        let state = web::resource("/checkout/{name}/state").get(show_state);
        service
            .service(tokens.default_service(only("POST")))
            .service(capturing.default_service(only("POST")))
            .service(cancelling.default_service(only("POST")))
            .service(refunds.default_service(only("GET, POST")))
            .service(paying.default_service(only("POST")).wrap(cors(&origins)))
            .service(state.default_service(only("GET")).wrap(cors(&origins)))
            .configure(page::configure);
    }
}

/// No cookies: what a page may do is in its checkout token.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .max_age(3600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

async fn order_of(pool: &PgPool, name: &str) -> Result<Uuid, ApiError> {
    let mut conn = pool.acquire().await?;
    let missing = || ApiError::not_found(format!("no order has the id, number or Stripe object {name:?}"));
    orders::find(&mut conn, name).await?.ok_or_else(missing)
}

#[derive(Serialize, ToSchema)]
struct Token {
    checkout_token: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    checkout_url: Option<String>,
}

/// Makes a checkout token: what lets a browser pay for the order.
#[utoipa::path(
    post, path = "/v1/orders/{name}/checkout_tokens", tag = "payments", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it.")),
    responses((status = 201, description = "The token, shown once.", body = Token), CommonFaults, NamedFaults, ChangeFaults)
)]
async fn make_token(
    _: ApiKey,
    name: web::Path<String>,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let order_id = order_of(payments.pool(), &name).await?;
    payments.payment(order_id).await?;
    let mut conn = payments.pool().acquire().await?;
    let token = checkout_token::create(&mut conn, order_id, payments.now()).await?;
    let checkout_url = payments.checkout_url(order_id, &token.text);
    let body = Token { checkout_token: token.text, expires_at: token.expires_at, checkout_url };
    Ok(HttpResponse::Created().json(body))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct AskCapture {
    amount: Option<i64>,
}

/// Captures what is authorised, or a part of it; the rest is let go.
#[utoipa::path(
    post, path = "/v1/orders/{name}/capture", tag = "payments", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it.")),
    request_body = AskCapture,
    responses((status = 200, description = "The order; Stripe did it.", body = PaidOrder), (status = 202, description = "The order; what Stripe did is not known yet, and is found out.", body = PaidOrder), (status = 402, description = "Stripe refused.", body = ErrorBody), CommonFaults, NamedFaults, BodyFaults)
)]
async fn capture(
    asked: api::Asked,
    name: web::Path<String>,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let AskCapture { amount } = asked.json_or_default()?;
    let order_id = order_of(payments.pool(), &name).await?;
    let progress = payments.capture(asked.key, order_id, amount).await?;
    shown(&payments, order_id, progress).await
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct AskCancel {
    reason: Option<String>,
}

/// Calls a payment off before anything was captured.
#[utoipa::path(
    post, path = "/v1/orders/{name}/cancel", tag = "payments", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it.")),
    request_body = AskCancel,
    responses((status = 200, description = "The order; Stripe did it.", body = PaidOrder), (status = 202, description = "The order; what Stripe did is not known yet, and is found out.", body = PaidOrder), (status = 402, description = "Stripe refused.", body = ErrorBody), CommonFaults, NamedFaults, BodyFaults)
)]
async fn cancel(
    asked: api::Asked,
    name: web::Path<String>,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let AskCancel { reason } = asked.json_or_default()?;
    const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
    let mut faults = Faults::default();
    faults.one_of("reason", reason.as_deref(), &REASONS);
    faults.finish(Some(())).map_err(ApiError::invalid)?;
    let order_id = order_of(payments.pool(), &name).await?;
    let progress = payments.cancel(asked.key, order_id, reason).await?;
    shown(&payments, order_id, progress).await
}

/// An order with what is known of its payment.
#[derive(Serialize, ToSchema)]
struct PaidOrder {
    #[serde(flatten)]
    order: Order,
    payment: PaymentReport,
}

/// The order with its payment: 200 when Stripe did it, 202 when that is not known yet.
async fn shown(payments: &Payments, order_id: Uuid, progress: Progress) -> Result<HttpResponse, ApiError> {
    let mut conn = payments.pool().acquire().await?;
    let order = orders::load(&mut conn, &[order_id]).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
    let payment = report(&mut conn, &[order_id]).await?.remove(&order_id).ok_or(sqlx::Error::RowNotFound)?;
    let status = if progress == Progress::Done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(HttpResponse::build(status).json(PaidOrder { order, payment }))
}

/// Gives money back: all that is left, an amount, or what lines cost.
#[utoipa::path(
    post, path = "/v1/orders/{name}/refunds", tag = "payments", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it."), ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives back once.")),
    request_body = AskRefund,
    responses(
        (status = 200, description = "What would happen.", body = Preview),
        (status = 201, description = "The refund, as Stripe has it.", body = RefundRequest),
        (status = 202, description = "The refund; what Stripe did is not known yet, and is found out.", body = RefundRequest),
        (status = 402, description = "The refund; Stripe refused it, nothing went back.", body = RefundRequest),
        CommonFaults, NamedFaults, BodyFaults
    )
)]
async fn ask_refund(
    asked: api::Asked,
    name: web::Path<String>,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let wanted: AskRefund = asked.json()?;
    let order_id = order_of(payments.pool(), &name).await?;
    Ok(match payments.refund(asked.key, asked.idempotency.as_ref(), order_id, &wanted).await? {
        Asked::Preview(preview) => HttpResponse::Ok().json(preview),
        Asked::Refund { refund, is_replay } => api::answer(refund.http_status(), &refund, is_replay),
    })
}

#[derive(Serialize, ToSchema)]
struct Refunds {
    data: Vec<RefundRequest>,
}

/// Lists the refunds of an order, those that were made in the Dashboard too.
#[utoipa::path(
    get, path = "/v1/orders/{name}/refunds", tag = "payments", security(("api_key" = [])),
    params(("name" = String, Path, description = "The order's id or number, or the id of a Stripe object that stands for it.")),
    responses((status = 200, description = "Oldest first.", body = Refunds), CommonFaults, NamedFaults)
)]
async fn list_refunds(
    _: ApiKey,
    name: web::Path<String>,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let order_id = order_of(payments.pool(), &name).await?;
    let data = store::list_refunds(&mut *payments.pool().acquire().await?, order_id).await?;
    Ok(HttpResponse::Ok().json(Refunds { data }))
}

#[derive(Deserialize)]
struct StateQuery {
    token: Option<String>,
}

/// How far an order is, for the page that pays for it.
#[utoipa::path(
    get, path = "/checkout/{name}/state", tag = "browsers", security(("checkout_token" = [])),
    params(
        ("name" = String, Path, description = "The order's id or number."),
        ("token" = Option<String>, Query, description = "The checkout token, where it is not in the header.")
    ),
    responses((status = 200, description = "The order.", body = CheckoutState), CommonFaults, NamedFaults, ChangeFaults)
)]
async fn show_state(
    request: HttpRequest,
    name: web::Path<String>,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let query = web::Query::<StateQuery>::from_query(request.query_string()).ok();
    let given = query.and_then(|query| query.0.token);
    let token = checkout_token::bearer(&request).or(given.as_deref());
    let order_id = {
        let mut conn = payments.pool().acquire().await?;
        let order_id = checkout_token::order_of(&mut conn, token, payments.now()).await?;
        if orders::find(&mut conn, &name).await? != Some(order_id) {
            return Err(ApiError::not_found("this checkout token is for another order"));
        }
        order_id
    };
    let state: CheckoutState = payments.checkout_state(order_id).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(state))
}
