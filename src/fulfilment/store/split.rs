//! The queueing of orders: what the rules look at, and the parts that they are split into.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::split::{NewPart, Rule, ToSplit};

/// An order that is to be queued.
pub(in super::super) struct Unqueued {
    pub order_id: Uuid,
    /// Whether it was split before: then it keeps its parts.
    pub has_parts: bool,
    pub to_split: ToSplit,
}

/// A part to insert.
pub(in super::super) struct Insert {
    pub order_id: Uuid,
    /// From 1.
    pub number: i32,
    /// Empty for our own.
    pub account: String,
    pub part: NewPart,
}

/// Reads the rules, in the order in which they are tried.
pub(in super::super) async fn load_rules(conn: &mut PgConnection) -> sqlx::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        "select sku, country, account, provider, priority from fulfilment_rules order by position",
    )
    .fetch_all(conn)
    .await
}

/// Reads what the rules look at. Whose turn an order takes is said by the account that sells, else by the one that
/// gets the money.
pub(in super::super) async fn load_to_split(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
) -> sqlx::Result<Vec<Unqueued>> {
    let rows = sqlx::query!(
        r#"
        select
          o.id,
          -- No `exists`, and no plain join: Postgres may answer those for all orders at once, by reading every row.
          (select true from fulfilments as f where f.order_id = o.id limit 1) as has_parts,
          coalesce(o.account, (select destination from order_payments where order_id = o.id)) as account,
          o.shipping ->> 'country' as country,
          l.position as "position?",
          l.sku as "sku?",
          l.kind as "kind?"
        from orders as o
        left join lateral (select * from order_lines where order_id = o.id offset 0) as l on true
        where o.id = any($1)
        order by o.id, l.position
        "#,
        order_ids,
    )
    .fetch_all(conn)
    .await?;
    let mut orders: Vec<Unqueued> = Vec::new();
    for row in rows {
        if orders.last().is_none_or(|order| order.order_id != row.id) {
            let to_split = ToSplit {
                country: row.country,
                account: row.account,
                lines: Vec::new(),
                has_adjustments: false,
            };
            orders.push(Unqueued { order_id: row.id, has_parts: row.has_parts.is_some(), to_split });
        }
        if let (Some(order), Some(line)) = (orders.last_mut(), row.position.zip(row.sku)) {
            match row.kind.as_deref() {
                Some("goods") => order.to_split.lines.push(line),
                _ => order.to_split.has_adjustments = true,
            }
        }
    }
    Ok(orders)
}

/// Inserts parts with their lines, due now; returns the orders of those that were not there.
pub(in super::super) async fn insert_parts(
    conn: &mut PgConnection,
    parts: &[Insert],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = parts.iter().map(|_| Uuid::now_v7()).collect();
    let orders: Vec<Uuid> = parts.iter().map(|insert| insert.order_id).collect();
    let numbers: Vec<i32> = parts.iter().map(|insert| insert.number).collect();
    let accounts: Vec<&str> = parts.iter().map(|insert| insert.account.as_str()).collect();
    let providers: Vec<&str> = parts.iter().map(|insert| insert.part.provider.as_str()).collect();
    let priorities: Vec<i16> = parts.iter().map(|insert| insert.part.priority).collect();
    let keys: Vec<String> = ids.iter().map(|id| super::key(*id, 1)).collect();
    let lines = ids.iter().zip(parts);
    let (carriers, positions): (Vec<Uuid>, Vec<i32>) =
        lines.flat_map(|(id, insert)| insert.part.positions.iter().map(|position| (*id, *position))).unzip();
    sqlx::query_scalar!(
        r#"
        with
        queued as (
          insert into fulfilments (
            id, order_id, part, account, provider, priority, idempotency_key, next_attempt_at, created_at, updated_at
          )
          select
            new.*,
            $8,
            $8,
            $8
          from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::smallint[], $7::text[]) as new
          on conflict on constraint fulfilments_are_queued_once do nothing
          returning id, order_id
        ),
        -- In the same statement: a batch of paid orders waits for each of them.
        carried as (
          insert into fulfilment_lines (fulfilment_id, order_id, position, quantity, quantity_cancelled)
          select
            queued.id,
            queued.order_id,
            lines.position,
            lines.quantity,
            lines.quantity_refunded
          from unnest($9::uuid[], $10::integer[]) as new (fulfilment_id, position)
          join queued on queued.id = new.fulfilment_id
          cross join lateral (
            select * from order_lines where order_id = queued.order_id and position = new.position offset 0
          ) as lines
          on conflict on constraint fulfilment_lines_are_sent_once do nothing
        )
        select distinct order_id from queued
        "#,
        &ids,
        &orders,
        &numbers,
        &accounts as &[&str],
        &providers as &[&str],
        &priorities,
        &keys,
        now,
        &carriers,
        &positions,
    )
    .fetch_all(conn)
    .await
}

/// Takes up again what was cancelled unsent, but for what a person called off; returns the orders of those.
pub(in super::super) async fn requeue_cancelled(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    if order_ids.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar!(
        r#"
        with queued as (
          update fulfilments
          set
            state = 'queued',
            reason = null,
            next_attempt_at = $2,
            tries = 0,
            tries_since = null,
            finished_at = null,
            updated_at = $2
          where order_id = any($1)
            and state = 'cancelled'
            and called_off is null
          returning order_id
        )
        select distinct order_id as "order_id!" from queued
        "#,
        order_ids,
        now,
    )
    .fetch_all(conn)
    .await
}

/// Which of these orders are done without a part: nothing of them was to be sent.
pub(in super::super) async fn list_closed(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "
        select id
        from orders
        where id = any($1)
          and fulfilment_status = 'fulfilled'
          and not exists (select from fulfilments where order_id = orders.id)
        ",
        order_ids,
    )
    .fetch_all(conn)
    .await
}

/// Takes the parts of orders back that nobody has begun with: they are split anew.
pub(in super::super) async fn delete_untouched(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!("delete from fulfilment_lines where order_id = any($1)", order_ids,)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("delete from fulfilments where order_id = any($1)", order_ids,).execute(conn).await?;
    Ok(())
}

/// Lets the parts of an order wait for what Stripe is being asked for.
pub(in super::super) async fn put_off_parts(
    conn: &mut PgConnection,
    order_id: Uuid,
    until: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update fulfilments set
          next_attempt_at = $2,
          reason = 'Stripe is asked for what of it is not known'
        where order_id = $1
          and state = 'queued'
        ",
        order_id,
        until,
    )
    .execute(conn)
    .await?;
    Ok(())
}
