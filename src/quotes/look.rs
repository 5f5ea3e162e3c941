//! Looking at a quote: what Stripe says of it now, with all that it offers. The worker's step, where events or answers
//! left the lines unknown; and a caller's, where Stripe refused to move it.
//!
//! A look counts only if nobody spoke of the quote while it was under way, so that a slow answer never undoes a later one;
//! then the worker looks again.

use futures_util::TryStreamExt;
use serde_json::json;
use sqlx::PgConnection;
use time::Duration;
use uuid::Uuid;

use super::quote::QuoteState;
use super::receive::call_by_sku;
use super::request::expand;
use super::state::{Lines, Snapshot, Source, line};
use super::store::{self, Due};
use super::{Quotes, quote::QuoteLine};
use crate::api::ApiError;
use crate::clock::backoff;
use crate::db;
use crate::outbox;
use crate::stripe::{self, CallError};

/// Nobody else looks at a quote for so long after a look began.
const LEASE: Duration = Duration::minutes(2);
const FIRST_WAIT: Duration = Duration::seconds(10);

/// Why a look saw nothing.
pub(super) enum Unseen {
    /// Stripe has no such quote for us.
    Gone(String),
    /// Stripe does not answer, or what cannot be read.
    Unanswered(ApiError),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Unseen {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Quotes {
    /// Looks at the quote that waits longest for it; returns how many there were, none or one. Without a key for Stripe
    /// there is nothing to do.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        if self.outbox.stripe().is_err() {
            return Ok(0);
        }
        let now = self.now();
        let due = store::claim_due(&mut *self.pool.acquire().await?, now + LEASE, now).await?;
        let Some(Due { id, looks }) = due else { return Ok(0) };
        match self.look(id).await {
            Ok(_) => {}
            Err(Unseen::Database(error)) => return Err(error),
            Err(Unseen::Gone(why)) => {
                tracing::warn!(quote.id = %id, why, "Stripe does not show the quote");
                store::put_off(&mut *self.pool.acquire().await?, id, None).await?;
            }
            Err(Unseen::Unanswered(error)) => {
                tracing::debug!(quote.id = %id, %error, "to be looked at again");
                let next = self.now() + backoff(FIRST_WAIT, looks + 1);
                store::put_off(&mut *self.pool.acquire().await?, id, Some(next)).await?;
            }
        }
        Ok(1)
    }

    /// Looks at once at a quote whose lines the answer to a call left unknown. What does not succeed is the worker's.
    pub(super) async fn complete(&self, id: Uuid) -> sqlx::Result<()> {
        let known = store::load_known(&mut *self.pool.acquire().await?, id).await?;
        if known.is_some_and(|known| known.stripe_id.is_some() && known.lines.is_none()) {
            match self.look(id).await {
                Err(Unseen::Database(error)) => return Err(error),
                Ok(_) | Err(Unseen::Gone(_) | Unseen::Unanswered(_)) => {}
            }
        }
        Ok(())
    }

    /// Looks, and takes over how it is if that is further than what is known; returns its state.
    pub(super) async fn look(&self, id: Uuid) -> Result<QuoteState, Unseen> {
        let (known, before) = {
            let mut conn = self.pool.acquire().await?;
            (store::load_known(&mut conn, id).await?, store::counts_of(&mut conn, id).await?)
        };
        let known = known.ok_or(sqlx::Error::RowNotFound)?;
        let Some(stripe_id) = known.stripe_id else { return Ok(known.state) };
        let told = self.fetch(&stripe_id).await?;
        let mut tx = self.pool.begin().await?;
        let recorded = self.record(&mut tx, id, before.news, told).await;
        Ok(db::end(tx, recorded).await?)
    }

    /// The quote as Stripe has it, with all its lines.
    async fn fetch(&self, stripe_id: &str) -> Result<Snapshot, Unseen> {
        let client = self.outbox.stripe().map_err(Unseen::Unanswered)?;
        let path = format!("/v1/quotes/{stripe_id}");
        let query = json!({ "expand": expand() });
        let answer = client.get_value(&path, &query, None).await.map_err(unseen)?;
        let quote: stripe::Quote = serde_json::from_value(answer).map_err(|error| strange(&error))?;
        let mut told = Snapshot::of(&quote).map_err(|error| strange(&error))?;
        if told.lines == Lines::Cut {
            let query = json!({ "expand": ["data.price.product"] });
            let path = format!("{path}/line_items");
            let lines: Vec<serde_json::Value> =
                client.list_values(&path, query, None).try_collect().await.map_err(unseen)?;
            let lines: Result<Vec<QuoteLine>, _> = lines
                .into_iter()
                .map(|one| serde_json::from_value::<stripe::QuoteLine>(one).map(|one| line(&one)))
                .collect();
            told.lines = Lines::Whole(lines.map_err(|error| strange(&error))?);
        }
        Ok(told)
    }

    async fn record(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        news: i64,
        mut told: Snapshot,
    ) -> sqlx::Result<QuoteState> {
        let now = self.now();
        let mut known = store::lock(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
        let counts = store::counts_of(conn, id).await?;
        if counts.news != news {
            tracing::debug!(quote.id = %id, "it was spoken of while it was looked at");
            store::look_at(conn, id, now).await?;
            return Ok(known.state);
        }
        call_by_sku(conn, &mut told.lines).await?;
        let is_behind = known.hear(&told, Source::Look, now).is_some();
        store::save(conn, id, &known, now).await?;
        if is_behind {
            // An event told of a later state than Stripe answers with.
            store::put_off(conn, id, Some(now + backoff(FIRST_WAIT, counts.looks + 1))).await?;
        }
        Ok(known.state)
    }
}

fn unseen(error: CallError) -> Unseen {
    match error {
        CallError::Refused(refusal)
            if matches!(refusal.status, 403 | 404) || refusal.is("resource_missing") =>
        {
            Unseen::Gone(refusal.to_string())
        }
        other => Unseen::Unanswered(outbox::call_failed(&other)),
    }
}

fn strange(error: &dyn std::fmt::Display) -> Unseen {
    tracing::error!(%error, "what Stripe says of a quote cannot be read");
    let message = format!("what Stripe says of the quote cannot be read: {error}");
    Unseen::Unanswered(ApiError::new(
        actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
        "stripe_unavailable",
        message,
    ))
}
