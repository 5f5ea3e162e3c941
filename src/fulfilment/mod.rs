//! Fulfilment: a paid order is handed to whoever ships it, once.
//!
//! # Who is who
//!
//! A *fulfilment* is one hand-over that must happen. It is queued in the transaction that finds its order paid
//! ([`queue`]), so there is no paid order that is forgotten. A [`FulfilmentWorker`] *claims* what is due under a
//! *lease*, makes an *attempt* by calling the [`Provider`] with no transaction open, and *records* the [`Outcome`].
//!
//! ```text
//! queue ─▶ queued ──claim──▶ in_progress ──record──▶ fulfilled │ rejected │ failed
//!            ▲  │                 │
//!            │  └─ not ready: waits, with its reason      refunded: cancelled
//!            └──── not done or unknown: again, later ◀────┘
//! ```
//!
//! # What is guaranteed
//!
//! - The idempotency key belongs to the fulfilment, not to the attempt: every attempt sends the same key and the same
//!   bytes.
//! - An attempt that ended with no clear answer, or whose worker died, leaves *doubt*: the provider is asked by key
//!   before anything is sent again. Doubt lasts until the provider has answered.
//! - Only the worker whose attempt it is can write its outcome: each write is fenced by attempt number and lease
//!   holder. A worker that was slower than its lease finds the fence gone and changes nothing.
//! - Whether an order may be sent is judged when its fulfilment is claimed, and the answer "no" has a name
//!   (`fulfilments.reason`) and costs no attempt.
//! - Business answers (`rejected`) wait for a person at once; technical ones are retried with backoff until the
//!   attempts are used up (`failed`, the dead letter).
//!
//! # What is not
//!
//! - A provider that neither answers look-ups nor heeds the `Idempotency-Key` may ship twice after a lost answer; no
//!   sender can prevent that.
//! - An order that is held or refunded while an attempt is under way may still be sent; the outcome is recorded as it was.
//!
//! # Locks
//!
//! Everybody locks orders before fulfilments. The claim, which comes from the other side, never waits: it skips what
//! is locked.
//!
//! The line of reading: [`FulfilmentWorker::run_once`] in `fulfil.rs`, then `state.rs` for every decision, `store.rs`
//! for every statement.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use self::state::State;
use crate::orders::{self, Cause, Consequence, FulfilmentMove, FulfilmentStatus, ToSend};

mod by_hand;
mod callback;
mod digital_provider;
mod download;
mod fulfil;
#[expect(clippy::module_inception, reason = "each feature keeps its types in a file named for its noun")]
mod fulfilment;
mod http_provider;
mod log_provider;
mod manual;
mod metrics;
mod outcome;
mod pauses;
mod progress;
mod provider;
mod recall;
mod registry;
mod replan;
mod report;
pub mod routes;
mod sampler;
mod shown;
mod signature;
mod split;
mod state;
mod store;

pub use by_hand::{AuditEntry, ByHandError, Decision};
pub use callback::{CallBack, CallBackLine};
pub use digital_provider::DigitalProvider;
pub use download::Links;
pub use fulfil::{FulfilmentSettings, FulfilmentWorker};
pub use fulfilment::{DeliveredLine, DeliveredOrder, Delivery, DeliveryCustomer, ToCancel, ToQueue};
pub use http_provider::{CannotSend, HttpProvider};
pub use log_provider::LogProvider;
pub use manual::{Act, Acted, RedriveFilter, act, queue_by_hand};
pub use metrics::FulfilmentMetrics;
pub use outcome::{LookUp, Outcome, Recall, Receipt, Tracking};
pub use pauses::{PauseOf, pause, resume};
pub use progress::EventKind;
pub use provider::{Answer, DEFAULT_PROVIDER, Provider, Providers, provider};
pub use recall::{ToRecall, recall};
pub use registry::{
    DigitalGood, Limits, NewKind, ProviderChange, Rule, add_provider, add_rule, put_good, remove_good,
    remove_rule, set_provider,
};
use replan::{ToReplan, replan};
pub use report::{
    FulfilmentFilter, FulfilmentReport, FulfilmentRow, ProviderRow, StuckOrder, find_fulfilments,
    load_reports, load_rows,
};
pub use sampler::FulfilmentSampler;
pub use shown::{
    ShownAttempt, ShownDigital, ShownLine, ShownParcelLine, ShownPart, ShownShipment, load_part,
    load_parts_of,
};
pub use store::{
    count_redrive, list_fulfilments, list_goods, list_providers, list_redrive, list_rules, list_stuck,
};

/// Does what a batch of order transitions asks for: queues, cancels, recalls, goes on.
///
/// Call it in the transaction that moves the orders, after they are saved.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn follow(
    conn: &mut PgConnection,
    consequences: &[(Uuid, Consequence, Cause)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let of =
        |wanted: Consequence| consequences.iter().filter(move |(_, consequence, _)| *consequence == wanted);
    let to_queue: Vec<_> = of(Consequence::Queue)
        .map(|(order_id, _, cause)| ToQueue { order_id: *order_id, cause: cause.clone() })
        .collect();
    if !to_queue.is_empty() {
        queue(conn, &to_queue, now).await?;
    }
    // An order may be called off and paid again within a batch: the last word counts.
    let is_called_off = |order: Uuid| {
        let of_order = consequences.iter().rev().filter(|(order_id, ..)| *order_id == order);
        let mut last = of_order
            .map(|(_, consequence, _)| *consequence)
            .filter(|c| matches!(c, Consequence::Queue | Consequence::Cancel));
        last.next() == Some(Consequence::Cancel)
    };
    let keepers: Vec<Uuid> = consequences
        .iter()
        .filter_map(|(_, consequence, _)| match consequence {
            Consequence::GiveUp { to } => Some(*to),
            _ => None,
        })
        .collect();
    let keepers = if keepers.is_empty() { Vec::new() } else { orders::load_heads(conn, &keepers).await? };
    let number = |order: &Uuid| {
        let known = keepers.iter().find(|head| head.id == *order);
        known.map_or_else(|| order.to_string(), |head| head.number.clone())
    };
    let to_cancel: Vec<_> = consequences
        .iter()
        .filter_map(|(order_id, consequence, cause)| {
            let reason = match consequence {
                Consequence::Cancel if is_called_off(*order_id) => "all of its money went back".to_owned(),
                Consequence::GiveUp { to } => format!("it is the same purchase as order {}", number(to)),
                _ => return None,
            };
            Some(ToCancel { order_id: *order_id, cause: cause.clone(), reason })
        })
        .collect();
    if !to_cancel.is_empty() {
        cancel_unsent(conn, &to_cancel, now).await?;
    }
    // Where a hold ended less may be left to send, by a refund that it was about.
    let to_look_at: Vec<_> = of(Consequence::Recall)
        .chain(of(Consequence::Wake))
        .map(|(order_id, _, cause)| ToRecall { order_id: *order_id, cause: cause.clone() })
        .collect();
    if !to_look_at.is_empty() {
        recall(conn, &to_look_at, now).await?;
    }
    let to_wake: Vec<Uuid> = of(Consequence::Wake).map(|(order_id, ..)| *order_id).collect();
    if !to_wake.is_empty() {
        wake(conn, &to_wake, now).await?;
    }
    // The last word on when it is due.
    let to_replan: Vec<ToReplan> = consequences.iter().filter_map(ToReplan::of).collect();
    if to_replan.is_empty() { Ok(()) } else { replan(conn, &to_replan, now).await }
}

/// Queues each order that has no fulfilment yet, one for each provider that the rules choose, due at once, takes up
/// again what was cancelled, and wakes the workers once.
///
/// Call it in the transaction that moves the orders to paid. Calling it again changes nothing.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn queue(conn: &mut PgConnection, orders: &[ToQueue], now: OffsetDateTime) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.order_id).collect();
    let (known, new): (Vec<_>, Vec<_>) =
        store::load_to_split(conn, &ids).await?.into_iter().partition(|order| order.has_parts);
    let known: Vec<Uuid> = known.iter().map(|order| order.order_id).collect();
    let mut newly_queued = split_new(conn, orders, new, now).await?;
    newly_queued.extend(store::requeue_cancelled(conn, &known, now).await?);
    if newly_queued.is_empty() {
        return Ok(());
    }

    let moves: Vec<_> = newly_queued
        .iter()
        .filter_map(|id| orders.iter().find(|order| order.order_id == *id))
        .map(|order| Moved {
            order_id: order.order_id,
            cause: order.cause.clone(),
            reason: None,
            known: None,
        })
        .collect();
    move_orders(conn, moves, now).await?;
    store::notify(conn).await
}

/// Queues those of these orders that have no fulfilment yet, ahead of their being saved, and wakes the workers once;
/// returns them. The caller locked the orders and moves their axis. Those of which nothing is to be sent are left to
/// [`queue`].
///
/// # Errors
/// The database failed; nothing may be committed.
pub fn queue_new<'c>(
    conn: &'c mut PgConnection,
    orders: &'c [ToSend],
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<Vec<Uuid>>> {
    Box::pin(async move {
        let ids: Vec<Uuid> = orders.iter().map(|order| order.order_id).collect();
        let country: HashMap<Uuid, &ToSend> = orders.iter().map(|order| (order.order_id, order)).collect();
        let mut new = store::load_to_split(conn, &ids).await?;
        new.retain(|order| !order.has_parts);
        for order in &mut new {
            order.to_split.country = country.get(&order.order_id).and_then(|order| order.country.clone());
        }
        let rules = store::load_rules(conn).await?;
        let parts: Vec<_> = new.into_iter().flat_map(|order| inserts(order, &rules)).collect();
        let queued = store::insert_parts(conn, &parts, now).await?;
        if !queued.is_empty() {
            store::notify(conn).await?;
        }
        Ok(queued)
    })
}

/// The parts of an order that has none; empty where nothing of it is to be sent.
fn inserts(order: store::Unqueued, rules: &[split::Rule]) -> Vec<store::Insert> {
    let split = split::split(&order.to_split, rules);
    let account = order.to_split.account.unwrap_or_default();
    let parts = (1..).zip(split);
    parts
        .map(|(number, part)| store::Insert {
            order_id: order.order_id,
            number,
            account: account.clone(),
            part,
        })
        .collect()
}

/// Splits orders that have no parts, and closes those of which nothing is to be sent; returns the others.
async fn split_new(
    conn: &mut PgConnection,
    orders: &[ToQueue],
    new: Vec<store::Unqueued>,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    let rules = store::load_rules(conn).await?;
    let (mut parts, mut done) = (Vec::new(), Vec::new());
    for order in new {
        let order_id = order.order_id;
        let split = inserts(order, &rules);
        if split.is_empty() {
            done.push(order_id);
        }
        parts.extend(split);
    }
    close_empty(conn, orders, &done, now).await?;
    store::insert_parts(conn, &parts, now).await
}

/// Orders of which nothing is to be sent are done when they are paid.
async fn close_empty(
    conn: &mut PgConnection,
    orders: &[ToQueue],
    done: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let moves: Vec<_> = orders
        .iter()
        .filter(|order| done.contains(&order.order_id))
        .map(|order| FulfilmentMove {
            order_id: order.order_id,
            from: None,
            to: FulfilmentStatus::Fulfilled,
            cause: order.cause.clone(),
            reason: Some("nothing to send: only adjustments".to_owned()),
        })
        .collect();
    crate::orders::move_fulfilment(conn, &moves, now).await
}

/// Cancels what was not sent yet, and recalls what was, for orders that were wholly refunded.
///
/// Queued fulfilments become `cancelled`, and the order's axis follows. Two kinds are left to the worker:
/// - `in_progress`: its attempt ends as it ends. If the provider did not take it, the next claim cancels it; if it did,
///   it is recalled when that is recorded.
/// - in doubt (an earlier attempt ended unknown): it is made due, and the worker asks the provider before it cancels.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn cancel_unsent(
    conn: &mut PgConnection,
    orders: &[ToCancel],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.order_id).collect();
    let parts = store::lock_parts_of(conn, &ids, now).await?;

    let (mut changes, mut moves, mut in_doubt) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts.iter().filter(|part| part.facts.state == State::Queued) {
        let Some(order) = orders.iter().find(|order| order.order_id == part.order_id) else {
            continue;
        };
        if part.facts.in_doubt {
            in_doubt.push(part.order_id);
            continue;
        }
        let reason = Some(order.reason.clone());
        moves.push(Moved { order_id: part.order_id, cause: order.cause.clone(), reason, known: None });
        let next = state::Next::Cancelled { reason: order.reason.clone() };
        changes.push(store::Change::of(part, next));
    }
    store::save(conn, &changes, now).await?;
    move_orders(conn, moves, now).await?;
    let to_recall: Vec<_> = orders
        .iter()
        .map(|order| ToRecall { order_id: order.order_id, cause: order.cause.clone() })
        .collect();
    recall(conn, &to_recall, now).await?;
    wake(conn, &in_doubt, now).await
}

/// Makes what waits for a worker due at once for these orders, for instance because a hold was released.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn wake(conn: &mut PgConnection, order_ids: &[Uuid], now: OffsetDateTime) -> sqlx::Result<()> {
    match store::mark_due(conn, order_ids, now).await? {
        0 => Ok(()),
        _ => store::notify(conn).await,
    }
}

/// A fulfilment of this order has moved.
struct Moved {
    order_id: Uuid,
    cause: Cause,
    reason: Option<String>,
    /// From where and to where the order moves with it, where that is known without a look at the order and its parts.
    known: Option<(FulfilmentStatus, FulfilmentStatus)>,
}

/// Moves the axis of orders to where their parts stand by now. Call it after the parts are saved.
async fn move_orders(conn: &mut PgConnection, moved: Vec<Moved>, now: OffsetDateTime) -> sqlx::Result<()> {
    let unknown = moved.iter().filter(|moved| moved.known.is_none());
    let unknown: Vec<Uuid> = unknown.map(|moved| moved.order_id).collect();
    let parts = store::load_parts(conn, &unknown).await?;
    let stands = |order: &Uuid| parts.get(order).map_or(FulfilmentStatus::None, |parts| state::axis(parts));
    let moves: Vec<_> = moved
        .into_iter()
        .map(|Moved { order_id, cause, reason, known }| FulfilmentMove {
            order_id,
            from: known.map(|(from, _)| from),
            to: known.map_or_else(|| stands(&order_id), |(_, to)| to),
            cause,
            reason,
        })
        .collect();
    orders::move_fulfilment(conn, &moves, now).await
}
