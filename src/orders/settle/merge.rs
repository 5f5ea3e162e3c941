//! One purchase that became two orders, before anything said that it is one: a bare payment was adopted, and later turns
//! out to pay an invoice that is an order already, in whole or in part.
//!
//! Of such orders one keeps on: what was handed over first of all, then a shop's own, then who knows best what was bought.
//! What was not handed over of the others becomes a part of it: their money and all that stands for them. What was, stays
//! an order and is held, so that a person decides.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Cause, HoldKind, PaymentStatus, Ref, RefKind};
use super::super::state::{Consequence, HoldNews, News, OrderFacts, WHOLE_ORDER};
use super::super::store::{self, Merged, Saved};
use super::{Batch, SettleError};

impl Batch {
    /// Reads of orders that meet others how they are called, and of which something was handed over. The caller has locked
    /// them.
    pub(super) async fn load_meeting<'o>(
        &mut self,
        conn: &mut PgConnection,
        meetings: impl Iterator<Item = &'o [Uuid]>,
    ) -> sqlx::Result<()> {
        let met: BTreeSet<Uuid> = meetings.filter(|orders| orders.len() > 1).flatten().copied().collect();
        if met.is_empty() {
            return Ok(());
        }
        let met: Vec<Uuid> = met.into_iter().collect();
        let known = store::load_known_lines(conn, &met).await?;
        self.handed_over.extend(known.iter().filter(|(_, known)| known.is_handed_over).map(|(id, _)| id));
        let heads = store::load_heads(conn, &met).await?;
        self.numbers.extend(heads.into_iter().map(|head| (head.id, head.number)));
        Ok(())
    }

    /// What people call an order that meets another.
    fn number(&self, order_id: Uuid) -> String {
        self.numbers.get(&order_id).cloned().unwrap_or_else(|| order_id.to_string())
    }

    /// Orders turned out to be one purchase: those that can become a part of the one that keeps on. Says whether any did.
    pub(super) fn unite(&mut self, orders: &[Uuid], cause: &Cause) -> bool {
        let merged = self.merged.len();
        let orders: BTreeSet<Uuid> = orders.iter().map(|order| self.standing_for(*order)).collect();
        let Some(keeper) = self.keeper(&orders) else { return false };
        for order_id in orders.into_iter().filter(|order| *order != keeper) {
            let can_be_merged = self.facts.get(&order_id).is_some_and(OrderFacts::can_be_merged);
            if can_be_merged && !self.handed_over.contains(&order_id) {
                self.merge(order_id, keeper, cause);
            }
        }
        self.merged.len() > merged
    }

    /// The order that an order is a part of by now: itself, unless it was merged.
    pub(super) fn standing_for(&self, order_id: Uuid) -> Uuid {
        self.merged.iter().fold(order_id, |id, merged| if merged.order_id == id { merged.into } else { id })
    }

    /// All but the one that keeps on are held.
    pub(super) fn hold_duplicates(&mut self, orders: &[Uuid], cause: &Cause) {
        let orders: BTreeSet<Uuid> = orders.iter().map(|order| self.standing_for(*order)).collect();
        let Some(keeper) = self.keeper(&orders) else { return };
        let number = self.number(keeper);
        for order_id in orders.into_iter().filter(|order| *order != keeper) {
            let hold = HoldNews {
                kind: HoldKind::PossibleDuplicate,
                source: WHOLE_ORDER.to_owned(),
                reason: format!("order {number} is the same purchase: Stripe links their payments"),
                ended: None,
                is_final: false,
            };
            self.step(order_id, &News { hold: Some(hold), ..News::default() }, cause);
        }
    }

    /// The one of several orders that keeps on; none where there are not several. Of equals the oldest.
    fn keeper(&self, orders: &BTreeSet<Uuid>) -> Option<Uuid> {
        let rank = |facts: &OrderFacts| {
            let is_cancelled = matches!(facts.payment, PaymentStatus::Cancelled | PaymentStatus::Refunded);
            (self.handed_over.contains(&facts.id), !is_cancelled, facts.origin.rank())
        };
        let known = orders.iter().rev().filter_map(|id| self.facts.get(id));
        known.max_by_key(|facts| rank(facts)).filter(|_| orders.len() > 1).map(|facts| facts.id)
    }

    fn merge(&mut self, order_id: Uuid, into: Uuid, cause: &Cause) {
        let Some((ended, kept)) = self.facts.get(&order_id).zip(self.facts.get(&into)) else { return };
        let teaches = kept.origin.may_learn_from(ended.origin);
        let same = "the same purchase: Stripe links their payments";
        let (part, whole) = (self.number(order_id), self.number(into));
        let absorbed =
            kept.absorb(ended, &format!("order {part} became a part of this one: they are {same}"));
        let ended = ended.end_in(into, &format!("became a part of order {whole}: they are {same}"));
        self.record(into, absorbed, cause);
        self.record(order_id, ended, cause);
        self.merged.push(Merged { order_id, into, teaches });

        self.refs.values_mut().filter(|order| **order == order_id).for_each(|order| *order = into);
        if let Some(at) = self.success_at.remove(&order_id) {
            let first = self.success_at.entry(into).or_insert(at);
            *first = at.min(*first);
        }
        if let Some(told) = self.written.remove(&order_id) {
            self.written.entry(into).or_insert(told);
        }
    }
}

/// Unites the orders of invoices and of payments that turn out to pay them, where Stripe was asked; returns what follows
/// for fulfilment.
pub(in super::super) async fn unite_linked(
    conn: &mut PgConnection,
    links: &BTreeSet<(String, String)>,
    cause: &Cause,
    now: OffsetDateTime,
) -> Result<Vec<(Uuid, Consequence, Cause)>, SettleError> {
    let of = |kind, id: &String| Ref::new(kind, id);
    let asked: BTreeSet<Ref> = links
        .iter()
        .flat_map(|(invoice, intent)| [of(RefKind::Invoice, invoice), of(RefKind::PaymentIntent, intent)])
        .collect();
    let found = store::resolve_refs(conn, &asked.iter().collect::<Vec<_>>()).await?;
    let own: HashMap<Ref, Uuid> = found
        .into_iter()
        .filter(|found| found.asked == found.found)
        .filter_map(|found| Some((found.found, found.order_id?)))
        .collect();
    let meetings: Vec<[Uuid; 2]> = links
        .iter()
        .filter_map(|(invoice, intent)| {
            let invoice = own.get(&of(RefKind::Invoice, invoice))?;
            let intent = own.get(&of(RefKind::PaymentIntent, intent))?;
            (invoice != intent).then_some([*invoice, *intent])
        })
        .collect();
    if meetings.is_empty() {
        return Ok(Vec::new());
    }

    let ids: BTreeSet<Uuid> = meetings.iter().flatten().copied().collect();
    let before = store::load_facts_for_update(conn, &ids.into_iter().collect::<Vec<_>>()).await?;
    if before.values().any(|order| order.merged_into.is_some()) {
        return Err(SettleError::LostRace);
    }
    let mut batch = Batch { facts: before.clone(), ..Batch::default() };
    batch.load_meeting(conn, meetings.iter().map(<[Uuid; 2]>::as_slice)).await?;
    for orders in &meetings {
        batch.unite(orders, cause);
        batch.hold_duplicates(orders, cause);
    }
    store::merge(conn, &batch.merged).await?;
    let changed: Vec<Saved<'_>> = batch
        .facts
        .values()
        .map(|after| Saved { before: &before[&after.id], after, success_at: None, is_queued: false })
        .filter(Saved::is_change)
        .collect();
    store::save(conn, &changed, &HashMap::new(), store::BY_LOOKUP, now).await?;
    store::insert_transitions(conn, &batch.transitions, now).await?;
    Ok(batch.consequences)
}
