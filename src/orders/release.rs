//! Releasing a hold: a person looked, and says that the order may go on.
//!
//! What the hold was about is thereby accepted: an order with a released `amount_mismatch` counts as paid.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Cause, HoldKind};
use super::state::Consequence;
use super::store::{self, NewTransition, Saved};

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
    let saved = Saved { before, after: &released.after, success_at: None };
    store::save(conn, &[saved], &HashMap::new(), by, now).await?;
    let moves = released.moves.into_iter();
    let transitions: Vec<_> =
        moves.map(|moved| NewTransition { order_id, moved, cause: cause.clone() }).collect();
    store::insert_transitions(conn, &transitions, now).await?;
    let consequences = released.consequences.into_iter();
    Ok(Some(consequences.map(|consequence| (order_id, consequence, cause.clone())).collect()))
}
