//! Which order does an event concern? By the Stripe objects that it names, by those that they are known to be linked
//! with, and by the order that its metadata names.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::events::OrderEvent;
use super::super::order::Ref;
use super::super::store;
use super::{Candidate, SettleError};

/// What is known of an event's whereabouts.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// The objects that it names, and those that they are linked with.
    pub all: BTreeSet<Ref>,
    /// Those of them that stand for no order yet.
    pub unclaimed: Vec<Ref>,
    /// The orders that they stand for, the event's own object's first. More than one is a purchase that became two.
    pub orders: Vec<Uuid>,
}

pub(super) async fn resolve(
    conn: &mut PgConnection,
    candidates: &[Candidate],
) -> Result<Vec<Resolved>, SettleError> {
    let asked: BTreeSet<&Ref> = candidates.iter().flat_map(|candidate| &candidate.event.refs).collect();
    let mut found: HashMap<Ref, Vec<(Ref, Option<Uuid>)>> = HashMap::new();
    for row in store::resolve_refs(conn, &asked.into_iter().collect::<Vec<_>>()).await? {
        found.entry(row.asked).or_default().push((row.found, row.order_id));
    }
    let names: Vec<_> = candidates.iter().filter_map(|candidate| name_of(&candidate.event)).collect();
    let named = store::resolve_names(conn, &names).await?;

    let mut resolved: Vec<Resolved> = candidates
        .iter()
        .map(|candidate| {
            let event = &candidate.event;
            let mut resolved = Resolved::default();
            for (reference, order) in event.refs.iter().filter_map(|asked| found.get(asked)).flatten() {
                if !resolved.all.insert(reference.clone()) {
                    continue;
                }
                match order {
                    Some(order) if resolved.orders.contains(order) => {}
                    Some(order) => resolved.orders.push(*order),
                    None => resolved.unclaimed.push(reference.clone()),
                }
            }
            // A connected account must not pay for an order of ours, nor for another account's.
            let name = name_of(event).map(|name| (name.to_owned(), event.account.clone()));
            let named = name.and_then(|name| named.get(&name));
            resolved.orders.extend(named.filter(|order| !resolved.orders.contains(order)).copied());
            resolved
        })
        .collect();
    spread(&mut resolved);
    Ok(resolved)
}

/// The order that an event names, or may name.
fn name_of(event: &OrderEvent) -> Option<&str> {
    event.names_order.as_deref().or(event.may_name.as_deref())
}

/// An event that shares an object with another of its batch, whose order is known, concerns that order too.
fn spread(resolved: &mut [Resolved]) {
    let mut order_of: HashMap<Ref, Uuid> = HashMap::new();
    let mut is_new = true;
    while std::mem::take(&mut is_new) {
        for event in resolved.iter_mut() {
            for reference in &event.unclaimed {
                match (order_of.get(reference), event.orders.first()) {
                    (Some(order), _) if !event.orders.contains(order) => {
                        event.orders.push(*order);
                        is_new = true;
                    }
                    (None, Some(order)) => {
                        order_of.insert(reference.clone(), *order);
                        is_new = true;
                    }
                    _ => {}
                }
            }
        }
    }
}
