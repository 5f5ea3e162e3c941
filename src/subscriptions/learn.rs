//! What Stripe answers about subscriptions.

use futures_util::future::BoxFuture;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::state::{ASKED, Known, Source};
use super::store;
use super::subscription::Facts;
use crate::outbox::{Outcome, StoredCall};
use crate::stripe;

/// Records what a call about a subscription came to. The worker looks at it after that: an answer may be the repetition
/// of an old one, or slower than an event.
pub fn receive<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move {
        match outcome {
            Outcome::Done(answer) | Outcome::Seen(answer) => learn(conn, call, answer, now).await,
            Outcome::Refused(refusal) => not_made(conn, call.subject, &refusal.to_string(), now).await,
            Outcome::NotDone { why } => not_made(conn, call.subject, why, now).await,
        }
    })
}

async fn learn(
    conn: &mut PgConnection,
    call: &StoredCall,
    answer: &Value,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let told: stripe::Subscription = match serde_json::from_value(answer.clone()) {
        Ok(told) => told,
        Err(error) => {
            tracing::error!(%error, stripe.object = answer["id"].as_str(), "an answer is no subscription that can be read");
            return store::look_at(conn, call.subject, now).await;
        }
    };
    let facts = Facts::of(&told);
    let at = facts.created.unwrap_or(now);
    let source = Source { told_as: ASKED.to_owned(), at, by: ASKED.to_owned() };
    let known = Known { facts, source };
    let account = call.account.as_deref();
    let (mut row, is_new) =
        store::lock_or_insert(conn, &told.id, Some(call.subject), account, &known, now).await?;
    if !is_new {
        row.known.ask(&known.facts);
    }
    // A look that is under way began before this.
    row.news += 1;
    store::save(conn, &row, Some(now), now).await
}

async fn not_made(conn: &mut PgConnection, id: Uuid, why: &str, now: OffsetDateTime) -> sqlx::Result<()> {
    store::call_off(conn, id, why, now).await?;
    // Perhaps it is not as we thought.
    store::look_at(conn, id, now).await
}
