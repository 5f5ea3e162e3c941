//! Looking at subscriptions: what Stripe says now replaces what events told. A look counts only if nobody spoke of the
//! subscription while it was under way, so that a slow answer never undoes a later one; then the worker looks again.

use time::Duration;
use uuid::Uuid;

use super::Subscriptions;
use super::store::{self, Due};
use super::subscription::Facts;
use crate::api::ApiError;
use crate::clock::backoff;
use crate::db;
use crate::stripe::CallError;

/// Nobody else takes up a subscription for so long after a call for it began.
pub(super) const LEASE: Duration = Duration::minutes(2);
const FIRST_WAIT: Duration = Duration::seconds(10);

/// What a look came to.
pub(super) enum Looked {
    /// The row is as Stripe has it now.
    Seen,
    /// Somebody spoke of it meanwhile; the worker looks again.
    Overtaken,
    /// Stripe has no such subscription for us.
    Gone(String),
}

impl Subscriptions {
    /// Takes up the subscription that waits longest for a look or for its end; returns how many there were, none or one.
    /// Without a key for Stripe there is nothing to do.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        if self.outbox.stripe().is_err() {
            return Ok(0);
        }
        let now = self.clock.now();
        let due = store::claim_due(&mut *self.pool.acquire().await?, now + LEASE, now).await?;
        let Some(Due { id, looks }) = due else { return Ok(0) };
        match self.look(id).await {
            Ok(Looked::Seen | Looked::Overtaken) => {}
            Ok(Looked::Gone(why)) => {
                tracing::warn!(subscription.id = %id, why, "Stripe does not show the subscription");
                store::put_off(&mut *self.pool.acquire().await?, id, None).await?;
            }
            Err(error) => {
                tracing::debug!(subscription.id = %id, %error, "to be looked at again");
                let next = self.clock.now() + backoff(FIRST_WAIT, looks + 1);
                store::put_off(&mut *self.pool.acquire().await?, id, Some(next)).await?;
            }
        }
        Ok(1)
    }

    /// Looks at a subscription, or ends it if that was asked, and records what Stripe says.
    pub(super) async fn look(&self, id: Uuid) -> Result<Looked, ApiError> {
        let seen = store::news_of(&mut *self.pool.acquire().await?, id).await?;
        let Some(seen) = seen else { return Ok(Looked::Gone("Stripe has not made it".to_owned())) };
        let account = seen.account.as_deref();
        let mut told = None;
        if let Some(with_invoice) = seen.end_now {
            told = self.end_at_stripe(&seen.stripe_id, with_invoice, account).await?;
        }
        let told = match told {
            Some(told) => told,
            None => match self.outbox.stripe()?.retrieve_subscription(&seen.stripe_id, account).await {
                Ok(told) => told,
                Err(CallError::Refused(refusal)) => return Ok(Looked::Gone(refusal.to_string())),
                Err(error) => return Err(unanswered(&error)),
            },
        };
        let mut tx = self.pool.begin().await?;
        let recorded = self.record(&mut tx, id, seen.news, &Facts::of(&told)).await;
        Ok(db::end(tx, recorded).await?)
    }

    async fn record(
        &self,
        conn: &mut sqlx::PgConnection,
        id: Uuid,
        news: i64,
        facts: &Facts,
    ) -> sqlx::Result<Looked> {
        let now = self.clock.now();
        let Some(mut row) = store::lock(conn, id).await? else { return Ok(Looked::Overtaken) };
        if row.news != news {
            tracing::debug!(subscription.id = %id, "it was spoken of while it was looked at");
            store::look_at(conn, id, now).await?;
            return Ok(Looked::Overtaken);
        }
        row.known.ask(facts);
        store::save(conn, &row, None, now).await?;
        Ok(Looked::Seen)
    }
}

/// A call that had no answer, as callers of ours hear it.
pub(super) fn unanswered(error: &CallError) -> ApiError {
    ApiError::new(
        actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
        "stripe_outcome_unknown",
        format!(
            "{error}; Packline goes on asking, and nothing is done twice: repeat the request or look later"
        ),
    )
}
