//! `/v1/invoices`.

use actix_web::web::{self, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::Invoices;
use super::ask::Wish;
use super::invoice::{Invoice, Status};
use super::store::{self, InvoiceFilter};
use crate::api::{
    ApiError, ApiKey, Asked, BodyFaults, ChangeFaults, CommonFaults, ErrorBody, Faults, FieldError,
    NamedFaults, Nothing, Page, Paging, QueryFaults, only, read_query,
};
use crate::stripe;

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
        let mut faults = Faults::default();
        if self.payment_method.as_deref().is_some_and(|id| !stripe::is_payment_method_id(id)) {
            faults.add("payment_method", "give a payment method of the customer's, pm_…");
        }
        if self.paid_out_of_band && self.payment_method.is_some() {
            let message =
                "give either a payment method or paid_out_of_band: what was paid elsewhere is not charged";
            faults.add("paid_out_of_band", message);
        }
        faults.finish(Some(Wish::Pay {
            payment_method: self.payment_method,
            out_of_band: self.paid_out_of_band,
        }))
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
    asked: Asked,
    name: Path<String>,
    invoices: Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    let FinalizeAsked { auto_advance } = asked.json_or_default()?;
    change(&asked, &name, &invoices, &Wish::Finalize { auto_advance }).await
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
    asked: Asked,
    name: Path<String>,
    invoices: Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    let Nothing {} = asked.json_or_default()?;
    change(&asked, &name, &invoices, &Wish::Send).await
}

/// Pays an invoice with a saved card, or notes that it was paid elsewhere.
#[utoipa::path(
    post, path = "/v1/invoices/{name}/pay", tag = "invoices", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `in_…`, or its order."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<PayAsked>, content_type = "application/json"),
    responses((status = 200, description = "The invoice.", body = Invoice),
        (status = 402, description = "The card was declined, or the bank wants the customer to do something: send them to the invoice's page.", body = ErrorBody<'static>),
        CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn pay_invoice(
    asked: Asked,
    name: Path<String>,
    invoices: Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    let wish = asked.json_or_default::<PayAsked>()?.check().map_err(ApiError::invalid)?;
    change(&asked, &name, &invoices, &wish).await
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
    asked: Asked,
    name: Path<String>,
    invoices: Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    let Nothing {} = asked.json_or_default()?;
    change(&asked, &name, &invoices, &Wish::Void).await
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
    asked: Asked,
    name: Path<String>,
    invoices: Data<Invoices>,
) -> Result<HttpResponse, ApiError> {
    let Nothing {} = asked.json_or_default()?;
    change(&asked, &name, &invoices, &Wish::MarkUncollectible).await
}

async fn change(
    asked: &Asked,
    name: &str,
    invoices: &Invoices,
    wish: &Wish,
) -> Result<HttpResponse, ApiError> {
    let (answer, is_replay) = invoices.ask(name, asked.idempotency.as_ref(), wish).await?;
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
    name: Path<String>,
    invoices: Data<Invoices>,
) -> Result<Json<Invoice>, ApiError> {
    Ok(Json(invoices.find(&name).await?))
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

/// Lists invoices, newest first.
#[utoipa::path(
    get, path = "/v1/invoices", tag = "invoices", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of invoices.", body = Page<Invoice>), CommonFaults, QueryFaults)
)]
async fn list_invoices(
    _: ApiKey,
    request: HttpRequest,
    invoices: Data<Invoices>,
) -> Result<Json<Page<Invoice>>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;
    let mut conn = invoices.pool.acquire().await?;
    let found = store::list_invoices(&mut conn, &filter).await?;
    let page = page.show(found, async |ids| store::load_invoices(&mut conn, ids).await).await?;
    Ok(Json(page))
}

impl ListQuery {
    fn check(self) -> Result<(InvoiceFilter, Paging), Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.one_of("status", self.status.as_deref(), &Status::ALL.map(Status::as_str));
        faults.wanted("customer", self.customer.as_deref(), "a customer's id, cus_…");
        faults.wanted("subscription", self.subscription.as_deref(), "a subscription's id, sub_…");
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        let filter = InvoiceFilter {
            status: self.status,
            customer: self.customer,
            subscription: self.subscription,
            after: page.after,
            limit: page.rows(),
        };
        faults.finish(Some((filter, page)))
    }
}
