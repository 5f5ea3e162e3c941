//! Orders of which more is known than when they were queued: as long as nobody has begun with them, they are split anew.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::state::State;
use super::{Moved, ToQueue, move_orders, split_new, store};
use crate::orders::{Cause, Consequence};

/// An order to be split anew.
pub(super) struct ToReplan {
    order_id: Uuid,
    cause: Cause,
    /// When it may be handed over.
    due: OffsetDateTime,
}

impl ToReplan {
    pub(super) fn of((order_id, consequence, cause): &(Uuid, Consequence, Cause)) -> Option<Self> {
        let Consequence::Replan { due } = *consequence else { return None };
        Some(Self { order_id: *order_id, cause: cause.clone(), due })
    }
}

/// Splits anew those of these orders of which no part was touched: tried, snoozed or called off. Those that were closed
/// since nothing was to be sent are queued, if something is now. Of several wishes for one order the last one counts.
pub(super) async fn replan(
    conn: &mut PgConnection,
    orders: &[ToReplan],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let ids: BTreeSet<Uuid> = orders.iter().map(|order| order.order_id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let parts = store::lock_parts_of(conn, &ids, now).await?;
    let touched: BTreeSet<Uuid> = parts
        .iter()
        .filter(|part| {
            let facts = &part.facts;
            facts.state != State::Queued
                || part.attempts > 0
                || facts.called_off.is_some()
                || facts.snoozed_until.is_some()
        })
        .map(|part| part.order_id)
        .collect();
    let closed = store::list_closed(conn, &ids).await?;
    let last: Vec<&ToReplan> = ids
        .iter()
        .filter(|id| !touched.contains(id))
        .filter(|id| closed.contains(id) || parts.iter().any(|part| part.order_id == **id))
        .filter_map(|id| orders.iter().rfind(|order| order.order_id == *id))
        .collect();
    let untouched: Vec<Uuid> = last.iter().map(|order| order.order_id).collect();
    if untouched.is_empty() {
        return Ok(());
    }

    store::delete_untouched(conn, &untouched).await?;
    let mut new = store::load_to_split(conn, &untouched).await?;
    new.retain(|order| !order.to_split.lines.is_empty() || !closed.contains(&order.order_id));
    let to_queue: Vec<ToQueue> =
        last.iter().map(|order| ToQueue { order_id: order.order_id, cause: order.cause.clone() }).collect();
    let queued = split_new(conn, &to_queue, new, now).await?;
    let queued: Vec<&&ToReplan> = last.iter().filter(|order| queued.contains(&order.order_id)).collect();
    for order in queued.iter().filter(|order| order.due > now) {
        store::put_off_parts(conn, order.order_id, order.due).await?;
    }
    let moves = queued
        .iter()
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
