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

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::orders::{self, Cause, Consequence, FulfilmentMove, FulfilmentStatus};

mod fulfil;
#[expect(clippy::module_inception, reason = "each feature keeps its types in a file named for its noun")]
mod fulfilment;
mod http_provider;
mod log_provider;
mod metrics;
mod outcome;
mod provider;
mod signature;
mod state;
mod store;

pub use fulfil::{FulfilmentSettings, FulfilmentWorker};
pub use fulfilment::{DeliveredOrder, Delivery, DeliveryCustomer, ToCancel, ToQueue};
pub use http_provider::{CannotSend, HttpProvider};
pub use log_provider::LogProvider;
pub use metrics::FulfilmentMetrics;
pub use outcome::{LookUp, Outcome};
pub use provider::{Answer, Provider, provider};
pub use store::{AttemptRow, list_attempts};

/// Does what a batch of order transitions asks for: queues, cancels, goes on.
///
/// Call it in the transaction that moves the orders.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn follow(
    conn: &mut PgConnection,
    consequences: &[(Uuid, Consequence, Cause)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let of = |wanted| consequences.iter().filter(move |(_, consequence, _)| *consequence == wanted);
    let to_queue: Vec<_> = of(Consequence::Queue)
        .map(|(order_id, _, cause)| ToQueue { order_id: *order_id, cause: cause.clone() })
        .collect();
    if !to_queue.is_empty() {
        queue(conn, &to_queue, now).await?;
    }
    // An order may be called off and paid again within a batch: the last word counts.
    let is_called_off = |order: Uuid| {
        let of_order = consequences.iter().rev().filter(|(order_id, ..)| *order_id == order);
        let mut last = of_order.map(|(_, consequence, _)| *consequence).filter(|c| *c != Consequence::Wake);
        last.next() == Some(Consequence::Cancel)
    };
    let to_cancel: Vec<_> = of(Consequence::Cancel)
        .filter(|(order_id, ..)| is_called_off(*order_id))
        .map(|(order_id, _, cause)| ToCancel {
            order_id: *order_id,
            cause: cause.clone(),
            reason: "all of its money went back".to_owned(),
        })
        .collect();
    if !to_cancel.is_empty() {
        cancel_unsent(conn, &to_cancel, now).await?;
    }
    let to_wake: Vec<Uuid> = of(Consequence::Wake).map(|(order_id, ..)| *order_id).collect();
    if to_wake.is_empty() { Ok(()) } else { wake(conn, &to_wake, now).await }
}

/// Queues one fulfilment for each order that has none yet, or whose own was cancelled, due at once, and wakes the
/// workers once.
///
/// Call it in the transaction that moves the orders to paid. Calling it again changes nothing.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn queue(conn: &mut PgConnection, orders: &[ToQueue], now: OffsetDateTime) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.order_id).collect();
    let newly_queued = store::insert_queued(conn, &ids, now).await?;
    if newly_queued.is_empty() {
        return Ok(());
    }

    let moves: Vec<_> = newly_queued
        .iter()
        .filter_map(|id| orders.iter().find(|order| order.order_id == *id))
        .map(|order| moved(order.order_id, FulfilmentStatus::Queued, order.cause.clone(), None))
        .collect();
    orders::move_fulfilment(conn, &moves, now).await?;
    store::notify(conn).await
}

/// Cancels what was not sent yet, for orders that were wholly refunded.
///
/// Queued fulfilments become `cancelled`, and so does the order's axis. Two kinds are left to the worker:
/// - `in_progress`: its attempt ends as it ends. If the provider did not take it, the next claim cancels it; if it did,
///   `fulfilled` is recorded, since that is what happened.
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
    store::lock_orders(conn, &ids).await?;
    let waiting = store::lock_queued(conn, &ids).await?;

    let mut changes = Vec::new();
    let mut moves = Vec::new();
    let mut in_doubt = Vec::new();
    for fulfilment in waiting {
        let Some(order) = orders.iter().find(|order| order.order_id == fulfilment.order_id) else {
            continue;
        };
        if fulfilment.in_doubt {
            in_doubt.push(fulfilment.order_id);
            continue;
        }
        let next = state::Next::Cancelled { reason: order.reason.clone() };
        let reason = Some(order.reason.clone());
        moves.push(moved(fulfilment.order_id, next.axis(), order.cause.clone(), reason));
        changes.push(store::Change {
            id: fulfilment.id,
            attempts: fulfilment.attempts,
            next,
            last_outcome: None,
        });
    }
    store::save(conn, &changes, now).await?;
    orders::move_fulfilment(conn, &moves, now).await?;
    wake(conn, &in_doubt, now).await
}

/// Makes what is queued for these orders due at once, for instance because a hold was released.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn wake(conn: &mut PgConnection, order_ids: &[Uuid], now: OffsetDateTime) -> sqlx::Result<()> {
    match store::mark_due(conn, order_ids, now).await? {
        0 => Ok(()),
        _ => store::notify(conn).await,
    }
}

fn moved(order_id: Uuid, to: FulfilmentStatus, cause: Cause, reason: Option<String>) -> FulfilmentMove {
    FulfilmentMove { order_id, to, cause, reason }
}
