//! A batch of events in, a verdict on each out: finds the orders that they concern, adopts successes that belong to
//! none, applies the rules and saves all at once, in the caller's transaction.
//!
//! Orders are locked in the order of their ids, before anything else of theirs is written, so that two batches wait
//! for each other instead of deadlocking. Where two batches adopt the same purchase at once, the later one finds the
//! references taken and reports [`SettleError::LostRace`]: rolled back and tried again, it finds the order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::events::OrderEvent;
use super::late::{self, KnownLines, Lesson, ToldLines};
use super::order::{Axis, Cause, Origin, Ref, RefKind};
use super::state::{Consequence, HoldNews, Move, NOTHING_NEW, News, OrderFacts, Transition};
use super::store::{self, AdoptedOrder, Merged, NewTransition, Saved};

mod adopt;
mod ask;
mod lessons;
mod merge;
mod queue;
mod resolve;

pub(super) use adopt::order_key;
pub(super) use ask::name_answer;
use lessons::{Lessons, Told};
pub(super) use merge::unite_linked;
pub use queue::{QueueNew, ToSend};
use resolve::Resolved;

/// An event and how long it has been known to belong to no order.
#[derive(Debug)]
pub struct Candidate {
    /// What it says.
    pub event: OrderEvent,
    /// When it was first found to concern no known order.
    pub parked_at: Option<OffsetDateTime>,
}

/// How long a success waits for what may explain it.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the order, or the link to an invoice, before it is adopted.
    pub grace: Duration,
    /// For the order that its metadata names.
    pub order_wait: Duration,
    /// Whether Stripe can be asked for what events do not say.
    pub can_ask: bool,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It had its effect, or `reason` says why it had none.
    Applied {
        /// On this order.
        order_id: Uuid,
        /// Why nothing moved.
        reason: Option<String>,
    },
    /// It concerns no order, and none can come of it: its object is of use to other features only.
    Noted {
        /// Why.
        reason: String,
    },
    /// It concerns no known order yet.
    Parked {
        /// The keys whose appearance wakes it.
        waits_for: Vec<String>,
        /// When it is looked at again in any case.
        until: OffsetDateTime,
        /// What is missing.
        reason: String,
    },
    /// It concerns no known order, and nothing is made of it. It wakes if the order appears.
    SetAside {
        /// The keys whose appearance wakes it; none where nothing could.
        waits_for: Vec<String>,
        /// Why.
        reason: String,
    },
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Settled {
    /// A verdict for each candidate, in their order.
    pub verdicts: Vec<Option<Verdict>>,
    /// What fulfilment must do, in this order, each with its cause.
    pub consequences: Vec<(Uuid, Consequence, Cause)>,
    /// The keys that appeared: events that wait for one of them wake up.
    pub appeared: Vec<String>,
}

/// Why a batch could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// Another batch took a reference first. Nothing is wrong: roll back and try again.
    #[error("another batch gave one of the references to another order first")]
    LostRace,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Settles a batch. `queue` is fulfilment's: see [`QueueNew`].
///
/// # Errors
/// See [`SettleError`]; the caller rolls back.
pub async fn settle(
    conn: &mut PgConnection,
    candidates: &[Candidate],
    patience: Patience,
    queue: QueueNew,
    now: OffsetDateTime,
) -> Result<Settled, SettleError> {
    let new_links = store::insert_links(conn, candidates).await?;
    let mut resolved = resolve::resolve(conn, candidates).await?;
    let adoption = adopt::plan(conn, candidates, &mut resolved, patience, now).await?;
    let mut lessons = Lessons::prepare(conn, candidates, &resolved, patience, now).await?;
    let questions = adoption.questions.iter().chain(&lessons.questions).cloned().collect();
    store::insert_lookups(conn, &questions, now).await?;
    store::insert_adopted(conn, &adoption.orders, now).await?;

    let ids: BTreeSet<Uuid> = resolved.iter().flat_map(|event| event.orders.iter().copied()).collect();
    let before = store::load_facts_for_update(conn, &ids.into_iter().collect::<Vec<_>>()).await?;
    // Another batch took one of them into another order after its references were read here.
    if before.values().any(|order| order.merged_into.is_some()) {
        return Err(SettleError::LostRace);
    }
    lessons.load_known(conn).await?;
    let mut batch = Batch { facts: before.clone(), ..Batch::default() };
    batch.load_meeting(conn, resolved.iter().map(|event| event.orders.as_slice())).await?;
    let mut holds = adoption.holds;
    holds.extend(doubts_of_known(conn, candidates, &resolved, &before, &adoption.orders).await?);
    batch.open_with(adoption.transitions, holds);

    let mut settled = Settled { verdicts: adoption.verdicts, ..Settled::default() };
    for (position, (candidate, resolved)) in candidates.iter().zip(&resolved).enumerate() {
        if let Some(&first) = resolved.orders.first() {
            let has_united = batch.unite(&resolved.orders, &Cause::Event(candidate.event.event_id.clone()));
            let order_id = batch.standing_for(first);
            let reason = batch.apply(order_id, &candidate.event, resolved, has_united);
            let told = lessons.take(position).filter(|_| order_id == first);
            batch.learn(order_id, &candidate.event, told, now);
            settled.verdicts[position] = Some(Verdict::Applied { order_id, reason });
        }
    }
    for verdict in settled.verdicts.iter_mut().flatten() {
        if let Verdict::Applied { order_id, .. } = verdict {
            *order_id = batch.standing_for(*order_id);
        }
    }

    settled.appeared = adoption.names;
    settled.appeared.extend(new_links.iter().map(ToString::to_string));
    settled.appeared.extend(batch.refs.keys().map(ToString::to_string));
    store::merge(conn, &batch.merged).await?;
    store::insert_refs(conn, &batch.refs, now).await?;
    let written = batch.written.iter();
    let written = written.map(|(order_id, told)| (*order_id, told.lines.as_slice(), &told.stand_ins));
    store::write_lines(conn, written).await?;
    let queued = batch.queue(conn, &before, queue, now).await?;
    let changed: Vec<Saved<'_>> = batch
        .facts
        .values()
        .map(|after| Saved {
            before: &before[&after.id],
            after,
            success_at: batch.success_at.get(&after.id).copied(),
            is_queued: queued.contains(&after.id),
        })
        .filter(Saved::is_change)
        .collect();
    store::save(conn, &changed, &batch.money_events, store::BY_EVENT, now).await?;
    store::insert_transitions(conn, &batch.transitions, now).await?;
    settled.consequences = batch.consequences;
    Ok(settled)
}

/// A success of a known order that is not paid yet may have become an order under another name already: where nothing
/// links an invoice and its PaymentIntent, one can be adopted before the other names its order, or before the invoice's
/// order hears that it is paid. The known one is held then.
async fn doubts_of_known(
    conn: &mut PgConnection,
    candidates: &[Candidate],
    resolved: &[Resolved],
    before: &BTreeMap<Uuid, OrderFacts>,
    adopted: &[AdoptedOrder],
) -> Result<Vec<(Uuid, HoldNews, Cause)>, SettleError> {
    let mut holds = Vec::new();
    for (Candidate { event, .. }, resolved) in candidates.iter().zip(resolved) {
        let (Some(seed), Some(order_id)) = (&event.seed, resolved.orders.first()) else { continue };
        if !seed.is_paid {
            continue;
        }
        let is_invoice = seed.origin == Origin::Invoice;
        let is_by_name = event.refs.first().is_some_and(|own| resolved.unclaimed.contains(own));
        let is_unpaid = before.get(order_id).is_some_and(|order| order.money.is_empty());
        if (is_by_name || is_invoice) && is_unpaid && adopted.iter().all(|order| order.id != *order_id) {
            let doubt = adopt::same_purchase(conn, (event, seed), &resolved.all, adopted).await?;
            holds.extend(doubt.map(|hold| (*order_id, hold, Cause::Event(event.event_id.clone()))));
        }
    }
    Ok(holds)
}

/// The orders of a batch as they change, event after event.
#[derive(Default)]
struct Batch {
    facts: BTreeMap<Uuid, OrderFacts>,
    refs: BTreeMap<Ref, Uuid>,
    transitions: Vec<NewTransition>,
    consequences: Vec<(Uuid, Consequence, Cause)>,
    /// Orders and the events that they were made of.
    born_of: HashSet<(Uuid, String)>,
    /// Which event first told each money fact: kind, Stripe id and amount.
    money_events: HashMap<(&'static str, String, i64), String>,
    success_at: HashMap<Uuid, OffsetDateTime>,
    /// The lines that orders learn.
    written: BTreeMap<Uuid, ToldLines>,
    /// Those of which something was handed over, of orders that meet others.
    handed_over: HashSet<Uuid>,
    /// What people call orders that meet others.
    numbers: HashMap<Uuid, String>,
    /// The orders that others took over, in this order.
    merged: Vec<Merged>,
}

impl Batch {
    /// The first rows of adopted orders' histories, and the holds that they are born with.
    fn open_with(&mut self, transitions: Vec<NewTransition>, holds: Vec<(Uuid, HoldNews, Cause)>) {
        self.born_of.extend(transitions.iter().map(|born| (born.order_id, born.cause.id())));
        self.transitions.extend(transitions);
        for (order_id, hold, cause) in holds {
            self.step(order_id, &News { hold: Some(hold), ..News::default() }, &cause);
        }
    }

    /// Applies an event; returns why it moved nothing. `has_united` where it made one order of several: that is news.
    fn apply(
        &mut self,
        order_id: Uuid,
        event: &OrderEvent,
        resolved: &Resolved,
        has_united: bool,
    ) -> Option<String> {
        let cause = Cause::Event(event.event_id.clone());
        for reference in &resolved.unclaimed {
            self.refs.entry(reference.clone()).or_insert(order_id);
        }
        if let Some(facts) = self.facts.get_mut(&order_id) {
            facts.has_invoice |= resolved.all.iter().any(|reference| reference.kind == RefKind::Invoice);
        }
        for money in &event.news.money {
            let key = (money.kind.as_str(), money.stripe_id.clone(), money.amount);
            self.money_events.entry(key).or_insert_with(|| event.event_id.clone());
        }
        if let Some(created_at) =
            event.created_at.filter(|_| event.seed.as_ref().is_some_and(|seed| seed.is_paid))
        {
            let first = self.success_at.entry(order_id).or_insert(created_at);
            *first = created_at.min(*first);
        }

        let unchanged = self.step(order_id, &event.news, &cause);
        let unchanged = unchanged.filter(|reason| !has_united || reason != NOTHING_NEW);
        // What its first row says is not said again.
        let is_its_birth = self.born_of.contains(&(order_id, event.event_id.clone()));
        if let Some(reason) = unchanged.as_ref().filter(|_| !is_its_birth) {
            let status = self.facts.get(&order_id).map(|facts| facts.payment.as_str());
            self.transitions.push(NewTransition {
                order_id,
                moved: Move { axis: Axis::Payment, from: status, to: status, reason: Some(reason.clone()) },
                cause: cause.clone(),
            });
        }
        self.hold_duplicates(&resolved.orders, &cause);
        unchanged
    }

    /// What was bought, as an event tells it of an order that was made without that.
    fn learn(&mut self, order_id: Uuid, event: &OrderEvent, told: Option<Told>, now: OffsetDateTime) {
        let (Some(told), Some(facts)) = (told, self.facts.get(&order_id)) else { return };
        if facts.origin != told.origin && !facts.origin.may_learn_from(told.origin) {
            return;
        }
        // Another event of the batch may have told more.
        let known = match self.written.get(&order_id) {
            Some(written) => KnownLines { lines: written.lines.clone(), ..told.known },
            None => told.known,
        };
        let cause = Cause::Event(event.event_id.clone());
        let Lesson { is_written, note, hold, consequence } =
            late::learn(facts, &known, &told.lines, &told.source, (told.wait, now));
        if is_written {
            self.written.insert(order_id, told.lines);
        }
        self.transitions.extend(note.map(|moved| NewTransition { order_id, moved, cause: cause.clone() }));
        if hold.is_some() {
            self.step(order_id, &News { hold, ..News::default() }, &cause);
        }
        self.consequences.extend(consequence.map(|consequence| (order_id, consequence, cause)));
    }

    fn step(&mut self, order_id: Uuid, news: &News, cause: &Cause) -> Option<String> {
        let transition = self.facts.get(&order_id)?.transition(news);
        self.record(order_id, transition, cause)
    }

    fn record(&mut self, order_id: Uuid, transition: Transition, cause: &Cause) -> Option<String> {
        self.facts.insert(order_id, transition.after);
        let moves = transition.moves.into_iter();
        self.transitions.extend(moves.map(|moved| NewTransition { order_id, moved, cause: cause.clone() }));
        let consequences = transition.consequences.into_iter();
        self.consequences.extend(consequences.map(|consequence| (order_id, consequence, cause.clone())));
        transition.unchanged
    }
}
