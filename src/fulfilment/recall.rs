//! The recall: what was sent, and must not leave, is asked back.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::state::{self, Next};
use super::{Moved, move_orders, store};
use crate::orders::Cause;

/// An order that may have to be recalled.
#[derive(Clone, Debug)]
pub struct ToRecall {
    /// The order.
    pub order_id: Uuid,
    /// What changed about it.
    pub cause: Cause,
}

/// Recalls what the provider has of these orders and must not leave: they were refunded or called off, are held, or less
/// of them is to be sent. What may leave stays as it is. Returns how many parts are recalled by it.
///
/// What is in progress is left to its worker: it looks at the order again when it records the outcome. So is what was
/// not sent yet: the claim judges it.
///
/// # Errors
/// The database failed; nothing may be committed.
pub async fn recall(
    conn: &mut PgConnection,
    orders: &[ToRecall],
    now: OffsetDateTime,
) -> sqlx::Result<usize> {
    let causes: HashMap<Uuid, &Cause> = orders.iter().map(|order| (order.order_id, &order.cause)).collect();
    let ids: Vec<Uuid> = causes.keys().copied().collect();

    let (mut changes, mut moves) = (Vec::new(), Vec::new());
    for part in store::lock_parts_of(conn, &ids, now).await? {
        let Some(from) = state::recallable(&part.facts) else { continue };
        let Some(reason) = state::why_to_recall(&part.facts, from) else { continue };
        let Some(cause) = causes.get(&part.order_id) else { continue };
        let moved = Moved {
            order_id: part.order_id,
            cause: (*cause).clone(),
            reason: Some(format!("to be recalled: {reason}")),
            known: None,
        };
        moves.push(moved);
        changes.push(store::Change::of(&part, Next::Recalling { at: now, from, reason }));
    }
    if changes.is_empty() {
        return Ok(0);
    }
    store::save(conn, &changes, now).await?;
    move_orders(conn, moves, now).await?;
    store::notify(conn).await?;
    Ok(changes.len())
}
