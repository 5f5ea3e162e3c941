//! What events tell of invoices and of what pays them, kept for people: orders are moved elsewhere, by the same events, in
//! the same transaction.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::invoice::Facts;
use super::state::{Known, Source};
use super::store::{self, Failure, LockedInvoice, Receipt};
use crate::orders::events::{OrderEvent, Told};
use crate::orders::{Cause, Consequence, RefKind};
use crate::stripe::PaymentError;

/// Gives the invoices of orders that became parts of others to those.
///
/// # Errors
/// The database's; nothing may be committed then.
pub async fn follow(
    conn: &mut PgConnection,
    consequences: &[(Uuid, Consequence, Cause)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    for (order_id, consequence, _) in consequences {
        if let Consequence::GiveUp { to } = consequence {
            store::move_invoices(conn, *order_id, *to, now).await?;
        }
    }
    Ok(())
}

/// A snapshot that an event brought.
struct Snapshot<'e> {
    account: Option<&'e str>,
    facts: Facts,
    source: Source,
}

/// Keeps what a batch of events tells, each with the order that it concerns if it concerns one.
///
/// # Errors
/// The database's; nothing may be committed then.
pub async fn hear(
    conn: &mut PgConnection,
    events: &[(Option<Uuid>, &OrderEvent)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let mut snapshots: BTreeMap<&str, Vec<Snapshot<'_>>> = BTreeMap::new();
    let (mut invoices, mut intents) = (Vec::new(), Vec::new());
    let (mut receipts, mut failures) = (Vec::new(), Vec::new());
    let mut orders: BTreeMap<&str, Uuid> = BTreeMap::new();
    for (order, event) in events {
        let at = event.created_at.unwrap_or(now);
        for link in &event.links {
            invoices.push(link.invoice.as_str());
            intents.push(link.payment_intent.as_str());
        }
        for told in &event.told {
            match told {
                Told::Invoice { event_type, invoice } => {
                    let Some((id, facts)) = invoice.id.as_deref().zip(Facts::of(invoice)) else { continue };
                    let source = Source { told_as: event_type.clone(), at, by: event.event_id.clone() };
                    let snapshot = Snapshot { account: event.account.as_deref(), facts, source };
                    snapshots.entry(id).or_default().push(snapshot);
                }
                Told::Charge { id, receipt_url, payment_intent, invoice } => {
                    let Some(payment_intent) = payment_intent.as_deref() else { continue };
                    if let Some(url) = receipt_url {
                        receipts.push(Receipt { payment_intent, charge: id, url, at });
                    }
                    if let Some(invoice) = invoice {
                        invoices.push(invoice);
                        intents.push(payment_intent);
                    }
                }
                Told::Intent { id, failure: Some(failure), .. } => failures.push(Failure {
                    payment_intent: id,
                    event_id: &event.event_id,
                    why: why(failure),
                    at,
                }),
                _ => {}
            }
        }
        if let Some(order) = order {
            let named = event.refs.iter().filter(|reference| reference.kind == RefKind::Invoice);
            orders.extend(named.map(|reference| (reference.stripe_id.as_str(), *order)));
        }
    }

    hear_snapshots(conn, &snapshots, now).await?;
    store::add_intents(conn, &invoices, &intents).await?;
    store::add_receipts(conn, &receipts).await?;
    store::add_failures(conn, &failures).await?;
    // Also of those that were heard before their order was there.
    let (names, orders): (Vec<&str>, Vec<Uuid>) = orders.into_iter().unzip();
    store::link_orders(conn, &names, &orders, now).await
}

async fn hear_snapshots(
    conn: &mut PgConnection,
    snapshots: &BTreeMap<&str, Vec<Snapshot<'_>>>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if snapshots.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = snapshots.keys().copied().collect();
    let mut rows = store::lock(conn, &names).await?;
    let (mut is_new, mut unlocked) = (Vec::new(), Vec::new());
    for (name, told) in snapshots {
        if let Some(first) = told.first().filter(|_| !rows.contains_key(*name)) {
            let known = Known::first(first.facts.clone(), first.source.clone());
            // What an answer wrote meanwhile may be further than this.
            if store::insert(conn, name, first.account, &known, now).await? {
                is_new.push(*name);
            }
            unlocked.push(*name);
        }
    }
    if !unlocked.is_empty() {
        rows.extend(store::lock(conn, &unlocked).await?);
    }
    for (name, told) in snapshots {
        let Some(row) = rows.get_mut(*name) else { continue };
        for snapshot in told {
            if is_new.contains(name) && row.news == 0 {
                // The row has only what it must have.
                row.known = Known::first(snapshot.facts.clone(), snapshot.source.clone());
            } else {
                row.known.hear(&snapshot.facts, &snapshot.source);
            }
            row.news += 1;
        }
        store::save(conn, row, None, next_look(row, now), now).await?;
    }
    Ok(())
}

/// When the worker looks at an invoice.
fn next_look(row: &LockedInvoice, now: OffsetDateTime) -> Option<OffsetDateTime> {
    (row.known.wants_secret() && !row.has_secret).then_some(now)
}

/// Why a try failed, for people.
fn why(failure: &PaymentError) -> String {
    let code = failure.decline_code.as_deref().or(failure.code.as_deref());
    let words = failure.message.as_deref();
    match (words, code) {
        (Some(words), Some(code)) => format!("{words} ({code})"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "the try failed, and Stripe does not say why".to_owned(),
    }
}
