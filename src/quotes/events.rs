//! What Stripe's `quote.*` events tell: each is a snapshot of its quote.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::state::{Known, Snapshot, Source};
use super::store;
use crate::stripe::{Event, Quote};

/// An event about a quote, read.
#[derive(Clone, Debug)]
pub struct QuoteEvent {
    event_id: String,
    created_at: Option<OffsetDateTime>,
    /// The connected account whose it is.
    account: Option<String>,
    snapshot: Snapshot,
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuoteVerdict {
    /// It was heard; the reason why it moved nothing, if it did not.
    Applied {
        /// For people.
        reason: Option<String>,
    },
    /// It is not about a quote of this merchant's.
    SetAside {
        /// For people.
        reason: String,
    },
}

/// `quote.created`, `quote.finalized`, `quote.accepted`, `quote.canceled`.
///
/// # Errors
/// The object is no quote, or has a status that nobody here knows.
pub fn on_quote(event: &Event<'_>) -> Result<QuoteEvent, serde_json::Error> {
    let quote: Quote = event.object()?;
    let snapshot = Snapshot::of(&quote).map_err(<serde_json::Error as serde::de::Error>::custom)?;
    Ok(QuoteEvent {
        event_id: event.id.to_owned(),
        created_at: event.created_at,
        account: event.account.map(str::to_owned),
        snapshot,
    })
}

/// Applies a batch of events, in the caller's transaction; one verdict for each, in their order. A quote that nobody
/// here made is learnt.
///
/// # Errors
/// The database's.
pub async fn hear(
    conn: &mut PgConnection,
    events: &[QuoteEvent],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<QuoteVerdict>> {
    let own = || events.iter().filter(|event| event.account.is_none());
    let names: Vec<&str> = own().map(|event| event.snapshot.stripe_id.as_str()).collect();
    if names.is_empty() {
        return Ok(events.iter().map(set_aside).collect());
    }
    let ours: Vec<Uuid> = own().filter_map(|event| event.snapshot.ours).collect();
    let mut quotes = store::lock_named(conn, &names, &ours).await?;
    let mut by_name: HashMap<String, Uuid> =
        quotes.iter().filter_map(|(id, known)| Some((known.stripe_id.clone()?, *id))).collect();
    let mut learnt = Vec::new();

    let mut verdicts = Vec::with_capacity(events.len());
    for event in events {
        if event.account.is_some() {
            verdicts.push(set_aside(event));
            continue;
        }
        let snapshot = &event.snapshot;
        // One whose making had no answer yet is known by what it carries. A copy that was made in the Dashboard carries
        // the same, and is another.
        let unanswered =
            || snapshot.ours.filter(|id| quotes.get(id).is_some_and(|quote| quote.stripe_id.is_none()));
        let id = by_name.get(&snapshot.stripe_id).copied().or_else(unanswered).unwrap_or_else(|| {
            let id = Uuid::now_v7();
            learnt.push(id);
            id
        });
        by_name.insert(snapshot.stripe_id.clone(), id);
        let known = quotes.entry(id).or_insert_with(Known::new);
        let source = Source::Event { id: &event.event_id, created_at: event.created_at };
        verdicts.push(QuoteVerdict::Applied { reason: known.hear(snapshot, source, now) });
    }
    for (id, known) in &quotes {
        if learnt.contains(id) {
            store::insert_learnt(conn, *id, known, now).await?;
        } else {
            store::save(conn, *id, known, now).await?;
        }
    }
    Ok(verdicts)
}

fn set_aside(event: &QuoteEvent) -> QuoteVerdict {
    let account = event.account.as_deref().unwrap_or_default();
    QuoteVerdict::SetAside { reason: format!("the quote is {account}'s own, not the platform's") }
}
