//! The claim: what is due becomes this worker's, or is told why not, in one short transaction.

use std::collections::HashMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::state::{self, Next, RetryPolicy, Verdict};
use super::super::{Delivery, moved, store};
use super::{FulfilmentSettings, FulfilmentWorker};
use crate::orders::{self, FulfilmentMove};
use crate::orders::{Cause, Order};

const LEASE_EXPIRED: &str = "lease expired: the worker did not come back to say how it ended";

/// A fulfilment that this worker holds.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub id: Uuid,
    pub order_id: Uuid,
    pub part: i32,
    pub idempotency_key: String,
    /// Which attempt this is; with the lease holder, the fence.
    pub attempt: i32,
    /// The provider may have it from an earlier attempt: ask first.
    pub in_doubt: bool,
    /// Whether it may be sent, else only asked about.
    pub may_send: bool,
    pub lease_until: OffsetDateTime,
}

impl FulfilmentWorker {
    /// Locks what is due, judges it, and writes what it becomes. Returns how many fulfilments were taken, and those to
    /// make an attempt at.
    pub(super) async fn claim(&self) -> sqlx::Result<(usize, Vec<Claimed>)> {
        let now = self.clock.now();
        let lease_until = now + self.settings.lease;

        let mut tx = self.pool.begin().await?;
        let due = store::lock_due(&mut tx, now, i64::from(self.settings.concurrency)).await?;
        if due.is_empty() {
            return Ok((0, Vec::new()));
        }

        let (mut claimed, mut changes, mut moves) = (Vec::new(), Vec::new(), Vec::new());
        for due in &due {
            let verdict = state::judge(&due.facts, &self.settings.retry_policy());
            let begun = matches!(verdict, Verdict::Attempt { .. });
            let attempts = due.facts.attempts + i32::from(begun);
            if let Verdict::Attempt { may_send } = verdict {
                claimed.push(Claimed::new(due, attempts, may_send, lease_until));
            }
            let next = match verdict {
                Verdict::Attempt { .. } => Next::InProgress {
                    lease_holder: self.name.clone(),
                    lease_until,
                    provider: self.provider.name(),
                },
                Verdict::Wait { reason } => Next::Queued { at: now + state::RECHECK, reason },
                Verdict::Cancel { reason } => Next::Cancelled { reason },
                Verdict::GiveUp { reason } => Next::Failed { reason },
            };
            moves.extend(order_move(due, attempts, &next));
            let last_outcome = due.facts.died.then_some("unknown");
            changes.push(store::Change { id: due.id, attempts, next, last_outcome });
        }

        let died: Vec<_> = due.iter().filter(|due| due.facts.died).map(expired).collect();
        let begun = claimed.iter().map(|claimed| (claimed.id, claimed.attempt));
        store::finish_attempts(&mut tx, &died, now).await?;
        store::save(&mut tx, &changes, now).await?;
        store::insert_attempts(&mut tx, begun, &self.name, self.provider.name(), now).await?;
        orders::move_fulfilment(&mut tx, &moves, now).await?;
        tx.commit().await?;

        self.metrics.count_ends(changes.iter().map(|change| &change.next));
        Ok((due.len(), claimed))
    }

    /// What to tell the provider, in the order of the claims. It is read outside of the claim's transaction, so that an
    /// order that cannot be read costs its own attempt only and does not hold up all others.
    pub(super) async fn deliveries(&self, claimed: &[Claimed]) -> Vec<Result<Delivery, String>> {
        let ids: Vec<Uuid> = claimed.iter().map(|claimed| claimed.order_id).collect();
        let orders: HashMap<Uuid, Result<Order, String>> = match self.load(&ids).await {
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
                Ok(Delivery::new(claimed.id, claimed.idempotency_key.clone(), claimed.part, order))
            })
            .collect()
    }

    async fn load(&self, order_ids: &[Uuid]) -> sqlx::Result<Vec<Order>> {
        if order_ids.is_empty() {
            return Ok(Vec::new());
        }
        orders::load(&mut *self.pool.acquire().await?, order_ids).await
    }
}

impl FulfilmentSettings {
    pub(super) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { base: self.retry_base, max_attempts: self.max_attempts }
    }
}

impl Claimed {
    fn new(due: &store::Due, attempt: i32, may_send: bool, lease_until: OffsetDateTime) -> Self {
        Self {
            id: due.id,
            order_id: due.order_id,
            part: due.part,
            idempotency_key: due.idempotency_key.clone(),
            attempt,
            in_doubt: due.facts.in_doubt,
            may_send,
            lease_until,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        Cause::Attempt { fulfilment: self.id, attempt: self.attempt }
    }
}

/// How the order moves with it. One that was queued and stays so moves nothing: the reason alone would be written anew
/// each time a held order is looked at.
fn order_move(due: &store::Due, attempt: i32, next: &Next) -> Option<FulfilmentMove> {
    if !due.facts.died && matches!(next, Next::Queued { .. }) {
        return None;
    }
    let why = next.reason().or(due.facts.died.then_some(LEASE_EXPIRED)).map(str::to_owned);
    Some(moved(due.order_id, next.axis(), Cause::Attempt { fulfilment: due.id, attempt }, why))
}

fn expired(due: &store::Due) -> store::Ended<'static> {
    store::Ended {
        fulfilment_id: due.id,
        attempt: due.facts.attempts,
        outcome: "unknown",
        detail: Some(LEASE_EXPIRED),
    }
}

fn gone() -> String {
    "the order is gone".to_owned()
}
