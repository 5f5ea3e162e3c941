//! The platform: what the routes and the worker of this feature share.

use actix_web::http::StatusCode;
use reqwest::Url;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::api::ApiError;
use crate::clock::{Clock, backoff};
use crate::config::StripeConfig;
use crate::orders::routes::WakeWaiting;
use crate::stripe::{CallError, Client};

/// Nobody else takes up an account for so long after a call for it began.
pub(super) const LEASE: Duration = Duration::minutes(2);
const FIRST_WAIT: Duration = Duration::seconds(10);

/// The platform that accounts are connected to. Clones share all.
#[derive(Clone)]
pub struct Platform {
    pub(super) pool: PgPool,
    pub(super) clock: Clock,
    pub(super) livemode: bool,
    /// Where browsers reach us; ends with a slash.
    pub(super) public_url: Url,
    pub(super) wake: WakeWaiting,
    stripe: Option<(Client, StripeConfig)>,
}

/// What OAuth needs.
pub(super) struct OauthApp<'p> {
    pub client: &'p Client,
    pub client_id: &'p str,
    pub connect_base: &'p Url,
}

impl Platform {
    /// A platform on a database. `public_url` is where browsers reach this service; without `stripe` accounts can be
    /// read, but neither connected nor looked at.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        livemode: bool,
        public_url: Url,
        wake: WakeWaiting,
        stripe: Option<(Client, StripeConfig)>,
    ) -> Self {
        Self { pool, clock, livemode, public_url, wake, stripe }
    }

    /// The mode of Stripe that it is for.
    pub fn livemode(&self) -> bool {
        self.livemode
    }

    pub(super) fn stripe(&self) -> Result<&Client, ApiError> {
        let missing =
            "Packline calls Stripe only with STRIPE_SECRET_KEY (for the local Stripe also STRIPE_API_BASE)";
        self.stripe.as_ref().map(|(client, _)| client).ok_or_else(|| not_configured(missing))
    }

    pub(super) fn oauth(&self) -> Result<OauthApp<'_>, ApiError> {
        let client = self.stripe()?;
        let config = self.stripe.as_ref().map(|(_, config)| config);
        let app = config.and_then(|config| {
            Some(OauthApp {
                client,
                client_id: config.connect_client_id.as_deref()?,
                connect_base: &config.connect_base,
            })
        });
        app.ok_or_else(|| not_configured("OAuth needs STRIPE_CONNECT_CLIENT_ID, the ca_… of your platform"))
    }

    /// An address of ours for browsers.
    pub(super) fn address(&self, path: &str, token: &str) -> String {
        // Relative, so that a service under a folder of its host stays there.
        let mut url = self.public_url.clone();
        url.set_path(&format!("{}/{path}", self.public_url.path().trim_end_matches('/')));
        url.query_pairs_mut().append_pair("token", token);
        url.to_string()
    }
}

fn not_configured(message: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stripe_not_configured", message)
}

/// A call that ended badly, as callers of ours hear it.
pub(super) fn call_failed(error: &CallError) -> ApiError {
    let (status, code, advice) = match error {
        CallError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "stripe_refused", ""),
        CallError::NotDone(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "stripe_unavailable",
            "; try again with the same Idempotency-Key",
        ),
        CallError::Unknown(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "stripe_outcome_unknown",
            "; try again with the same Idempotency-Key, nothing is done twice",
        ),
    };
    ApiError::new(status, code, format!("{error}{advice}"))
}

pub(super) fn next_try(failures: i32, now: OffsetDateTime) -> OffsetDateTime {
    now + backoff(FIRST_WAIT, failures + 1)
}
