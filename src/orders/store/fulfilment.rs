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
    /// From where, if the caller has locked the order and knows.
    pub from: Option<FulfilmentStatus>,
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
    let before = lock_present(conn, moves).await?;
    let mut present = before.clone();
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

    let moved = present.into_iter().filter(|(id, status)| before.get(id) != Some(status));
    let (ids, statuses): (Vec<Uuid>, Vec<&str>) = moved.map(|(id, status)| (id, status.as_str())).unzip();
    if ids.is_empty() {
        return insert_transitions(conn, &transitions, now).await;
    }
    write(conn, &ids, &statuses, &transitions, now).await
}

/// Where orders are. Those of which the caller does not know it are locked.
async fn lock_present(
    conn: &mut PgConnection,
    moves: &[FulfilmentMove],
) -> sqlx::Result<HashMap<Uuid, FulfilmentStatus>> {
    let mut present: HashMap<Uuid, FulfilmentStatus> =
        moves.iter().filter_map(|new| Some((new.order_id, new.from?))).collect();
    let unknown = moves.iter().map(|new| new.order_id).filter(|id| !present.contains_key(id));
    let unknown: Vec<Uuid> = unknown.collect();
    if unknown.is_empty() {
        return Ok(present);
    }
    // Locked in the order of their ids, so that two callers wait for each other instead of deadlocking.
    let rows = sqlx::query!(
        "select id, fulfilment_status from orders where id = any($1) order by id for update",
        &unknown
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        present.insert(row.id, stored(&row.fulfilment_status)?);
    }
    Ok(present)
}

/// Writes where orders are now and how they came there, in one statement.
async fn write(
    conn: &mut PgConnection,
    ids: &[Uuid],
    statuses: &[&str],
    transitions: &[NewTransition],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let transition_ids: Vec<Uuid> = transitions.iter().map(|_| Uuid::now_v7()).collect();
    let order_ids: Vec<Uuid> = transitions.iter().map(|new| new.order_id).collect();
    let from: Vec<Option<&str>> = transitions.iter().map(|new| new.moved.from).collect();
    let to: Vec<Option<&str>> = transitions.iter().map(|new| new.moved.to).collect();
    let cause_kinds: Vec<&str> = transitions.iter().map(|new| new.cause.kind()).collect();
    let cause_ids: Vec<String> = transitions.iter().map(|new| new.cause.id()).collect();
    let reasons: Vec<Option<&str>> = transitions.iter().map(|new| new.moved.reason.as_deref()).collect();
    sqlx::query!(
        "
        with moved as (
          update orders set
            fulfilment_status = new.fulfilment_status,
            fulfilled_at = case
              when new.fulfilment_status = 'fulfilled' then coalesce(orders.fulfilled_at, $3)
            end,
            updated_at = $3
          from unnest($1::uuid[], $2::text[]) as new (id, fulfilment_status)
          where orders.id = new.id
        )
        insert into order_transitions (
          id, order_id, from_value, to_value, cause_kind, cause_id, reason, axis, at
        )
        select *, $11, $3
        from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
        ",
        ids,
        statuses as &[&str],
        now,
        &transition_ids,
        &order_ids,
        &from as &[Option<&str>],
        &to as &[Option<&str>],
        &cause_kinds as &[&str],
        &cause_ids,
        &reasons as &[Option<&str>],
        Axis::Fulfilment.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
