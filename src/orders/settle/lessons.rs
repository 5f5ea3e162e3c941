//! What events tell of orders that were made without it: the lines of an invoice or a session that turns out to be what a
//! bare payment was for. All that Stripe has to be asked for is asked before an order is locked.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::events::{Bought, OrderEvent};
use super::super::late::{KnownLines, ToldLines};
use super::super::lookups::Question;
use super::super::order::{LookupKind, Origin, RefKind};
use super::super::store;
use super::ask::{Known, is_of_lines};
use super::resolve::Resolved;
use super::{Candidate, Patience, SettleError};

/// What one event tells of its order's lines.
pub(super) struct Told {
    pub lines: ToldLines,
    pub known: KnownLines,
    /// Whose lines they are.
    pub source: String,
    /// From what they are learnt.
    pub origin: Origin,
    /// Until when what is queued waits for what Stripe is asked.
    pub wait: Option<OffsetDateTime>,
}

/// What the events of a batch tell.
#[derive(Default)]
pub(super) struct Lessons {
    /// By the position of the event.
    told: BTreeMap<usize, (Uuid, Told)>,
    /// What Stripe is to be asked for.
    pub questions: BTreeSet<Question>,
}

impl Lessons {
    /// Reads what the events tell of known orders that may still learn, beyond what the events say.
    pub(super) async fn prepare(
        conn: &mut PgConnection,
        candidates: &[Candidate],
        resolved: &[Resolved],
        patience: Patience,
        now: OffsetDateTime,
    ) -> Result<Self, SettleError> {
        // Most events teach nobody.
        let orders: BTreeSet<Uuid> = candidates
            .iter()
            .zip(resolved)
            .filter(|(candidate, resolved)| may_teach(&candidate.event, resolved))
            .filter_map(|(_, resolved)| resolved.orders.first().copied())
            .collect();
        let learners = store::list_learners(conn, &orders.into_iter().collect::<Vec<_>>()).await?;
        let mut taught: HashSet<Uuid> = HashSet::new();
        let mut purchases: BTreeMap<usize, (Uuid, &OrderEvent, Origin, Bought)> = BTreeMap::new();
        let concerned = || {
            candidates.iter().zip(resolved).enumerate().filter_map(|(position, (candidate, resolved))| {
                let order_id = *resolved.orders.first()?;
                Some((position, order_id, &candidate.event, resolved, learners.get(&order_id)?))
            })
        };
        for (position, order_id, event, _, learner) in concerned() {
            let seed = event.seed.as_ref().filter(|seed| learner.origin.may_learn_from(seed.origin));
            if let Some(seed) = seed {
                taught.insert(order_id);
                purchases.insert(position, (order_id, event, seed.origin, seed.bought.clone()));
            }
        }
        for (position, order_id, event, resolved, learner) in concerned() {
            // That it pays an invoice is all that is known: the lines are asked for.
            let is_bare = learner.origin == Origin::PaymentIntent && !learner.has_lines;
            let invoice = resolved.unclaimed.iter().find(|known| known.kind == RefKind::Invoice);
            if let Some(invoice) = invoice.filter(|_| is_bare && !taught.contains(&order_id)) {
                let wants = vec![(LookupKind::InvoiceLines, invoice.stripe_id.clone())];
                let bought = Bought { wants, ..Bought::default() };
                purchases.insert(position, (order_id, event, Origin::Invoice, bought));
            }
        }

        let asked: Vec<_> = purchases.values().map(|(_, event, _, bought)| (*event, bought)).collect();
        let known = Known::load(conn, &asked).await?;
        let mut lessons = Self::default();
        for (position, (order_id, event, origin, bought)) in purchases {
            let mut wait = None;
            if patience.can_ask {
                let (new, needed) = known.missing(event, &bought);
                lessons.questions.extend(new.into_iter().filter(|question| is_of_lines(question.kind)));
                wait = (!needed.is_empty()).then_some(now + patience.grace);
            }
            let source = match bought.wants.iter().find(|(kind, _)| *kind == LookupKind::InvoiceLines) {
                Some((_, invoice)) => invoice.clone(),
                None => event.refs.first().map(|own| own.stripe_id.clone()).unwrap_or_default(),
            };
            let lines = known.lines(event, &bought);
            let told = Told { lines, known: KnownLines::default(), source, origin, wait };
            lessons.told.insert(position, (order_id, told));
        }
        Ok(lessons)
    }

    /// Reads what the orders have as lines; the caller has locked them.
    pub(super) async fn load_known(&mut self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let ids: BTreeSet<Uuid> = self.told.values().map(|(order_id, _)| *order_id).collect();
        let mut known = store::load_known_lines(conn, &ids.into_iter().collect::<Vec<_>>()).await?;
        for (order_id, told) in self.told.values_mut() {
            told.known = known.get_mut(order_id).cloned().unwrap_or_default();
        }
        Ok(())
    }

    /// What the event at a position tells.
    pub(super) fn take(&mut self, position: usize) -> Option<Told> {
        self.told.remove(&position).map(|(_, told)| told)
    }
}

/// Whether an event tells what was bought to those who know least of it, or that it is an invoice that was paid.
fn may_teach(event: &OrderEvent, resolved: &Resolved) -> bool {
    event.seed.as_ref().is_some_and(|seed| Origin::PaymentIntent.may_learn_from(seed.origin))
        || resolved.unclaimed.iter().any(|known| known.kind == RefKind::Invoice)
}
