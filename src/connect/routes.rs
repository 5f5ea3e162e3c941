//! `/v1/connect/…` for the platform's back end, `/connect/…` for the browsers of accounts' owners.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::{IntoParams, IntoResponses, OpenApi};

use super::account::{Account, AccountState};
use super::check::{CreateAccount, StartOauth};
use super::oauth::{Invitation, Return};
use super::onboard::{NewConnectedAccount, OnboardingLink};
use super::page::{Page, redirect, wanted};
use super::platform::Platform;
use super::store::{self, AccountFilter, NewToken, Purpose};
use super::token::{Token, hash};
use crate::api::{
    self, ApiError, ApiKey, Asked, BodyFaults, ChangeFaults, CommonFaults, ErrorBody, Faults, FieldError,
    NamedFaults, Paging, QueryFaults, only, read_query,
};

/// How long the page that an owner comes back to can send on.
const BUTTON_LIFE: time::Duration = time::Duration::hours(1);

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(
    create_account,
    list_accounts,
    show_account,
    disconnect_account,
    make_link,
    invite,
    refresh,
    come_back,
    start_oauth,
    finish_oauth
))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let accounts = web::resource("/v1/connect/accounts").get(list_accounts).post(create_account);
    let account = web::resource("/v1/connect/accounts/{name}").get(show_account).delete(disconnect_account);
    let link = web::resource("/v1/connect/accounts/{name}/link").post(make_link);
    let invite = web::resource("/v1/connect/oauth").post(invite);
    service
        .service(accounts.default_service(only("GET, POST")))
        .service(account.default_service(only("GET, DELETE")))
        .service(link.default_service(only("POST")))
        .service(invite.default_service(only("POST")))
        .service(web::resource("/connect/refresh").get(refresh).default_service(only("GET")))
        .service(web::resource("/connect/return").get(come_back).default_service(only("GET")))
        .service(web::resource("/connect/oauth/start").get(start_oauth).default_service(only("GET")))
        .service(web::resource("/connect/oauth/callback").get(finish_oauth).default_service(only("GET")));
}

/// Makes a connected account and a link to its onboarding.
#[utoipa::path(
    post, path = "/v1/connect/accounts", tag = "connect", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one account, and goes on where an earlier try had no answer.")),
    request_body = CreateAccount,
    responses((status = 201, description = "The account, and where to send its owner.", body = NewConnectedAccount), CommonFaults, BodyFaults)
)]
async fn create_account(asked: Asked, platform: web::Data<Platform>) -> Result<HttpResponse, ApiError> {
    let account: CreateAccount = asked.json()?;
    let (answer, is_replay) = platform.create(asked.key, asked.idempotency.as_ref(), &account).await?;
    Ok(answer.into_response(is_replay))
}

/// Shows a connected account.
#[utoipa::path(
    get, path = "/v1/connect/accounts/{name}", tag = "connect", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `acct_…`.")),
    responses((status = 200, description = "The account.", body = Account), CommonFaults, NamedFaults)
)]
async fn show_account(
    _: ApiKey,
    name: web::Path<String>,
    platform: web::Data<Platform>,
) -> Result<web::Json<Account>, ApiError> {
    Ok(web::Json(find(&platform, &name).await?))
}

/// Disconnects an account.
#[utoipa::path(
    delete, path = "/v1/connect/accounts/{name}", tag = "connect", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `acct_…`.")),
    responses((status = 200, description = "The account, disconnected.", body = Account), CommonFaults, NamedFaults, ChangeFaults)
)]
async fn disconnect_account(
    _: ApiKey,
    name: web::Path<String>,
    platform: web::Data<Platform>,
) -> Result<web::Json<Account>, ApiError> {
    let account = find(&platform, &name).await?;
    Ok(web::Json(platform.disconnect(account.id).await?))
}

/// Makes a fresh link to an account's onboarding.
#[utoipa::path(
    post, path = "/v1/connect/accounts/{name}/link", tag = "connect", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `acct_…`.")),
    responses((status = 201, description = "Where to send the owner.", body = OnboardingLink), CommonFaults, NamedFaults, ChangeFaults)
)]
async fn make_link(
    _: ApiKey,
    name: web::Path<String>,
    platform: web::Data<Platform>,
) -> Result<HttpResponse, ApiError> {
    let account = find(&platform, &name).await?;
    let link: OnboardingLink = platform.link(account.id).await?;
    Ok(HttpResponse::Created().json(link))
}

/// Makes an invitation to connect an account by OAuth.
#[utoipa::path(
    post, path = "/v1/connect/oauth", tag = "connect", security(("api_key" = [])),
    request_body = StartOauth,
    responses((status = 201, description = "Where to send the owner.", body = Invitation), CommonFaults, BodyFaults)
)]
async fn invite(asked: Asked, platform: web::Data<Platform>) -> Result<HttpResponse, ApiError> {
    let start: StartOauth = asked.json()?;
    let invitation: Invitation = platform.invite(asked.key, &start).await?;
    Ok(HttpResponse::Created().json(invitation))
}

async fn find(platform: &Platform, name: &str) -> Result<Account, ApiError> {
    let mut conn = platform.pool.acquire().await?;
    let found = store::find_account(&mut conn, platform.livemode, name).await?;
    found.ok_or_else(|| ApiError::not_found(format!("no connected account has the id {name:?}")))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// In this state.
    #[param(value_type = Option<AccountState>)]
    state: Option<String>,
    /// Of this name.
    reference: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Accounts on a page; 20 by default.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// Lists connected accounts, newest first.
#[utoipa::path(
    get, path = "/v1/connect/accounts", tag = "connect", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of accounts.", body = api::Page<Account>), CommonFaults, QueryFaults)
)]
async fn list_accounts(
    _: ApiKey,
    request: HttpRequest,
    platform: web::Data<Platform>,
) -> Result<web::Json<api::Page<Account>>, ApiError> {
    let (filter, page) = read_query::<ListQuery>(&request)?.check().map_err(ApiError::invalid)?;
    let mut conn = platform.pool.acquire().await?;
    let found = store::list_accounts(&mut conn, platform.livemode, &filter).await?;
    let page = page.show(found, async |ids| store::load_accounts(&mut conn, ids).await).await?;
    Ok(web::Json(page))
}

impl ListQuery {
    fn check(self) -> Result<(AccountFilter, Paging), Vec<FieldError>> {
        let mut faults = Faults::default();
        let states: Vec<&str> = AccountState::ALL.iter().map(|state| state.as_str()).collect();
        faults.one_of("state", self.state.as_deref(), &states);
        faults.wanted("reference", self.reference.as_deref(), "the reference of an account");
        let page = Paging::read(self.cursor.as_deref(), self.limit.as_deref(), &mut faults);
        let filter = AccountFilter {
            state: self.state,
            reference: self.reference,
            after: page.after,
            limit: page.rows(),
        };
        faults.finish(Some((filter, page)))
    }
}

/// The pages of owners' browsers that are not a success.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes")]
enum PageFaults {
    /// The address is not known, or this is another browser.
    #[response(status = 400, content_type = "text/html")]
    NotKnown(String),
    /// The request was answered too slowly.
    #[response(status = 408, content_type = "application/json")]
    TooSlow(ErrorBody<'static>),
    /// The account cannot be connected like this.
    #[response(status = 409, content_type = "text/html")]
    Conflict(String),
    /// The address was used already or has expired.
    #[response(status = 410, content_type = "text/html")]
    Gone(String),
    /// Stripe refused.
    #[response(status = 422, content_type = "text/html")]
    Refused(String),
    /// The database or Stripe does not answer, or Stripe is not set up.
    #[response(status = 503, content_type = "text/html")]
    Unavailable(String),
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Shown {
    /// From the address that Packline made.
    #[serde(default)]
    token: String,
}

fn shown(request: &HttpRequest) -> String {
    let query = web::Query::<Shown>::from_query(request.query_string());
    query.map(|query| query.into_inner().token).unwrap_or_default()
}

/// Stripe sends an owner here whose link is used up or too old: on to a fresh one, once.
#[utoipa::path(
    get, path = "/connect/refresh", tag = "browsers", params(Shown),
    responses((status = 303, description = "To Stripe."), PageFaults)
)]
async fn refresh(request: HttpRequest, platform: web::Data<Platform>) -> HttpResponse {
    let token = hash(&shown(&request));
    let sent = async {
        let now = platform.clock.now();
        let id = {
            let mut conn = platform.pool.acquire().await?;
            let known = store::find_token(&mut conn, &token, Purpose::Refresh).await?;
            let good = known.filter(|known| known.used_at.is_none() && known.expires_at > now);
            good.and_then(|known| known.account_id)
        };
        let Some(id) = id else { return Ok(used_up()) };
        let link = platform.link(id).await?;
        let mut conn = platform.pool.acquire().await?;
        let is_first = store::use_token(&mut conn, &token, platform.clock.now()).await?;
        Ok(if is_first { redirect(&link.url) } else { used_up() })
    };
    sent.await.unwrap_or_else(trouble)
}

/// Stripe sends an owner here who left the form, whether finished or not: only a look at the account tells.
#[utoipa::path(
    get, path = "/connect/return", tag = "browsers", params(Shown),
    responses((status = 200, description = "A page that says how it stands.", body = String, content_type = "text/html"), PageFaults)
)]
async fn come_back(request: HttpRequest, platform: web::Data<Platform>) -> HttpResponse {
    let token = hash(&shown(&request));
    let looked = async {
        let now = platform.clock.now();
        let known = {
            let mut conn = platform.pool.acquire().await?;
            store::find_token(&mut conn, &token, Purpose::Return).await?
        };
        let id = known.filter(|known| known.expires_at > now).and_then(|known| known.account_id);
        let Some(id) = id else { return Ok(used_up()) };
        let account = platform.look(id).await?;
        if account.can_receive && account.facts.requirements.currently_due.is_empty() {
            let text = "Stripe has all it needs. You can close this page.";
            return Ok(Page::new(StatusCode::OK, "Your account is ready", text).into_response());
        }
        if account.state != AccountState::Connected {
            let text = "The platform is no longer connected with this account.";
            return Ok(Page::new(StatusCode::OK, "Not connected", text).into_response());
        }
        let again = Token::random();
        let row = NewToken {
            hash: &again.hash(),
            purpose: Purpose::Refresh,
            account_id: Some(id),
            grant_id: None,
            browser: None,
            expires_at: now + BUTTON_LIFE,
        };
        store::insert_token(&mut *platform.pool.acquire().await?, &row, now).await?;
        let items = wanted(&account.facts.requirements);
        let text = match (items.is_empty(), account.facts.details_submitted) {
            (true, true) => "Stripe is checking what you told. It will write to you if something is missing.",
            (true, false) => "You have not finished yet.",
            (false, _) => "Stripe still wants to know:",
        };
        let page = Page::new(StatusCode::OK, "Not ready yet", text);
        let button = Some((platform.address("connect/refresh", &again.0), "Go on at Stripe"));
        Ok(Page { items: &items, button, ..page }.into_response())
    };
    looked.await.unwrap_or_else(trouble)
}

/// An invitation sends a browser on to Stripe.
#[utoipa::path(
    get, path = "/connect/oauth/start", tag = "browsers", params(Shown),
    responses((status = 303, description = "To Stripe."), (status = 200, description = "A page that says how it stands.", body = String, content_type = "text/html"), PageFaults)
)]
async fn start_oauth(request: HttpRequest, platform: web::Data<Platform>) -> HttpResponse {
    platform.start_oauth(&shown(&request)).await.unwrap_or_else(trouble)
}

/// Stripe sends the browser back, with a code or an error.
#[utoipa::path(
    get, path = "/connect/oauth/callback", tag = "browsers", params(Return),
    responses((status = 200, description = "A page that says how it stands.", body = String, content_type = "text/html"), PageFaults)
)]
async fn finish_oauth(request: HttpRequest, platform: web::Data<Platform>) -> HttpResponse {
    let back = web::Query::<Return>::from_query(request.query_string());
    let back = back.map(web::Query::into_inner).unwrap_or_default();
    platform.finish_oauth(back, request.headers()).await.unwrap_or_else(trouble)
}

fn used_up() -> HttpResponse {
    let text = "This address was used already or has expired. Ask the platform for a new link.";
    Page::new(StatusCode::GONE, "Used up", text).into_response()
}

/// An error of ours or of Stripe's: a browser gets a page, not JSON, and nothing of what failed.
fn trouble(error: ApiError) -> HttpResponse {
    let status = actix_web::ResponseError::status_code(&error);
    tracing::warn!(error = %error, "an owner of an account could not be sent on");
    let text = "This does not work at the moment. Reload the page in a minute, or ask the platform.";
    Page::new(status, "Something went wrong", text).into_response()
}
