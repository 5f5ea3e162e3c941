//! Looking at invoices: the worker's step, and the first look at one that nobody has told of.

use serde_json::json;
use time::Duration;

use super::invoice::Invoice;
use super::learn::links;
use super::store::{self, Due};
use super::{EXPAND, Invoices, learn};
use crate::api::ApiError;
use crate::clock::backoff;
use crate::stripe::CallError;
use crate::{db, orders};

/// Nobody else looks at an invoice for so long after a look began.
const LEASE: Duration = Duration::minutes(2);
const FIRST_WAIT: Duration = Duration::seconds(10);
/// Who told a link that a look saw.
const LOOKED_AT: &str = "look";

impl Invoices {
    /// Looks at the invoice that waits longest for it; returns how many there were, none or one. Without a key for Stripe
    /// there is nothing to do.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        if self.outbox.stripe().is_err() {
            return Ok(0);
        }
        let now = self.clock.now();
        let due = store::claim_due(&mut *self.pool.acquire().await?, now + LEASE, now).await?;
        let Some(due) = due else { return Ok(0) };
        match self.fetch(&due.stripe_id, due.account.as_deref()).await {
            Ok(_) => {}
            Err(Fetch::Database(error)) => return Err(error),
            Err(Fetch::Gone(why)) => self.give_up(&due, &why).await?,
            Err(Fetch::Unanswered(error)) => {
                tracing::debug!(invoice.id = %due.id, %error, "to be looked at again");
                let next = self.clock.now() + backoff(FIRST_WAIT, due.looks + 1);
                store::put_off(&mut *self.pool.acquire().await?, due.id, Some(next)).await?;
            }
        }
        Ok(1)
    }

    async fn give_up(&self, due: &Due, why: &str) -> sqlx::Result<()> {
        tracing::warn!(invoice.id = %due.id, stripe.invoice = due.stripe_id, why, "Stripe does not show the invoice");
        store::put_off(&mut *self.pool.acquire().await?, due.id, None).await
    }

    /// Looks at an invoice and takes over what it saw.
    async fn fetch(&self, stripe_id: &str, account: Option<&str>) -> Result<Option<Invoice>, Fetch> {
        let client = self.outbox.stripe().map_err(|error| Fetch::Unanswered(error.to_string()))?;
        let query = json!({ "expand": EXPAND });
        let answer = client.get_value(&format!("/v1/invoices/{stripe_id}"), &query, account).await;
        let answer = answer.map_err(|error| match error {
            CallError::Refused(refusal)
                if matches!(refusal.status, 403 | 404) || refusal.is("resource_missing") =>
            {
                Fetch::Gone(refusal.to_string())
            }
            other => Fetch::Unanswered(other.to_string()),
        })?;
        let mut tx = self.pool.begin().await?;
        let mut appeared = Vec::new();
        let learnt = async {
            if let Ok(invoice) = serde_json::from_value(answer.clone()) {
                appeared = orders::lookups::learn_links(&mut tx, &links(&invoice), LOOKED_AT).await?;
            }
            let id = learn(&mut tx, &answer, account, self.clock.now()).await?;
            Ok(match id {
                Some(id) => store::load_invoices(&mut tx, &[id]).await?.pop(),
                None => None,
            })
        };
        let learnt: Result<_, Fetch> = learnt.await;
        let learnt = db::end(tx, learnt).await?;
        // A payment that waits to learn what it pays goes on at once.
        if let Some(wake) = self.wake {
            wake(&mut *self.pool.acquire().await?, appeared, self.clock.now()).await?;
        }
        Ok(learnt)
    }

    /// Looks at an invoice that no event has told of yet.
    pub(super) async fn fetch_unknown(&self, stripe_id: &str) -> Result<Invoice, ApiError> {
        let unknown = || ApiError::not_found(format!("Stripe has no invoice {stripe_id:?} for this key"));
        match self.fetch(stripe_id, None).await {
            Ok(found) => found.ok_or_else(unknown),
            Err(Fetch::Gone(_)) => Err(unknown()),
            Err(Fetch::Database(error)) => Err(error.into()),
            Err(Fetch::Unanswered(error)) => {
                let message =
                    format!("no event has told of {stripe_id} yet, and Stripe does not answer: {error}");
                Err(ApiError::new(
                    actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
                    "stripe_unavailable",
                    message,
                ))
            }
        }
    }
}

/// Why a look saw nothing.
enum Fetch {
    /// Stripe has no such invoice for us.
    Gone(String),
    /// Stripe does not answer.
    Unanswered(String),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Fetch {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
