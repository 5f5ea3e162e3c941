//! `/v1/subscriptions`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::ask::Wish;
use super::change::Change;
use super::check::CreateSubscription;
use super::store::{self, SubscriptionFilter};
use super::subscription::{STATUSES, Subscription};
use super::{Subscriptions, add_dunning};
use crate::api::{
    ApiError, ApiKey, BodyFaults, ChangeFaults, CommonFaults, ErrorBody, FieldError, IdempotencyKey,
    NamedFaults, Paging, QueryFaults, cursor, method_not_allowed, read_body, read_json, read_query,
};
use crate::stripe::params::PauseBehavior;

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(
    list_subscriptions,
    create_subscription,
    show_subscription,
    change_subscription,
    pause_subscription,
    resume_subscription,
    cancel_subscription
))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let only = |allowed: &'static str| web::to(move || async move { method_not_allowed(allowed) });
    let all = web::resource("/v1/subscriptions").get(list_subscriptions).post(create_subscription);
    let one = web::resource("/v1/subscriptions/{name}").get(show_subscription).post(change_subscription);
    let pause = web::resource("/v1/subscriptions/{name}/pause").post(pause_subscription);
    let resume = web::resource("/v1/subscriptions/{name}/resume").post(resume_subscription);
    let cancel = web::resource("/v1/subscriptions/{name}/cancel").post(cancel_subscription);
    service
        .service(all.default_service(only("GET, POST")))
        .service(one.default_service(only("GET, POST")))
        .service(pause.default_service(only("POST")))
        .service(resume.default_service(only("POST")))
        .service(cancel.default_service(only("POST")));
}

/// How a subscription is paused: it goes on, but its invoices are not collected.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PauseAsked {
    /// What becomes of its invoices; `void` if absent: what was not sent is not asked for either.
    #[serde(default)]
    #[schema(inline)]
    behavior: Option<PauseBehavior>,
    /// When it goes on by itself; until it is resumed if absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    resumes_at: Option<OffsetDateTime>,
}

/// The body of a request that needs none.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NothingAsked {}

/// When a subscription is cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum When {
    /// What is paid is still sent, nothing more is billed.
    #[default]
    PeriodEnd,
    /// At once.
    Now,
}

/// How a subscription is cancelled.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelAsked {
    /// `period_end` if absent.
    #[serde(default)]
    #[schema(inline)]
    when: When,
    /// Of one that is cancelled now: whether what is owed is billed, less what is not used.
    #[serde(default)]
    invoice_now: bool,
}

/// Makes a subscription. Its first invoice waits for the customer: `dunning` has its page, and what a form needs.
#[utoipa::path(
    post, path = "/v1/subscriptions", tag = "subscriptions", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one subscription.")),
    request_body = CreateSubscription,
    responses((status = 201, description = "The subscription.", body = Subscription),
        (status = 402, description = "The first payment was declined, and nothing was made.", body = ErrorBody<'static>),
        CommonFaults, BodyFaults)
)]
async fn create_subscription(
    key: ApiKey,
    request: HttpRequest,
    body: web::Payload,
    subscriptions: web::Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let idempotency = IdempotencyKey::of(request.headers(), key, "POST /v1/subscriptions", &body)?;
    let asked: CreateSubscription = read_json(&body)?;
    let (answer, is_replay) = subscriptions.create(key, idempotency.as_ref(), &asked).await?;
    Ok(answer.into_response(is_replay))
}

/// Changes what is subscribed to.
#[utoipa::path(
    post, path = "/v1/subscriptions/{name}", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body = Change,
    responses((status = 200, description = "The subscription.", body = Subscription),
        (status = 402, description = "The payment of the change was declined.", body = ErrorBody<'static>),
        CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn change_subscription(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    subscriptions: web::Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let operation = format!("POST /v1/subscriptions/{name}");
    let idempotency = IdempotencyKey::of(request.headers(), key, &operation, &body)?;
    let asked: Change = read_json(&body)?;
    asked.check().map_err(ApiError::invalid)?;
    let (answer, is_replay) = subscriptions.ask(&name, idempotency.as_ref(), &Wish::Change(asked)).await?;
    Ok(answer.into_response(is_replay))
}

/// Pauses the collection of a subscription's invoices: nothing is charged, so nothing is sent.
#[utoipa::path(
    post, path = "/v1/subscriptions/{name}/pause", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<PauseAsked>, content_type = "application/json"),
    responses((status = 200, description = "The subscription.", body = Subscription), CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn pause_subscription(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    subscriptions: web::Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let (asked, idempotency) = read::<PauseAsked>(key, &name, "pause", &request, body).await?;
    if asked.resumes_at.is_some_and(|at| at <= subscriptions.clock.now()) {
        return Err(ApiError::invalid(vec![FieldError::new("resumes_at", "give a time to come")]));
    }
    let wish = Wish::Pause {
        behavior: asked.behavior.unwrap_or(PauseBehavior::Void),
        resumes_at: asked.resumes_at.map(OffsetDateTime::unix_timestamp),
    };
    let (answer, is_replay) = subscriptions.ask(&name, idempotency.as_ref(), &wish).await?;
    Ok(answer.into_response(is_replay))
}

/// Resumes a subscription that is paused, or takes back that it ends with its period.
#[utoipa::path(
    post, path = "/v1/subscriptions/{name}/resume", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<NothingAsked>, content_type = "application/json"),
    responses((status = 200, description = "The subscription.", body = Subscription),
        (status = 402, description = "The payment that resumes it was declined.", body = ErrorBody<'static>),
        CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn resume_subscription(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    subscriptions: web::Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let (_, idempotency) = read::<NothingAsked>(key, &name, "resume", &request, body).await?;
    let (answer, is_replay) = subscriptions.ask(&name, idempotency.as_ref(), &Wish::Resume).await?;
    Ok(answer.into_response(is_replay))
}

/// Cancels a subscription, at the end of its period or now.
#[utoipa::path(
    post, path = "/v1/subscriptions/{name}/cancel", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<CancelAsked>, content_type = "application/json"),
    responses((status = 200, description = "The subscription.", body = Subscription), CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn cancel_subscription(
    key: ApiKey,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
    subscriptions: web::Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let (asked, idempotency) = read::<CancelAsked>(key, &name, "cancel", &request, body).await?;
    if asked.when == When::PeriodEnd {
        if asked.invoice_now {
            let message = "only one that is cancelled now owes something: set when to now";
            return Err(ApiError::invalid(vec![FieldError::new("invoice_now", message)]));
        }
        let (answer, is_replay) =
            subscriptions.ask(&name, idempotency.as_ref(), &Wish::CancelAtPeriodEnd).await?;
        return Ok(answer.into_response(is_replay));
    }
    let (answer, is_replay) =
        subscriptions.cancel_now(&name, idempotency.as_ref(), asked.invoice_now).await?;
    Ok(answer.into_response(is_replay))
}

async fn read<B: DeserializeOwned + Default>(
    key: ApiKey,
    name: &str,
    verb: &str,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<(B, Option<IdempotencyKey>), ApiError> {
    let body = read_body(body).await?;
    let operation = format!("POST /v1/subscriptions/{name}/{verb}");
    let idempotency = IdempotencyKey::of(request.headers(), key, &operation, &body)?;
    let asked = if body.is_empty() { B::default() } else { read_json(&body)? };
    Ok((asked, idempotency))
}

/// Shows a subscription.
#[utoipa::path(
    get, path = "/v1/subscriptions/{name}", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`, or the schedule that became it, `sub_sched_…`.")),
    responses((status = 200, description = "The subscription.", body = Subscription), CommonFaults, NamedFaults)
)]
async fn show_subscription(
    _: ApiKey,
    name: web::Path<String>,
    subscriptions: web::Data<Subscriptions>,
) -> Result<web::Json<Subscription>, ApiError> {
    Ok(web::Json(subscriptions.find(&name).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// In this status of Stripe's, such as `active` or `past_due`.
    status: Option<String>,
    /// Of this customer, `cus_…`.
    customer: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Subscriptions on a page; 20 by default.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// A page of subscriptions, newest first.
#[derive(Serialize, ToSchema)]
struct SubscriptionPage {
    data: Vec<Subscription>,
    /// Give it as `cursor` for the next page; absent on the last one.
    next_cursor: Option<String>,
}

/// Lists subscriptions, newest first.
#[utoipa::path(
    get, path = "/v1/subscriptions", tag = "subscriptions", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of subscriptions.", body = SubscriptionPage), CommonFaults, QueryFaults)
)]
async fn list_subscriptions(
    _: ApiKey,
    request: HttpRequest,
    subscriptions: web::Data<Subscriptions>,
) -> Result<web::Json<SubscriptionPage>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;
    let mut conn = subscriptions.pool.acquire().await?;
    let mut ids = store::list_subscriptions(&mut conn, &filter).await?;
    let has_more = page.cut(&mut ids);
    let mut data = store::load_subscriptions(&mut conn, &ids).await?;
    add_dunning(&mut conn, subscriptions.neighbours.unpaid, &mut data).await?;
    let next_cursor = data.last().filter(|_| has_more).map(|last| cursor(last.created_at, last.id));
    Ok(web::Json(SubscriptionPage { data, next_cursor }))
}

impl ListQuery {
    fn check(self) -> Result<(SubscriptionFilter, Paging), Vec<FieldError>> {
        let mut faults = Vec::new();
        if self.status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
            faults.push(FieldError::new("status", format!("give one of {}", STATUSES.join(", "))));
        }
        if self.customer.as_deref().is_some_and(|text| text.contains('\0')) {
            faults.push(FieldError::new("customer", "give a customer's id, cus_…"));
        }
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let filter = SubscriptionFilter {
            status: self.status,
            customer: self.customer,
            after: page.after,
            limit: page.rows(),
        };
        Ok((filter, page))
    }
}
