//! The lines of parts: what was bought, what left, what is left.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::fulfilment::PartLine;
use super::super::outcome::Tracking;

/// A part that is done: the provider answered so, or an operator said so.
pub(in super::super) struct Done<'a> {
    pub id: Uuid,
    /// Where its parcel is to be followed, where that was told.
    pub tracking: Option<&'a Tracking>,
}

/// Reads the lines of parts, by position; parts of orders without lines have none.
///
/// Lines that nobody carries, since Stripe told them only after their order was queued, are the first part's.
pub(in super::super) async fn load_lines(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<PartLine>>> {
    let mut lines: HashMap<Uuid, Vec<PartLine>> = HashMap::new();
    if fulfilment_ids.is_empty() {
        return Ok(lines);
    }
    let rows = sqlx::query!(
        r#"
        select
          f.id,
          l.position,
          l.sku,
          l.description,
          l.quantity,
          l.unit_amount,
          l.amount,
          l.quantity_refunded,
          coalesce(c.quantity_shipped, 0) as "shipped!",
          case when c.answered_round = f.round then c.quantity_answered else 0 end as "answered!",
          coalesce(c.quantity_returned, 0) as "returned!"
        from fulfilments as f
        -- For each by itself, here and below: a plan that was made when there were no lines would read all of them.
        cross join lateral (
          select * from order_lines where order_id = f.order_id and kind = 'goods' offset 0
        ) as l
        left join lateral (
          select * from fulfilment_lines where order_id = l.order_id and position = l.position offset 0
        ) as c on true
        where f.id = any($1)
          and (c.fulfilment_id = f.id or c.fulfilment_id is null and f.part = 1)
        order by f.id, l.position
        "#,
        fulfilment_ids,
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        lines.entry(row.id).or_default().push(PartLine {
            position: row.position,
            sku: row.sku,
            description: row.description,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            amount: row.amount,
            refunded: row.quantity_refunded,
            shipped: row.shipped,
            answered: row.answered,
            returned: row.returned,
        });
    }
    Ok(lines)
}

/// Marks all that is left of parts as shipped, and keeps what is known of their parcels.
pub(in super::super) async fn mark_done(
    conn: &mut PgConnection,
    done: &[Done<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if done.is_empty() {
        return Ok(());
    }
    insert_shipments(conn, done, now).await?;
    let ids: Vec<Uuid> = done.iter().map(|done| done.id).collect();
    sqlx::query!(
        r#"
        with
        lines as (
          select
            f.id,
            f.round,
            l.order_id,
            l.position,
            l.quantity,
            l.quantity - l.quantity_refunded as wanted,
            c.fulfilment_id is not null as is_carried
          from fulfilments as f
          cross join lateral (
            select * from order_lines where order_id = f.order_id and kind = 'goods' offset 0
          ) as l
          left join lateral (
            select * from fulfilment_lines where order_id = l.order_id and position = l.position offset 0
          ) as c on true
          where f.id = any($1)
            and (c.fulfilment_id = f.id or c.fulfilment_id is null and f.part = 1)
        ),
        added as (
          insert into fulfilment_lines (
            fulfilment_id, order_id, position, quantity, quantity_shipped, quantity_answered, answered_round
          )
          select
            id,
            order_id,
            position,
            quantity,
            wanted,
            wanted,
            round
          from lines
          where not is_carried
        )
        update fulfilment_lines as known
        set
          quantity_shipped = greatest(known.quantity_shipped, lines.wanted),
          quantity_answered = lines.wanted,
          answered_round = lines.round
        from lines
        where lines.is_carried
          and known.fulfilment_id = lines.id
          and known.position = lines.position
        "#,
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps the parcels that answers told of, with what was left until then in them. That they left is not known yet.
/// [`mark_done`] does it for those that are done.
pub(in super::super) async fn insert_shipments(
    conn: &mut PgConnection,
    done: &[Done<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let tracked: Vec<(Uuid, &Tracking)> =
        done.iter().filter_map(|done| Some((done.id, done.tracking.filter(|t| t.is_known())?))).collect();
    if tracked.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = tracked.iter().map(|_| Uuid::now_v7()).collect();
    let fulfilments: Vec<Uuid> = tracked.iter().map(|(id, _)| *id).collect();
    let names: Vec<&str> = tracked.iter().map(|(_, t)| t.number.as_deref().unwrap_or("1")).collect();
    let carriers: Vec<Option<&str>> = tracked.iter().map(|(_, t)| t.carrier.as_deref()).collect();
    let numbers: Vec<Option<&str>> = tracked.iter().map(|(_, t)| t.number.as_deref()).collect();
    let urls: Vec<Option<&str>> = tracked.iter().map(|(_, t)| t.url.as_deref()).collect();
    sqlx::query!(
        r#"
        with
        parcels as (
          insert into shipments (
            id, fulfilment_id, name, carrier, tracking_number, tracking_url, is_told, created_at, updated_at
          )
          select
            new.*,
            false,
            $7,
            $7
          from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) as new
          -- A call-back told of it before the answer came.
          on conflict on constraint shipments_are_named_once do nothing
          returning id, fulfilment_id
        )
        insert into shipment_lines (shipment_id, position, quantity)
        select
          parcels.id,
          l.position,
          l.quantity - l.quantity_refunded - coalesce(c.quantity_shipped, 0)
        from parcels
        join fulfilments as f on f.id = parcels.fulfilment_id
        join order_lines as l on l.order_id = f.order_id and l.kind = 'goods'
        left join fulfilment_lines as c on c.order_id = l.order_id and c.position = l.position
        where (c.fulfilment_id = f.id or c.fulfilment_id is null and f.part = 1)
          and l.quantity - l.quantity_refunded > coalesce(c.quantity_shipped, 0)
        "#,
        &ids,
        &fulfilments,
        &names as &[&str],
        &carriers as &[Option<&str>],
        &numbers as &[Option<&str>],
        &urls as &[Option<&str>],
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes back what answers had made count as shipped, for parts that the provider gave back: only what call-backs told
/// of stays.
pub(in super::super) async fn take_back_answered(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
) -> sqlx::Result<()> {
    if fulfilment_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        with
        unsent as (
          select id from shipments where fulfilment_id = any($1) and shipped_at is null
        ),
        emptied as (
          delete from shipment_lines using unsent where shipment_id = unsent.id
        )
        update fulfilment_lines as lines
        set
          quantity_answered = 0,
          answered_round = null,
          quantity_shipped = (
            select coalesce(sum(parcel.quantity), 0)
            from shipments
            join shipment_lines as parcel on parcel.shipment_id = shipments.id
            where shipments.fulfilment_id = lines.fulfilment_id
              and shipments.shipped_at is not null
              and parcel.position = lines.position
          )
        where lines.fulfilment_id = any($1)
        "#,
        fulfilment_ids,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from shipments where fulfilment_id = any($1) and shipped_at is null",
        fulfilment_ids
    )
    .execute(conn)
    .await?;
    Ok(())
}
