//! Which order does an event concern? By the Stripe objects that it names, by those that they are known to be linked
//! with, and by the order that its metadata names.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

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
    let names: Vec<_> =
        candidates.iter().filter_map(|candidate| candidate.event.names_order.as_deref()).collect();
    let named = store::resolve_names(conn, &names).await?;

    Ok(candidates
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
            if resolved.orders.is_empty() {
                // A connected account must not pay for an order of ours, nor for another account's.
                let name = event.names_order.clone().map(|name| (name, event.account.clone()));
                resolved.orders.extend(name.and_then(|name| named.get(&name)));
            }
            resolved
        })
        .collect())
}
