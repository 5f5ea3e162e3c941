//! The fulfilment axis: moved by the fulfilment feature, kept with the order.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Axis, Cause, FulfilmentStatus};
use super::super::state::Move;
use super::facts::{NewTransition, insert_transitions};
use super::stored;

/// A move of the fulfilment axis.
#[derive(Clone, Debug)]
pub struct FulfilmentMove {
    /// Of which order.
    pub order_id: Uuid,
    /// To where.
    pub to: FulfilmentStatus,
    /// What moved it.
    pub cause: Cause,
    /// Why, where it does not go without saying.
    pub reason: Option<String>,
}

/// Moves the fulfilment axis of orders and writes their history. Of several moves of one order the last one stands. A
/// move to where the order is leaves a row only if it has a reason.
///
/// # Errors
/// The database's.
pub async fn move_fulfilment(
    conn: &mut PgConnection,
    moves: &[FulfilmentMove],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = moves.iter().map(|new| new.order_id).collect();
    // Locked in the order of their ids, so that two callers wait for each other instead of deadlocking.
    let rows = sqlx::query!(
        "select id, fulfilment_status from orders where id = any($1) order by id for update",
        &ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut present: HashMap<Uuid, FulfilmentStatus> = HashMap::new();
    for row in rows {
        present.insert(row.id, stored(&row.fulfilment_status)?);
    }

    let mut transitions = Vec::new();
    for new in moves {
        let Some(from) = present.insert(new.order_id, new.to) else {
            continue;
        };
        if from != new.to || new.reason.is_some() {
            transitions.push(NewTransition {
                order_id: new.order_id,
                moved: Move {
                    axis: Axis::Fulfilment,
                    from: Some(from.as_str()),
                    to: Some(new.to.as_str()),
                    reason: new.reason.clone(),
                },
                cause: new.cause.clone(),
            });
        }
    }

    let (ids, statuses): (Vec<Uuid>, Vec<&str>) =
        present.into_iter().map(|(id, status)| (id, status.as_str())).unzip();
    sqlx::query!(
        "
        update orders set
          fulfilment_status = new.fulfilment_status,
          fulfilled_at = case when new.fulfilment_status = 'fulfilled' then coalesce(orders.fulfilled_at, $3) end,
          updated_at = $3
        from unnest($1::uuid[], $2::text[]) as new (id, fulfilment_status)
        where orders.id = new.id
          and orders.fulfilment_status <> new.fulfilment_status
        ",
        &ids,
        &statuses as &[&str],
        now,
    )
    .execute(&mut *conn)
    .await?;
    insert_transitions(conn, &transitions, now).await
}
