//! What a person says about an order: hold it, or let it go on.
//!
//! What a released hold was about is thereby accepted: an order with a released `amount_mismatch` counts as paid.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Cause, HoldKind};
use super::state::Consequence;
use super::steer::{LockedOrder, Step};
use super::store::{self, NewTransition, Saved};

/// Holds an order until a person releases it; returns what fulfilment must do, or none where there is no such order. `by`
/// is who says so, `because` is why.
///
/// # Errors
/// The database's; the caller rolls back.
pub async fn hold(
    conn: &mut PgConnection,
    order_id: Uuid,
    by: &str,
    because: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Vec<(Uuid, Consequence, Cause)>>> {
    let Some(mut order) = LockedOrder::lock(conn, order_id).await? else { return Ok(None) };
    // Each is a hold of its own: one that was released before does not stand in its way.
    let source = Uuid::now_v7().to_string();
    let step = Step::Hold { kind: HoldKind::Operator, source, reason: because.to_owned() };
    order.steer(conn, step, &Cause::Operator(by.to_owned()), now).await.map(Some)
}

/// Ends the open holds of a kind; returns what fulfilment must do, or none where none of the kind is open. `by` is who
/// says so, `because` is why.
///
/// # Errors
/// The database's; the caller rolls back.
pub async fn release_holds(
    conn: &mut PgConnection,
    order_id: Uuid,
    kind: HoldKind,
    by: &str,
    because: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Vec<(Uuid, Consequence, Cause)>>> {
    let facts = store::load_facts_for_update(conn, &[order_id]).await?;
    let released = facts.get(&order_id).and_then(|before| Some((before, before.release(kind, by, because)?)));
    let Some((before, released)) = released else { return Ok(None) };

    let cause = Cause::Operator(by.to_owned());
    let saved = Saved { before, after: &released.after, success_at: None, is_queued: false };
    store::save(conn, &[saved], &HashMap::new(), by, now).await?;
    let moves = released.moves.into_iter();
    let transitions: Vec<_> =
        moves.map(|moved| NewTransition { order_id, moved, cause: cause.clone() }).collect();
    store::insert_transitions(conn, &transitions, now).await?;
    let consequences = released.consequences.into_iter();
    Ok(Some(consequences.map(|consequence| (order_id, consequence, cause.clone())).collect()))
}
