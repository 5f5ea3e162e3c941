//! What Stripe answers about invoices: folded in like what events tell, and beside it what no event tells.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::invoice::Facts;
use super::state::{ASKED, Known, Source};
use super::store::{self, Seen};
use crate::outbox::{Outcome, StoredCall};
use crate::{orders, stripe};

/// Takes over an invoice as Stripe answered with it, in the caller's transaction; returns our id. None for what is no
/// invoice that we can read.
///
/// # Errors
/// The database's.
pub async fn learn(
    conn: &mut PgConnection,
    answer: &Value,
    account: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Uuid>> {
    let Some(invoice) = read(answer) else { return Ok(None) };
    fold(conn, &invoice, account, None, now).await
}

fn read(answer: &Value) -> Option<stripe::Invoice> {
    let invoice = serde_json::from_value(answer.clone());
    if invoice.is_err() {
        tracing::error!(stripe.object = answer["id"].as_str(), "an answer is no invoice that can be read");
    }
    invoice.ok()
}

/// The same of an invoice that was read already.
///
/// # Errors
/// The database's.
pub async fn learn_read(
    conn: &mut PgConnection,
    invoice: &stripe::Invoice,
    account: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Uuid>> {
    fold(conn, invoice, account, None, now).await
}

/// The same, with a time for the worker to look whether that was an old answer.
async fn fold(
    conn: &mut PgConnection,
    invoice: &stripe::Invoice,
    account: Option<&str>,
    next_look_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Uuid>> {
    let Some((name, facts)) = invoice.id.as_deref().zip(Facts::of(invoice)) else { return Ok(None) };
    // Before its row is locked, as events do it. What waits for a link finds it at the end of its grace at the latest.
    orders::lookups::learn_links(conn, &links(invoice), ASKED).await?;
    let mut rows = store::lock(conn, &[name]).await?;
    if rows.is_empty() {
        let at = facts.created.unwrap_or(now);
        let source = Source { told_as: ASKED.to_owned(), at, by: ASKED.to_owned() };
        store::insert(conn, name, account, &Known::first(facts.clone(), source), now).await?;
        rows = store::lock(conn, &[name]).await?;
    }
    let Some(row) = rows.get_mut(name) else { return Ok(None) };
    row.known.ask(&facts);
    let seen = Seen { client_secret: invoice.client_secret() };
    store::save(conn, row, Some(seen), next_look_at, now).await?;
    let intents: Vec<&str> = invoice.payment_intents().map(stripe::Id::as_str).collect();
    store::add_intents(conn, &vec![name; intents.len()], &intents).await?;
    Ok(Some(row.id))
}

/// The PaymentIntents that an answer names, each with the invoice that it pays.
pub(super) fn links(invoice: &stripe::Invoice) -> BTreeSet<(String, String)> {
    let intents = invoice.payment_intents().map(|intent| intent.0.clone());
    intents.filter_map(|intent| Some((invoice.id.clone()?, intent))).collect()
}

/// Records what a call about an invoice came to.
pub fn receive<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move {
        match outcome {
            Outcome::Done(answer) | Outcome::Seen(answer) => {
                let Some(invoice) = read(answer) else {
                    return store::look_at(conn, call.subject, now).await;
                };
                // It may be the repetition of an old answer.
                let next_look_at = (call.tries > 1).then_some(now);
                fold(conn, &invoice, call.account.as_deref(), next_look_at, now).await?;
            }
            // Perhaps it is not as we thought.
            Outcome::Refused(_) | Outcome::NotDone { .. } => store::look_at(conn, call.subject, now).await?,
        }
        Ok(())
    })
}
