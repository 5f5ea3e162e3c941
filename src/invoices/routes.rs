//! `/v1/invoices`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::Invoices;
use super::ask::Wish;
use super::invoice::{Invoice, Status};
use super::store::{self, InvoiceFilter};
use crate::api::{
    ApiError, ApiKey, BodyFaults, ChangeFaults, CommonFaults, FieldError, IdempotencyKey, NamedFaults,
    Paging, QueryFaults, cursor, method_not_allowed, read_body, read_json, read_query,
};

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(
    list_invoices,
    show_invoice,
    finalize_invoice,
    send_invoice,
    pay_invoice,
    void_invoice,
    mark_invoice_uncollectible
))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let only = |allowed: &'static str| web::to(move || async move { method_not_allowed(allowed) });
    let finalize = web::resource("/v1/invoices/{name}/finalize").post(finalize_invoice);
    let send = web::resource("/v1/invoices/{name}/send").post(send_invoice);
    let pay = web::resource("/v1/invoices/{name}/pay").post(pay_invoice);
    let void = web::resource("/v1/invoices/{name}/void").post(void_invoice);
    let mark = web::resource("/v1/invoices/{name}/mark_uncollectible").post(mark_invoice_uncollectible);
    service
        .service(web::resource("/v1/invoices").get(list_invoices).default_service(only("GET")))
        .service(web::resource("/v1/invoices/{name}").get(show_invoice).default_service(only("GET")))
        .service(finalize.default_service(only("POST")))
        .service(send.default_service(only("POST")))
        .service(pay.default_service(only("POST")))
        .service(void.default_service(only("POST")))
        .service(mark.default_service(only("POST")));
}

/// The body of a request that needs none.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// How an invoice is finalised.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FinalizeAsked {
    /// Whether Stripe collects it by itself from then on; as the invoice has it if absent.
    #[serde(default)]
    auto_advance: Option<bool>,
}

/// How an invoice is paid.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayAsked {
    /// `pm_…`, a saved card of the customer's; what they keep for invoices if absent.
    #[serde(default)]
    payment_method: Option<String>,
    /// It was paid elsewhere, such as in cash: nothing is charged.
    #[serde(default)]
    paid_out_of_band: bool,
}

impl PayAsked {
    fn check(self) -> Result<Wish, Vec<FieldError>> {
        let mut faults = Vec::new();
        let is_method = |id: &str| {
            let rest = id.strip_prefix("pm_").or_else(|| id.strip_prefix("card_")).unwrap_or_default();
            (1..=250).contains(&rest.len())
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if self.payment_method.as_deref().is_some_and(|id| !is_method(id)) {
            faults.push(FieldError::new("payment_method", "give a payment method of the customer's, pm_…"));
        }
        if self.paid_out_of_band && self.payment_method.is_some() {
            let message =
                "give either a payment method or paid_out_of_band: what was paid elsewhere is not charged";
            faults.push(FieldError::new("paid_out_of_band", message));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Wish::Pay { payment_method: self.payment_method, out_of_band: self.paid_out_of_band })
    }
}

/// Finalises a draft: the customer is asked to pay, and its order appears. Of one that is finalised already the answer
/// says how it is.
#[utoipa::path(
    post, path = "/v1/invoices/{name}/finalize", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<FinalizeAsked>, content_type = "application/json"),
    responses((status = 200, description = "The invoice.", body = Invoice), CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn finalize_invoice(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    invoices: web::Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    change(key, &name, &request, body, &invoices, "finalize", |asked: FinalizeAsked| {
        Ok(Wish::Finalize { auto_advance: asked.auto_advance })
    })
    .await
}

/// Sends an invoice to the customer by e-mail; a draft is finalised first.
#[utoipa::path(
    post, path = "/v1/invoices/{name}/send", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<Nothing>, content_type = "application/json"),
    responses((status = 200, description = "The invoice.", body = Invoice), CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn send_invoice(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    invoices: web::Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    change(key, &name, &request, body, &invoices, "send", |_: Nothing| Ok(Wish::Send)).await
}

/// Pays an invoice with a saved card, or notes that it was paid elsewhere.
#[utoipa::path(
    post, path = "/v1/invoices/{name}/pay", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<PayAsked>, content_type = "application/json"),
    responses((status = 200, description = "The invoice.", body = Invoice),
        (status = 402, description = "The card was declined, or the bank wants the customer to do something: send them to the invoice's page.", body = crate::api::ErrorBody<'static>),
        CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn pay_invoice(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    invoices: web::Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    change(key, &name, &request, body, &invoices, "pay", |asked: PayAsked| {
        asked.check().map_err(ApiError::invalid)
    })
    .await
}

/// Voids an invoice: nobody is asked to pay it any more, and its order is cancelled.
#[utoipa::path(
    post, path = "/v1/invoices/{name}/void", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<Nothing>, content_type = "application/json"),
    responses((status = 200, description = "The invoice.", body = Invoice), CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn void_invoice(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    invoices: web::Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    change(key, &name, &request, body, &invoices, "void", |_: Nothing| Ok(Wish::Void)).await
}

/// Marks an invoice uncollectible: nobody expects its money. It can be paid all the same.
#[utoipa::path(
    post, path = "/v1/invoices/{name}/mark_uncollectible", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<Nothing>, content_type = "application/json"),
    responses((status = 200, description = "The invoice.", body = Invoice), CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn mark_invoice_uncollectible(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    invoices: web::Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    change(key, &name, &request, body, &invoices, "mark_uncollectible", |_: Nothing| {
        Ok(Wish::MarkUncollectible)
    })
    .await
}

async fn change<B: serde::de::DeserializeOwned + Default>(
    key: ApiKey,
    name: &str,
    request: &HttpRequest,
    body: web::Payload,
    invoices: &Invoices,
    verb: &'static str,
    read: impl FnOnce(B) -> Result<Wish, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let operation = format!("POST /v1/invoices/{name}/{verb}");
    let idempotency = IdempotencyKey::of(request.headers(), key, &operation, &body)?;
    let asked = if body.is_empty() { B::default() } else { read_json(&body)? };
    let wish = read(asked)?;
    let (answer, is_replay) = invoices.ask(name, idempotency.as_ref(), &wish).await?;
    Ok(answer.into_response(is_replay))
}

/// Shows an invoice.
#[utoipa::path(
    get, path = "/v1/invoices/{name}", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order.")),
    responses((status = 200, description = "The invoice.", body = Invoice), CommonFaults, NamedFaults)
)]
async fn show_invoice(
    _: ApiKey,
    name: web::Path<String>,
    invoices: web::Data<Invoices>,
) -> Result<web::Json<Invoice>, ApiError> {
    Ok(web::Json(invoices.find(&name).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// In this status.
    #[param(value_type = Option<Status>)]
    status: Option<String>,
    /// Of this customer, `cus_…`.
    customer: Option<String>,
    /// Of this subscription, `sub_…`.
    subscription: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Invoices on a page; 20 by default.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// A page of invoices, newest first.
#[derive(Serialize, ToSchema)]
struct InvoicePage {
    data: Vec<Invoice>,
    /// Give it as `cursor` for the next page; absent on the last one.
    next_cursor: Option<String>,
}

/// Lists invoices, newest first.
#[utoipa::path(
    get, path = "/v1/invoices", tag = "invoices", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of invoices.", body = InvoicePage), CommonFaults, QueryFaults)
)]
async fn list_invoices(
    _: ApiKey,
    request: HttpRequest,
    invoices: web::Data<Invoices>,
) -> Result<web::Json<InvoicePage>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;
    let mut conn = invoices.pool.acquire().await?;
    let mut ids = store::list_invoices(&mut conn, &filter).await?;
    let has_more = page.cut(&mut ids);
    let data = store::load_invoices(&mut conn, &ids).await?;
    let next_cursor = data.last().filter(|_| has_more).map(|last| cursor(last.created_at, last.id));
    Ok(web::Json(InvoicePage { data, next_cursor }))
}

impl ListQuery {
    fn check(self) -> Result<(InvoiceFilter, Paging), Vec<FieldError>> {
        let mut faults = Vec::new();
        let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        if self.status.as_deref().is_some_and(|status| !statuses.contains(&status)) {
            faults.push(FieldError::new("status", format!("give one of {}", statuses.join(", "))));
        }
        for (field, text) in [("customer", &self.customer), ("subscription", &self.subscription)] {
            if text.as_deref().is_some_and(|text| text.contains('\0')) {
                faults.push(FieldError::new(field, "give an id of Stripe's"));
            }
        }
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let filter = InvoiceFilter {
            status: self.status,
            customer: self.customer,
            subscription: self.subscription,
            after: page.after,
            limit: page.rows(),
        };
        Ok((filter, page))
    }
}
