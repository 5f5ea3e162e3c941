//! `/v1/quotes`.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};
use uuid::Uuid;

use super::Quotes;
use super::act::Act;
use super::quote::{Quote, QuoteState};
use super::request::{FinalizeQuote, QuoteTerms};
use super::store::{self, QuoteFilter};
use crate::api::{
    ApiError, ApiKey, Asked, BodyFaults, ChangeFaults, CommonFaults, Faults, FieldError, NamedFaults,
    Nothing, Page, Paging, QueryFaults, answer, only, read_query,
};

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(
    create_quote,
    list_quotes,
    show_quote,
    revise_quote,
    finalize_quote,
    accept_quote,
    cancel_quote,
    quote_pdf
))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let quotes = web::resource("/v1/quotes").get(list_quotes).post(create_quote);
    let quote = web::resource("/v1/quotes/{name}").get(show_quote).post(revise_quote);
    let finalize = web::resource("/v1/quotes/{name}/finalize").post(finalize_quote);
    let accept = web::resource("/v1/quotes/{name}/accept").post(accept_quote);
    let cancel = web::resource("/v1/quotes/{name}/cancel").post(cancel_quote);
    let pdf = web::resource("/v1/quotes/{name}/pdf").get(quote_pdf);
    service
        .service(quotes.default_service(only("GET, POST")))
        .service(quote.default_service(only("GET, POST")))
        .service(finalize.default_service(only("POST")))
        .service(accept.default_service(only("POST")))
        .service(cancel.default_service(only("POST")))
        .service(pdf.default_service(only("GET")));
}

/// Makes the draft of a quote.
#[utoipa::path(
    post, path = "/v1/quotes", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one quote, and goes on where an earlier try had no answer.")),
    request_body = QuoteTerms,
    responses((status = 201, description = "The draft.", body = Quote), CommonFaults, BodyFaults)
)]
async fn create_quote(asked: Asked, quotes: Data<Quotes>) -> Result<HttpResponse, ApiError> {
    let made = quotes.create(asked.key, asked.idempotency.as_ref(), &asked.json()?).await?;
    Ok(answer(StatusCode::CREATED, &load(&quotes, made.id).await?, made.is_replay))
}

/// Shows a quote.
#[utoipa::path(
    get, path = "/v1/quotes/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `qt_…`.")),
    responses((status = 200, description = "The quote.", body = Quote), CommonFaults, NamedFaults)
)]
async fn show_quote(_: ApiKey, name: Path<String>, quotes: Data<Quotes>) -> Result<Json<Quote>, ApiError> {
    let id = find(&quotes, &name).await?;
    Ok(Json(load(&quotes, id).await?))
}

/// Revises a draft.
#[utoipa::path(
    post, path = "/v1/quotes/{name}", tag = "billing", security(("api_key" = [])),
    params(
        ("name" = String, Path, description = "Our id or Stripe's, `qt_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request goes on where an earlier try had no answer."),
    ),
    request_body = QuoteTerms,
    responses((status = 200, description = "The draft as it is now.", body = Quote), CommonFaults, BodyFaults, NamedFaults)
)]
async fn revise_quote(
    asked: Asked,
    name: Path<String>,
    quotes: Data<Quotes>,
) -> Result<HttpResponse, ApiError> {
    act(&asked, &name, &quotes, Act::Revise(&asked.json()?)).await
}

/// Finalises a draft: it gets its number and its PDF, and can be accepted.
#[utoipa::path(
    post, path = "/v1/quotes/{name}/finalize", tag = "billing", security(("api_key" = [])),
    params(
        ("name" = String, Path, description = "Our id or Stripe's, `qt_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request goes on where an earlier try had no answer."),
    ),
    request_body(content = Option<FinalizeQuote>, content_type = "application/json"),
    responses((status = 200, description = "The quote, open; also where it was so already.", body = Quote), CommonFaults, BodyFaults, NamedFaults)
)]
async fn finalize_quote(
    asked: Asked,
    name: Path<String>,
    quotes: Data<Quotes>,
) -> Result<HttpResponse, ApiError> {
    act(&asked, &name, &quotes, Act::Finalize(&asked.json_or_default()?)).await
}

/// Accepts an open quote: that makes its invoice, its subscription, or both.
#[utoipa::path(
    post, path = "/v1/quotes/{name}/accept", tag = "billing", security(("api_key" = [])),
    params(
        ("name" = String, Path, description = "Our id or Stripe's, `qt_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "A quote is accepted once with or without one."),
    ),
    request_body(content = Option<Nothing>, content_type = "application/json"),
    responses((status = 200, description = "The quote, accepted, with what began; also where it was so already.", body = Quote), CommonFaults, NamedFaults, BodyFaults)
)]
async fn accept_quote(
    asked: Asked,
    name: Path<String>,
    quotes: Data<Quotes>,
) -> Result<HttpResponse, ApiError> {
    let Nothing {} = asked.json_or_default()?;
    act(&asked, &name, &quotes, Act::Accept).await
}

/// Calls a draft or an open quote off.
#[utoipa::path(
    post, path = "/v1/quotes/{name}/cancel", tag = "billing", security(("api_key" = [])),
    params(
        ("name" = String, Path, description = "Our id or Stripe's, `qt_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "A quote is cancelled once with or without one."),
    ),
    request_body(content = Option<Nothing>, content_type = "application/json"),
    responses((status = 200, description = "The quote, cancelled; also where it was so already.", body = Quote), CommonFaults, NamedFaults, BodyFaults)
)]
async fn cancel_quote(
    asked: Asked,
    name: Path<String>,
    quotes: Data<Quotes>,
) -> Result<HttpResponse, ApiError> {
    let Nothing {} = asked.json_or_default()?;
    act(&asked, &name, &quotes, Act::Cancel).await
}

async fn act(asked: &Asked, name: &str, quotes: &Quotes, act: Act<'_>) -> Result<HttpResponse, ApiError> {
    let id = find(quotes, name).await?;
    let is_replay = quotes.act(id, asked.idempotency.as_ref(), act).await?;
    Ok(answer(StatusCode::OK, &load(quotes, id).await?, is_replay))
}

/// The PDF of a quote that is finalised, as Stripe makes it, for the customer.
#[utoipa::path(
    get, path = "/v1/quotes/{name}/pdf", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `qt_…`.")),
    responses((status = 200, description = "The PDF, named by the quote's number.", body = Vec<u8>, content_type = "application/pdf"), CommonFaults, NamedFaults, ChangeFaults)
)]
async fn quote_pdf(_: ApiKey, name: Path<String>, quotes: Data<Quotes>) -> Result<HttpResponse, ApiError> {
    let id = find(&quotes, &name).await?;
    quotes.pdf(id).await
}

async fn find(quotes: &Quotes, name: &str) -> Result<Uuid, ApiError> {
    let found = store::find_quote(&mut *quotes.pool.acquire().await?, name).await?;
    found.ok_or_else(|| {
        ApiError::not_found(format!(
            "no quote has the id {name:?}; give qt_… or the id that POST /v1/quotes answered. One that was made elsewhere is \
             known from its first event on"
        ))
    })
}

async fn load(quotes: &Quotes, id: Uuid) -> Result<Quote, ApiError> {
    let mut conn = quotes.pool.acquire().await?;
    let quote = store::load_quotes(&mut conn, &[id], quotes.now()).await?.pop();
    quote.ok_or_else(|| sqlx::Error::RowNotFound.into())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// In this state.
    #[param(value_type = Option<QuoteState>)]
    state: Option<String>,
    /// For this customer, `cus_…`.
    customer: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Quotes on a page; 20 by default.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// Lists quotes, newest first.
#[utoipa::path(
    get, path = "/v1/quotes", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of quotes.", body = Page<Quote>), CommonFaults, QueryFaults)
)]
async fn list_quotes(
    _: ApiKey,
    request: HttpRequest,
    quotes: Data<Quotes>,
) -> Result<Json<Page<Quote>>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;
    let mut conn = quotes.pool.acquire().await?;
    let found = store::list_quotes(&mut conn, &filter).await?;
    let page = page.show(found, async |ids| store::load_quotes(&mut conn, ids, quotes.now()).await).await?;
    Ok(Json(page))
}

impl ListQuery {
    fn check(self) -> Result<(QuoteFilter, Paging), Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.one_of("state", self.state.as_deref(), &QuoteState::ALL.map(QuoteState::as_str));
        faults.wanted("customer", self.customer.as_deref(), "a customer's id, cus_…");
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        let filter =
            QuoteFilter { state: self.state, customer: self.customer, after: page.after, limit: page.rows() };
        faults.finish(Some((filter, page)))
    }
}
