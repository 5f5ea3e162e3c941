//! What the calls that make and move quotes came to.

use futures_util::future::BoxFuture;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::create::CREATE;
use super::quote::QuoteState;
use super::state::{Known, Lines, Snapshot, Source};
use super::store;
use crate::orders::lookups::known_skus;
use crate::outbox::{Outcome, StoredCall};
use crate::stripe;

/// Records what a call about a quote came to.
pub fn receive<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move {
        match outcome {
            Outcome::Done(object) => {
                hear_object(conn, call.subject, object, Source::Answer, now).await.map(|_| ())
            }
            Outcome::Seen(object) => {
                hear_object(conn, call.subject, object, Source::Answer, now).await.map(|_| ())
            }
            Outcome::Refused(refusal) if call.operation == CREATE.operation => {
                refuse(conn, call.subject, refusal.to_string(), now).await
            }
            Outcome::NotDone { why } if call.operation == CREATE.operation => {
                refuse(conn, call.subject, why.clone(), now).await
            }
            // It is as it was.
            Outcome::Refused(_) | Outcome::NotDone { .. } => Ok(()),
        }
    })
}

/// Hears an object that Stripe answered with; returns the state that the quote has then.
pub(super) async fn hear_object(
    conn: &mut PgConnection,
    id: Uuid,
    object: &Value,
    source: Source<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<QuoteState> {
    let mut known = store::lock(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let read = serde_json::from_value::<stripe::Quote>(object.clone())
        .map_err(|error| error.to_string())
        .and_then(|quote| Snapshot::of(&quote).map_err(|error| error.to_string()));
    match read {
        Ok(mut snapshot) => {
            call_by_sku(conn, &mut snapshot.lines).await?;
            known.hear(&snapshot, source, now);
            store::save(conn, id, &known, now).await?;
        }
        // Stripe did it all the same: what it says of it will be heard from an event that can be read.
        Err(error) => tracing::error!(quote.id = %id, error, "Stripe's answer about a quote cannot be read"),
    }
    Ok(known.state)
}

/// Calls lines as the merchant calls their prices; what was made through Packline has its name from there.
pub(super) async fn call_by_sku(conn: &mut PgConnection, lines: &mut Lines) -> sqlx::Result<()> {
    let Lines::Whole(lines) = lines else { return Ok(()) };
    let prices: Vec<&str> = lines.iter().filter_map(|line| line.price.as_deref()).collect();
    let skus = known_skus(conn, &prices).await?;
    for line in lines {
        if let Some(sku) = line.price.as_ref().and_then(|price| skus.get(price)) {
            line.sku = Some(sku.clone());
        }
    }
    Ok(())
}

async fn refuse(conn: &mut PgConnection, id: Uuid, why: String, now: OffsetDateTime) -> sqlx::Result<()> {
    let Some(known) = store::lock(conn, id).await? else { return Err(sqlx::Error::RowNotFound) };
    // An event may have told that it was made.
    if known.state != QuoteState::Creating {
        return Ok(());
    }
    let refused = Known { state: QuoteState::Refused, reason: Some(why), ..known };
    store::save(conn, id, &refused, now).await
}
