//! The claim: what is due becomes this worker's, or is told why not, in one short transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::fulfilment::PartLine;
use super::super::state::{self, Next, Part, RecallOutcome, RetryPolicy, Tried, Verdict};
use super::super::store::{Begun, Change, Ended, Locked};
use super::super::{Delivery, Moved, Provider, Receipt, ToRecall, callback, move_orders, recall, store};
use super::places::Place;
use super::rooms::Room;
use super::{FulfilmentSettings, FulfilmentWorker};
use crate::orders::{self, Cause, FulfilmentStatus, OrderHead};

const LEASE_EXPIRED: &str = "lease expired: the worker did not come back to say how it ended";

/// More of what dead workers left is not taken over in one claim.
const MOST_TAKEN_OVER: i64 = 256;

/// What an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// To hand it over; without `may_send`, only to ask what became of earlier tries.
    Send { may_send: bool },
    /// To ask for it back.
    Recall,
}

/// A fulfilment that this worker holds.
pub(super) struct Claimed {
    pub id: Uuid,
    pub order_id: Uuid,
    pub part: i32,
    pub provider: String,
    /// The provider itself.
    pub carrier: Arc<dyn Provider>,
    pub idempotency_key: String,
    /// Which attempt this is; with the lease holder, the fence.
    pub attempt: i32,
    pub task: Task,
    /// The provider may have it from an earlier attempt, or may have taken it back.
    pub in_doubt: bool,
    pub tried: Tried,
    /// It is made to see whether its provider is well again.
    pub is_trial: bool,
    /// When the series had begun before this attempt.
    pub tried_before_since: Option<OffsetDateTime>,
    /// Its place among what this process has under way, and with it the lease.
    pub place: Place,
}

/// What a claim took.
#[derive(Default)]
pub(super) struct Took {
    /// How many fulfilments were looked at, those included that turned out not to be ready.
    pub looked_at: usize,
    /// Those to make an attempt at.
    pub claimed: Vec<Claimed>,
    /// There was no more room in this process.
    pub is_full: bool,
    /// A rate limit stood in the way: look again then.
    pub again_in: Option<Duration>,
}

impl Task {
    /// The value of `fulfilment_attempts.task`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Send { .. } => "send",
            Self::Recall => "recall",
        }
    }
}

impl FulfilmentWorker {
    /// Locks what is due, judges it, and writes what it becomes. With `ahead`, more is taken from quick providers than
    /// has its turn at once.
    pub(super) async fn claim(&self, ahead: bool) -> sqlx::Result<Took> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let providers = store::load_providers(&mut tx, now).await?;
        let dead = match providers.iter().any(|row| row.has_dead) {
            true => self.take_over(&mut tx, now).await?,
            false => Vec::new(),
        };
        let mut rooms = self.fill_rooms(&mut tx, providers, ahead, now).await?;
        let mut took = Took { is_full: rooms.is_full, again_in: rooms.again_in, ..Took::default() };
        if rooms.taken.is_empty() && dead.is_empty() {
            return Ok(took);
        }

        let due = store::load_locked(&mut tx, &rooms.taken, now).await?;
        let (mut changes, mut moves) = (Vec::new(), Vec::new());
        for due in &due {
            let (change, begun) = self.judged(due, &rooms.rooms, now);
            changes.push(change);
            took.claimed.extend(begun);
        }
        let begun: Vec<Begun> = took.claimed.iter().map(Claimed::begun).collect();
        let mine = (self.name.as_str(), now + self.settings.lease);
        // Their rows are written as they begin; what else became of what was due is saved apart.
        let begins = |change: &&Change| matches!(change.next, Next::InProgress { .. });
        let others: Vec<Change> = changes.iter().filter(|change| !begins(change)).cloned().collect();
        let sends = took.claimed.iter().filter(|claimed| claimed.task == Task::Send { may_send: true });
        let refunded: HashSet<Uuid> =
            due.iter().filter(|due| due.has_new_refunds).map(|due| due.id).collect();
        let sends: Vec<Uuid> = sends.map(|claimed| claimed.id).filter(|id| refunded.contains(id)).collect();
        store::begin_attempts(&mut tx, &begun, mine, now).await?;
        store::save(&mut tx, &others, now).await?;
        heed_told(&mut tx, &due, &mut changes, now).await?;
        for (due, change) in due.iter().zip(&changes) {
            moves.extend(order_move(due, change));
        }
        store::note_refunded_pieces(&mut tx, &sends).await?;
        move_orders(&mut tx, moves, now).await?;
        spend(&mut tx, &mut rooms.rooms, &took.claimed, now).await?;
        tx.commit().await?;

        took.looked_at = due.len().max(dead.len());
        dead.iter().for_each(|next| self.metrics.count_end(next, None, now));
        due.iter().zip(&changes).for_each(|(due, change)| {
            self.metrics.count_end(&change.next, due.paid_at, now);
        });
        Ok(took)
    }

    /// Ends the attempts of workers that died: what they were at is due at once, and in doubt.
    async fn take_over(&self, conn: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<Vec<Next>> {
        let dead = store::lock_dead(conn, now, MOST_TAKEN_OVER).await?;
        let policy = self.settings.retry_policy();
        let (mut changes, mut moves) = (Vec::new(), Vec::new());
        for part in &dead {
            let facts = &part.facts;
            let tried = Tried { tries: facts.tries, since: facts.tries_since.unwrap_or(now), may_send: true };
            let next = state::after_death(LEASE_EXPIRED, facts.recalls_from, &tried, &policy, now);
            let is_over = matches!(next, Next::Returned { .. });
            let mut change = Change::of(part, next);
            if is_over {
                change.recall_outcome = Some(RecallOutcome::Unanswered);
            } else {
                change.last_outcome = Some("unknown".to_owned());
            }
            changes.push(change);
        }
        let ended: Vec<Ended<'_>> = dead.iter().map(expired).collect();
        store::finish_attempts(conn, &ended, now).await?;
        store::save(conn, &changes, now).await?;
        heed_told(conn, &dead, &mut changes, now).await?;
        for (part, change) in dead.iter().zip(&changes) {
            let reason = change.next.reason().map(str::to_owned);
            moves.push(Moved {
                order_id: part.order_id,
                cause: cause_of(part, part.attempts),
                reason,
                known: None,
            });
        }
        move_orders(conn, moves, now).await?;
        Ok(changes.into_iter().map(|change| change.next).collect())
    }

    /// What a fulfilment that is due becomes, and the attempt that begins with it, if one does.
    fn judged(
        &self,
        due: &Locked,
        rooms: &HashMap<String, Room>,
        now: OffsetDateTime,
    ) -> (Change, Option<Claimed>) {
        let task = match state::judge(&due.facts, now) {
            Verdict::Send { may_send } => Task::Send { may_send },
            Verdict::Recall => Task::Recall,
            Verdict::Wait { until, reason } => {
                let mut change = Change::of(due, Next::Queued { at: until, reason });
                change.begin_series();
                return (change, None);
            }
            Verdict::Cancel { reason } => return (Change::of(due, Next::Cancelled { reason }), None),
            Verdict::Complete => {
                return (Change::of(due, Next::Fulfilled { receipt: Receipt::default() }), None);
            }
            Verdict::Return { to, reason } => {
                return (Change::of(due, Next::Returned { to, reason }), None);
            }
        };
        let Some(room) = rooms.get(&due.provider) else {
            // What was locked came from a room; were it otherwise it is looked at again.
            let next = Next::Queued { at: now + state::RECHECK, reason: "its provider is gone".to_owned() };
            return (Change::of(due, next), None);
        };
        let lease_until = now + self.settings.lease;
        let mut change = Change::of(due, Next::InProgress { lease_holder: self.name.clone(), lease_until });
        change.attempts += 1;
        change.tries += 1;
        // Times in which it was due, and nobody asked the provider, say nothing about the provider.
        let waited = due.next_attempt_at.map_or(time::Duration::ZERO, |due_at| now - due_at);
        let since = due.facts.tries_since.map_or(now, |since| now.min(since + waited));
        change.tries_since = Some(since);
        let may_send = task != Task::Send { may_send: false };
        let claimed = Claimed {
            id: due.id,
            order_id: due.order_id,
            part: due.part,
            provider: due.provider.clone(),
            carrier: Arc::clone(&room.provider),
            idempotency_key: due.idempotency_key.clone(),
            attempt: change.attempts,
            task,
            in_doubt: due.facts.in_doubt,
            tried: Tried { tries: change.tries, since, may_send },
            is_trial: room.is_trial,
            tried_before_since: due.facts.tries_since,
            place: self.places.take((due.id, change.attempts), &due.provider, lease_until),
        };
        (change, Some(claimed))
    }

    /// What to tell the provider, in the order of the claims. It is read outside of the claim's transaction, so that an
    /// order that cannot be read costs its own attempt only and does not hold up all others.
    pub(super) async fn deliveries(&self, claimed: &[Claimed]) -> Vec<Result<Delivery, String>> {
        if claimed.is_empty() {
            return Vec::new();
        }
        let to_send = claimed.iter().filter(|claimed| claimed.tried.may_send && claimed.task != Task::Recall);
        let ids: Vec<Uuid> = to_send.map(|claimed| claimed.order_id).collect();
        let (lines, orders) = tokio::join!(self.load_lines(claimed), self.load(&ids));
        let orders: HashMap<Uuid, Result<OrderHead, String>> = match orders {
            Ok(orders) => orders.into_iter().map(|order| (order.id, Ok(order))).collect(),
            Err(_) => {
                let mut one_by_one = HashMap::new();
                for id in &ids {
                    let order = self.load(&[*id]).await.map(|mut orders| orders.pop());
                    let order = order.map_err(|error| format!("the order could not be read: {error}"));
                    one_by_one.insert(*id, order.and_then(|order| order.ok_or_else(gone)));
                }
                one_by_one
            }
        };
        claimed
            .iter()
            .map(|claimed| {
                let order = orders.get(&claimed.order_id).cloned().unwrap_or_else(|| Err(gone()))?;
                let lines = lines.as_ref().map_err(|why| why.clone())?;
                let lines = lines.get(&claimed.id).map_or(&[][..], Vec::as_slice);
                // The last pieces were refunded since it was claimed.
                if !lines.is_empty() && lines.iter().all(|line| line.left() == 0) {
                    return Err("nothing of it is left to send".to_owned());
                }
                Ok(Delivery::new(claimed.id, claimed.idempotency_key.clone(), claimed.part, order, lines))
            })
            .collect()
    }

    async fn load_lines(&self, claimed: &[Claimed]) -> Result<HashMap<Uuid, Vec<PartLine>>, String> {
        let ids: Vec<Uuid> = claimed.iter().map(|claimed| claimed.id).collect();
        let read = async { store::load_lines(&mut *self.pool.acquire().await?, &ids).await };
        read.await.map_err(|error| format!("what is left of the order could not be read: {error}"))
    }

    async fn load(&self, order_ids: &[Uuid]) -> sqlx::Result<Vec<OrderHead>> {
        if order_ids.is_empty() {
            return Ok(Vec::new());
        }
        orders::load_heads(&mut *self.pool.acquire().await?, order_ids).await
    }
}

impl FulfilmentSettings {
    pub(super) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { base: self.retry_base, max_age: self.max_age, max_attempts: self.max_attempts }
    }
}

impl Claimed {
    pub(super) fn cause(&self) -> Cause {
        Cause::Attempt { fulfilment: self.id, attempt: self.attempt }
    }

    fn begun(&self) -> Begun {
        Begun {
            fulfilment_id: self.id,
            attempt: self.attempt,
            tries: self.tried.tries,
            tries_since: self.tried.since,
            task: self.task.as_str(),
        }
    }
}

/// Counts what begins against the bounds of its providers.
async fn spend(
    conn: &mut PgConnection,
    rooms: &mut HashMap<String, Room>,
    claimed: &[Claimed],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let mut healths = Vec::new();
    for room in rooms.values_mut().filter(|room| room.is_bound) {
        let begun = claimed.iter().filter(|claimed| claimed.provider == room.row.name).count();
        if begun > 0 {
            room.row.health.spend(u32::try_from(begun).unwrap_or(u32::MAX));
            if room.is_trial {
                room.row.health.begin_trial(now);
            }
            healths.push((room.row.name.as_str(), &room.row.health));
        }
    }
    store::save_health(conn, healths.iter().copied()).await
}

/// Lets parts heed what was told of them while a worker was at them, or was to be: those that come to rest by this, and
/// that no attempt will look at. Their changes are saved already.
async fn heed_told(
    conn: &mut PgConnection,
    parts: &[Locked],
    changes: &mut [Change],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let rests = |change: &Change| matches!(change.next, Next::Returned { .. } | Next::Failed { .. });
    let mut resting: Vec<Change> = changes.iter().filter(|change| rests(change)).cloned().collect();
    if resting.is_empty() {
        return Ok(());
    }
    let told_of = callback::fold_in(conn, &mut resting, now).await?;
    for change in resting {
        if let Some(before) = changes.iter_mut().find(|before| before.id == change.id) {
            *before = change;
        }
    }
    let told_of = parts.iter().filter(|part| told_of.contains(&part.id));
    let to_recall: Vec<ToRecall> = told_of
        .map(|part| ToRecall { order_id: part.order_id, cause: cause_of(part, part.attempts) })
        .collect();
    if !to_recall.is_empty() {
        recall(conn, &to_recall, now).await?;
    }
    Ok(())
}

fn cause_of(part: &Locked, attempt: i32) -> Cause {
    Cause::Attempt { fulfilment: part.id, attempt }
}

/// How the order moves with it. One that was queued and stays so moves nothing: the reason alone would be written anew
/// each time a held order is looked at.
fn order_move(due: &Locked, change: &Change) -> Option<Moved> {
    if matches!(change.next, Next::Queued { .. }) {
        return None;
    }
    let reason = change.next.reason().map(str::to_owned);
    let cause = cause_of(due, change.attempts);
    Some(Moved { order_id: due.order_id, cause, reason, known: known_move(due, change) })
}

/// From where and to where the order of a locked part moves with it, where no other part has a say, and nothing that was
/// told of it.
pub(super) fn known_move(part: &Locked, change: &Change) -> Option<(FulfilmentStatus, FulfilmentStatus)> {
    if !part.is_alone || part.is_told_of {
        return None;
    }
    let only = Part {
        state: change.next.state().as_str().to_owned(),
        recalls_from: change.recalls_from.map(|from| from.as_str().to_owned()),
        has_shipped: part.facts.lines.has_shipped,
    };
    Some((part.order_status, state::axis(&[only])))
}

fn expired(part: &Locked) -> Ended<'static> {
    Ended { fulfilment_id: part.id, attempt: part.attempts, outcome: "unknown", detail: Some(LEASE_EXPIRED) }
}

fn gone() -> String {
    "the order is gone".to_owned()
}
