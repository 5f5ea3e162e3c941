//! `/v1/subscriptions`.

use actix_web::web::{self, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::ask::Wish;
use super::change::Change;
use super::check::CreateSubscription;
use super::store::{self, SubscriptionFilter};
use super::subscription::{STATUSES, Subscription};
use super::{Subscriptions, add_dunning};
use crate::api::{
    ApiError, ApiKey, Asked, BodyFaults, ChangeFaults, CommonFaults, ErrorBody, Faults, FieldError,
    NamedFaults, Nothing, Page, Paging, QueryFaults, only, read_query,
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
    asked: Asked,
    subscriptions: Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let terms: CreateSubscription = asked.json()?;
    let (answer, is_replay) = subscriptions.create(asked.key, asked.idempotency.as_ref(), &terms).await?;
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
    asked: Asked,
    name: Path<String>,
    subscriptions: Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let change: Change = asked.json()?;
    change.check().map_err(ApiError::invalid)?;
    ask(&asked, &name, &subscriptions, &Wish::Change(change)).await
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
    asked: Asked,
    name: Path<String>,
    subscriptions: Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let PauseAsked { behavior, resumes_at } = asked.json_or_default()?;
    if resumes_at.is_some_and(|at| at <= subscriptions.clock.now()) {
        return Err(ApiError::invalid(vec![FieldError::new("resumes_at", "give a time to come")]));
    }
    let wish = Wish::Pause {
        behavior: behavior.unwrap_or(PauseBehavior::Void),
        resumes_at: resumes_at.map(OffsetDateTime::unix_timestamp),
    };
    ask(&asked, &name, &subscriptions, &wish).await
}

/// Resumes a subscription that is paused, or takes back that it ends with its period.
#[utoipa::path(
    post, path = "/v1/subscriptions/{name}/resume", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer.")),
    request_body(content = Option<Nothing>, content_type = "application/json"),
    responses((status = 200, description = "The subscription.", body = Subscription),
        (status = 402, description = "The payment that resumes it was declined.", body = ErrorBody<'static>),
        CommonFaults, NamedFaults, BodyFaults, ChangeFaults)
)]
async fn resume_subscription(
    asked: Asked,
    name: Path<String>,
    subscriptions: Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let Nothing {} = asked.json_or_default()?;
    ask(&asked, &name, &subscriptions, &Wish::Resume).await
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
    asked: Asked,
    name: Path<String>,
    subscriptions: Data<Subscriptions>,
) -> Result<HttpResponse, ApiError> {
    let CancelAsked { when, invoice_now } = asked.json_or_default()?;
    match (when, invoice_now) {
        (When::PeriodEnd, false) => ask(&asked, &name, &subscriptions, &Wish::CancelAtPeriodEnd).await,
        (When::PeriodEnd, true) => {
            let message = "only one that is cancelled now owes something: set when to now";
            Err(ApiError::invalid(vec![FieldError::new("invoice_now", message)]))
        }
        (When::Now, _) => {
            let idempotency = asked.idempotency.as_ref();
            let (answer, is_replay) = subscriptions.cancel_now(&name, idempotency, invoice_now).await?;
            Ok(answer.into_response(is_replay))
        }
    }
}

async fn ask(
    asked: &Asked,
    name: &str,
    subscriptions: &Subscriptions,
    wish: &Wish,
) -> Result<HttpResponse, ApiError> {
    let (answer, is_replay) = subscriptions.ask(name, asked.idempotency.as_ref(), wish).await?;
    Ok(answer.into_response(is_replay))
}

/// Shows a subscription.
#[utoipa::path(
    get, path = "/v1/subscriptions/{name}", tag = "subscriptions", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `sub_…`, or the schedule that became it, `sub_sched_…`.")),
    responses((status = 200, description = "The subscription.", body = Subscription), CommonFaults, NamedFaults)
)]
async fn show_subscription(
    _: ApiKey,
    name: Path<String>,
    subscriptions: Data<Subscriptions>,
) -> Result<Json<Subscription>, ApiError> {
    Ok(Json(subscriptions.find(&name).await?))
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

/// Lists subscriptions, newest first.
#[utoipa::path(
    get, path = "/v1/subscriptions", tag = "subscriptions", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of subscriptions.", body = Page<Subscription>), CommonFaults, QueryFaults)
)]
async fn list_subscriptions(
    _: ApiKey,
    request: HttpRequest,
    subscriptions: Data<Subscriptions>,
) -> Result<Json<Page<Subscription>>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;
    let mut conn = subscriptions.pool.acquire().await?;
    let found = store::list_subscriptions(&mut conn, &filter).await?;
    let page = page.show(found, async |ids| {
        let mut data = store::load_subscriptions(&mut conn, ids).await?;
        add_dunning(&mut conn, subscriptions.neighbours.unpaid, &mut data).await?;
        Ok::<_, sqlx::Error>(data)
    });
    Ok(Json(page.await?))
}

impl ListQuery {
    fn check(self) -> Result<(SubscriptionFilter, Paging), Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.one_of("status", self.status.as_deref(), &STATUSES);
        faults.wanted("customer", self.customer.as_deref(), "a customer's id, cus_…");
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        let filter = SubscriptionFilter {
            status: self.status,
            customer: self.customer,
            after: page.after,
            limit: page.rows(),
        };
        faults.finish(Some((filter, page)))
    }
}
