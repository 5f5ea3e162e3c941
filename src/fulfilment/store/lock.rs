//! Fulfilments, locked and read with all that the rules need to know of them.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::state::{Facts, LineFacts, OrderFacts};
use super::lock_orders;
use crate::orders::FulfilmentStatus;

/// A fulfilment that the transaction has locked.
#[derive(Clone, Debug)]
pub(in crate::fulfilment) struct Locked {
    pub id: Uuid,
    pub order_id: Uuid,
    pub part: i32,
    pub provider: String,
    pub priority: i16,
    pub round: i32,
    pub idempotency_key: String,
    /// Attempts begun, over all rounds: the fence.
    pub attempts: i32,
    pub next_attempt_at: Option<OffsetDateTime>,
    pub last_outcome: Option<String>,
    pub provider_reference: Option<String>,
    pub accepted_at: Option<OffsetDateTime>,
    /// When its order was found to be paid.
    pub paid_at: Option<OffsetDateTime>,
    /// Where its order stands.
    pub order_status: FulfilmentStatus,
    /// Its order has no other part.
    pub is_alone: bool,
    /// A call-back told of it.
    pub is_told_of: bool,
    /// Pieces were refunded since it was handed over last.
    pub has_new_refunds: bool,
    pub facts: Facts,
}

/// Locks all fulfilments of these orders, the orders before them. Waits for whoever has them.
pub(in crate::fulfilment) async fn lock_parts_of(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Locked>> {
    if order_ids.is_empty() {
        return Ok(Vec::new());
    }
    lock_orders(conn, order_ids).await?;
    let ids = sqlx::query_scalar!(
        r#"
        select id
        from fulfilments
        where order_id = any($1)
        order by id
        -- Waits for a claim or a record that has it; what that made of it is read afterwards.
        for no key update
        "#,
        order_ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, &ids, now).await
}

/// Locks these fulfilments, their orders before them. Waits for whoever has them; those that do not exist are left out.
pub(in crate::fulfilment) async fn lock_parts(
    conn: &mut PgConnection,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Locked>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let order_ids =
        sqlx::query_scalar!(r#"select distinct order_id from fulfilments where id = any($1)"#, ids)
            .fetch_all(&mut *conn)
            .await?;
    lock_orders(conn, &order_ids).await?;
    let ids = sqlx::query_scalar!(
        r#"
        select id
        from fulfilments
        where id = any($1)
        order by id
        -- Waits for a claim or a record that has it; what that made of it is read afterwards.
        for no key update
        "#,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, &ids, now).await
}

/// The fence: locks those of these attempts that are still the holder's, and reads their fulfilments. An attempt that is
/// not among them lost its lease to another worker, and nothing of it may be written. The orders must be locked.
pub(in crate::fulfilment) async fn lock_held(
    conn: &mut PgConnection,
    lease_holder: &str,
    attempts: impl Iterator<Item = (Uuid, i32)>,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Locked>> {
    let mine: HashMap<Uuid, i32> = attempts.collect();
    let ids: Vec<Uuid> = mine.keys().copied().collect();
    let held = sqlx::query!(
        r#"
        select id, attempts
        from fulfilments
        where id = any($1)
          -- Only what is in progress has a holder. To ask for the state too would offer Postgres the index of all that is.
          and lease_holder = $2
        order by id
        -- Waits for a worker that is taking it over; once it did, the row is not ours any more and not returned.
        for no key update
        "#,
        &ids,
        lease_holder,
    )
    .fetch_all(&mut *conn)
    .await?;
    let held = held.into_iter().filter(|row| mine.get(&row.id) == Some(&row.attempts));
    let held: Vec<Uuid> = held.map(|row| row.id).collect();
    load(conn, &held, now).await
}

/// Reads what is locked. A statement of its own: the one that locks sees rows as they were before it got the locks.
pub(super) async fn load(
    conn: &mut PgConnection,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Locked>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        select
          f.id,
          f.order_id,
          f.part,
          f.provider,
          f.priority,
          f.round,
          f.idempotency_key,
          f.attempts,
          f.next_attempt_at,
          f.last_outcome,
          f.provider_reference,
          f.accepted_at,
          f.state,
          f.tries,
          f.tries_since,
          f.recalls_from,
          f.recall_outcome,
          f.called_off,
          f.snoozed_until,
          o.payment_status,
          o.fulfilment_status,
          o.paid_at,
          o.open_holds,
          case
            when o.open_holds = 0 then '{}'
            else array(
              select distinct h.kind
              from holds as h
              where h.order_id = o.id
                and h.released_at is null
              order by h.kind
            )
          end as "holds!",
          not exists (
            select from fulfilments as other where other.order_id = f.order_id and other.part <> f.part
          ) as "is_alone!",
          -- No `exists`: Postgres may answer that for all at once, by reading every call-back.
          coalesce((select true from fulfilment_events as e where e.fulfilment_id = f.id limit 1), false) as "is_told_of!",
          coalesce(lines.has_new_refunds, false) as "has_new_refunds!",
          coalesce(lines.is_left, true) as "is_left!",
          coalesce(lines.has_shipped, false) as "has_shipped!",
          coalesce(lines.is_less_than_sent, false) as "is_less_than_sent!",
          case
            when f.state <> 'queued' then exists (
              select from shipments as s where s.fulfilment_id = f.id and s.shipped_at is not null
            )
            else false
          end as "is_on_its_way!",
          (
            select p.sku || ', ' || p.reason
            from fulfilment_pauses as p
            where p.sku is not null
              and p.ended_at is null
              and (p.expires_at is null or p.expires_at > $2)
              and exists (
                select
                from order_lines as l
                where l.order_id = f.order_id
                  and l.kind = 'goods'
                  and l.sku = p.sku
                  and l.quantity > l.quantity_refunded
                  and (
                    lines.is_left is null
                    or exists (
                      select from fulfilment_lines as x where x.fulfilment_id = f.id and x.position = l.position
                    )
                  )
              )
            order by p.paused_at
            limit 1
          ) as paused
        from fulfilments as f
        join orders as o on o.id = f.order_id
        left join lateral (
          select
            bool_or(l.quantity - l.quantity_refunded > x.quantity_shipped) as is_left,
            bool_or(x.quantity_shipped > 0) as has_shipped,
            bool_or(l.quantity_refunded <> x.quantity_cancelled) as has_new_refunds,
            bool_or(
              greatest(x.quantity - x.quantity_cancelled - x.quantity_shipped, 0)
              > greatest(l.quantity - l.quantity_refunded - x.quantity_shipped, 0)
            ) as is_less_than_sent
          from fulfilment_lines as x
          join order_lines as l on l.order_id = f.order_id and l.position = x.position
          where x.fulfilment_id = f.id
        ) as lines on true
        where f.id = any($1)
        order by f.id
        "#,
        ids,
        now,
    )
    .fetch_all(conn)
    .await?;

    rows.into_iter()
        .map(|row| {
            let order = OrderFacts {
                payment_status: stored(&row.payment_status)?,
                open_holds: row.open_holds,
                holds: row.holds,
            };
            let lines = LineFacts {
                is_left: row.is_left,
                has_shipped: row.has_shipped,
                is_less_than_sent: row.is_less_than_sent,
            };
            let facts = Facts {
                state: stored(&row.state)?,
                order,
                lines,
                in_doubt: row.last_outcome.as_deref() == Some("unknown"),
                tries: row.tries,
                tries_since: row.tries_since,
                recalls_from: row.recalls_from.as_deref().map(stored).transpose()?,
                recall_outcome: row.recall_outcome.as_deref().map(stored).transpose()?,
                is_on_its_way: row.is_on_its_way,
                called_off: row.called_off,
                snoozed_until: row.snoozed_until,
                paused: row.paused,
            };
            Ok(Locked {
                id: row.id,
                order_id: row.order_id,
                part: row.part,
                provider: row.provider,
                priority: row.priority,
                round: row.round,
                idempotency_key: row.idempotency_key,
                attempts: row.attempts,
                next_attempt_at: row.next_attempt_at,
                last_outcome: row.last_outcome,
                provider_reference: row.provider_reference,
                accepted_at: row.accepted_at,
                paid_at: row.paid_at,
                order_status: stored(&row.fulfilment_status)?,
                is_alone: row.is_alone,
                is_told_of: row.is_told_of,
                has_new_refunds: row.has_new_refunds,
                facts,
            })
        })
        .collect()
}

fn stored<T: FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.to_string().into()))
}
