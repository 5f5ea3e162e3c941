//! Connecting by OAuth: the owner of an account logs in at Stripe and lets the platform in.
//!
//! The platform's back end asks for an invitation and sends the owner to its address. There the browser gets a cookie and
//! is sent on to Stripe with a state: random, good for one return, bound to that cookie. Who comes back with another
//! state, a used one or from another browser has connected nothing. Of Stripe's answer only the account's id, scope and
//! mode are kept; its tokens are never read.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::check::StartOauth;
use super::events::account_key;
use super::onboard::reference_taken;
use super::page::{Page, redirect, wanted};
use super::platform::Platform;
use super::store::{self, GrantRow, NewToken, Purpose};
use super::token::{Token, hash};
use crate::api::{ApiError, ApiKey};
use crate::stripe::{Call, CallError, OAuthGrant};

/// How long an invitation is good for.
const INVITATION_LIFE: Duration = Duration::days(7);
/// How long the owner may take at Stripe.
const STATE_LIFE: Duration = Duration::hours(2);
const COOKIE: &str = "packline_connect";

const AGAIN: &str = "Nothing was connected. Open the invitation from the platform again to try once more.";

/// Where to send the owner of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invitation {
    /// Ours.
    pub id: Uuid,
    /// The address for the owner's browser; good until it connected an account or expired.
    pub url: String,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// What Stripe sends the browser back with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Return {
    /// The state that the browser was sent with.
    state: Option<String>,
    /// Good once, for the account's id.
    code: Option<String>,
    /// Such as `access_denied`.
    error: Option<String>,
    /// For people.
    error_description: Option<String>,
}

impl Platform {
    /// Makes an invitation.
    ///
    /// # Errors
    /// 422 with the fields at fault, 503 without a client id.
    pub(super) async fn invite(&self, key: ApiKey, asked: &StartOauth) -> Result<Invitation, ApiError> {
        let checked = asked.check().map_err(ApiError::invalid)?;
        self.oauth()?;
        let now = self.clock.now();
        let (token, expires_at) = (Token::random(), now + INVITATION_LIFE);
        let grant = GrantRow {
            id: Uuid::now_v7(),
            reference: asked.reference.clone(),
            livemode: self.livemode,
            email: asked.email.clone(),
            fee_fixed: 0,
            fee_currency: None,
            fee_basis_points: 0,
            api_key_id: key.id,
            outcome: None,
            expires_at,
        }
        .with_commission(checked.commission);
        let row = NewToken {
            hash: &token.hash(),
            purpose: Purpose::OauthStart,
            account_id: None,
            grant_id: Some(grant.id),
            browser: None,
            expires_at,
        };
        let mut tx = self.pool.begin().await?;
        store::insert_grant(&mut tx, &grant, now).await?;
        store::insert_token(&mut tx, &row, now).await?;
        tx.commit().await?;
        Ok(Invitation { id: grant.id, url: self.address("connect/oauth/start", &token.0), expires_at })
    }

    /// Sends a browser with an invitation on to Stripe.
    pub(super) async fn start_oauth(&self, token: &str) -> Result<HttpResponse, ApiError> {
        let app = self.oauth()?;
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let known = store::find_token(&mut tx, &hash(token), Purpose::OauthStart).await?;
        let Some((expires_at, grant_id)) = known.and_then(|known| Some((known.expires_at, known.grant_id?)))
        else {
            return Ok(unknown_link());
        };
        let grant = store::find_grant(&mut tx, grant_id).await?;
        if grant.outcome.as_deref() == Some("connected") {
            let text = "This invitation has connected an account already. You can close this page.";
            return Ok(Page::new(StatusCode::OK, "Connected already", text).into_response());
        }
        if expires_at <= now || grant.livemode != self.livemode {
            return Ok(expired());
        }
        let (state, browser) = (Token::random(), Token::random());
        let row = NewToken {
            hash: &state.hash(),
            purpose: Purpose::OauthState,
            account_id: None,
            grant_id: Some(grant_id),
            browser: Some(&browser.hash()),
            expires_at: now + STATE_LIFE,
        };
        store::insert_token(&mut tx, &row, now).await?;
        tx.commit().await?;

        let mut url = app.connect_base.clone();
        url.set_path("/express/oauth/authorize");
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", app.client_id).append_pair("response_type", "code");
        query.append_pair("state", &state.0).append_pair("redirect_uri", &self.callback());
        if let Some(email) = &grant.email {
            query.append_pair("stripe_user[email]", email);
        }
        drop(query);
        let mut response = redirect(url.as_str());
        let secure = if self.public_url.scheme() == "https" { "; Secure" } else { "" };
        let life = STATE_LIFE.whole_seconds();
        let cookie =
            format!("{COOKIE}={}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}", browser.0);
        if let Ok(cookie) = header::HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Takes a browser back from Stripe.
    pub(super) async fn finish_oauth(
        &self,
        back: Return,
        headers: &header::HeaderMap,
    ) -> Result<HttpResponse, ApiError> {
        let app = self.oauth()?;
        let state = hash(back.state.as_deref().unwrap_or_default());
        let grant = match self.take_state(&state, headers).await? {
            Ok(grant) => grant,
            Err(page) => return Ok(page),
        };
        if let Some(error) = &back.error {
            let (outcome, title) = match error.as_str() {
                "access_denied" => ("denied", "You did not connect"),
                _ => ("refused", "Stripe did not connect the account"),
            };
            let reason = back.error_description.as_deref().unwrap_or(error);
            self.end(&grant, outcome, reason).await?;
            return Ok(Page::new(StatusCode::OK, title, AGAIN).into_response());
        }
        let code = back.code.as_deref().unwrap_or_default();
        if code.is_empty() {
            self.end(&grant, "refused", "Stripe sent neither a code nor an error").await?;
            return Ok(Page::new(StatusCode::BAD_REQUEST, "Something is missing", AGAIN).into_response());
        }
        let key = format!("packline-oauth-{}", hex::encode(state));
        match app.client.oauth_token(code, Call { idempotency_key: &key, account: None }).await {
            Ok(granted) => self.accept(&grant, &granted).await,
            Err(error) => {
                tracing::warn!(grant.id = %grant.id, error = %error, "an OAuth code was not exchanged");
                let is_refused = matches!(error, CallError::Refused(_));
                let (outcome, status, title) = if is_refused {
                    ("refused", StatusCode::BAD_REQUEST, "Stripe did not accept the way back")
                } else {
                    ("unknown", StatusCode::SERVICE_UNAVAILABLE, "Stripe does not answer")
                };
                self.end(&grant, outcome, &error.to_string()).await?;
                let text = if is_refused {
                    AGAIN
                } else {
                    "Open the invitation from the platform again in a minute."
                };
                Ok(Page::new(status, title, text).into_response())
            }
        }
    }

    /// Uses a state up, if it is one and this browser's; else the page that says why not.
    async fn take_state(
        &self,
        state: &[u8],
        headers: &header::HeaderMap,
    ) -> Result<Result<GrantRow, HttpResponse>, ApiError> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let known = store::find_token(&mut tx, state, Purpose::OauthState).await?;
        let Some((known, grant_id)) =
            known.and_then(|known| Some((known.grant_id?, known)).map(|(id, row)| (row, id)))
        else {
            return Ok(Err(unknown_link()));
        };
        if known.used_at.is_some() {
            let text = "This way back from Stripe was used already. If the platform does not show your account as \
                        connected, open its invitation again.";
            return Ok(Err(Page::new(StatusCode::BAD_REQUEST, "Used already", text).into_response()));
        }
        if known.expires_at <= now {
            return Ok(Err(expired()));
        }
        let browser = cookie(headers).map(|text| hash(text).to_vec());
        if browser.is_none() || browser != known.browser {
            let text = "You began in another browser, or this one keeps no cookies. Open the invitation from the \
                        platform again, and stay in one browser.";
            return Ok(Err(Page::new(StatusCode::BAD_REQUEST, "Another browser", text).into_response()));
        }
        if !store::use_token(&mut tx, state, now).await? {
            let text = "This way back from Stripe was used already.";
            return Ok(Err(Page::new(StatusCode::BAD_REQUEST, "Used already", text).into_response()));
        }
        let grant = store::find_grant(&mut tx, grant_id).await?;
        tx.commit().await?;
        Ok(Ok(grant))
    }

    /// Writes the account that Stripe says we were let into.
    async fn accept(&self, grant: &GrantRow, granted: &OAuthGrant) -> Result<HttpResponse, ApiError> {
        if granted.livemode.is_some_and(|livemode| livemode != self.livemode) {
            let reason = format!("{} was connected in the other mode of Stripe", granted.stripe_user_id);
            self.end(grant, "refused", &reason).await?;
            let text = "The account was connected in another mode (live or test) than the platform's. Tell the platform.";
            return Ok(Page::new(StatusCode::CONFLICT, "The wrong mode", text).into_response());
        }
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let scope = granted.scope.as_deref();
        let written = store::upsert_granted(&mut tx, grant, &granted.stripe_user_id, scope, now).await;
        let id = match written {
            Ok(Some(id)) => id,
            Ok(None) => {
                drop(tx);
                return self
                    .taken(grant, "This Stripe account is connected under another name already.")
                    .await;
            }
            Err(error) if reference_taken(&error, &grant.reference).is_some() => {
                drop(tx);
                return self
                    .taken(grant, "Another Stripe account is connected under your name already.")
                    .await;
            }
            Err(error) => return Err(error.into()),
        };
        store::end_grant(&mut tx, grant.id, "connected", None, Some(id), now).await?;
        (self.wake)(&mut tx, vec![account_key(&granted.stripe_user_id)], now).await?;
        tx.commit().await?;
        tracing::info!(account.id = %id, stripe.account = granted.stripe_user_id, "account connected by OAuth");

        // What it may do is not in the answer; where the look fails, the worker's comes.
        let wants = self.look(id).await.map(|account| account.facts.requirements).unwrap_or_default();
        let items = wanted(&wants);
        let text = match (items.is_empty(), wants.disabled_reason) {
            (true, None) => "Your Stripe account is connected. You can close this page.",
            (true, Some(_)) => "Your Stripe account is connected. Stripe is checking it still.",
            (false, _) => "Your Stripe account is connected. Stripe still wants to know:",
        };
        let page = Page::new(StatusCode::OK, "Connected", text);
        Ok(Page { items: &items, ..page }.into_response())
    }

    async fn taken(&self, grant: &GrantRow, text: &str) -> Result<HttpResponse, ApiError> {
        self.end(grant, "refused", text).await?;
        Ok(Page::new(StatusCode::CONFLICT, "Not connected", format!("{text} Tell the platform."))
            .into_response())
    }

    async fn end(&self, grant: &GrantRow, outcome: &str, reason: &str) -> sqlx::Result<()> {
        let mut conn = self.pool.acquire().await?;
        let reason: String = reason.chars().filter(|letter| !letter.is_control()).take(500).collect();
        store::end_grant(&mut conn, grant.id, outcome, Some(&reason), None, self.clock.now()).await
    }

    fn callback(&self) -> String {
        let mut url = self.public_url.clone();
        url.set_path(&format!("{}/connect/oauth/callback", url.path().trim_end_matches('/')));
        url.to_string()
    }
}

fn unknown_link() -> HttpResponse {
    let text = "This address is not known here. Open the invitation from the platform again.";
    Page::new(StatusCode::BAD_REQUEST, "Not known", text).into_response()
}

fn expired() -> HttpResponse {
    Page::new(StatusCode::GONE, "Too late", "This address has expired. Ask the platform for a new one.")
        .into_response()
}

fn cookie(headers: &header::HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
