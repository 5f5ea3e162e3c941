//! What providers told, and what follows for the parcels and lines of parts.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::callback::CallBack;
use super::super::fulfilment::PartLine;
use super::super::progress::{Pieces, Progress, Told};

/// What is kept of a call-back, as `fulfilment_events.body`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in super::super) struct Kept {
    /// As it came.
    pub said: CallBack,
    /// Its lines by position; none: all.
    pub pieces: Option<Pieces>,
    /// What "all" was when it came.
    pub wanted: Pieces,
}

/// The order and the provider of a fulfilment.
pub(in super::super) async fn find_provider(
    conn: &mut PgConnection,
    id: Uuid,
) -> sqlx::Result<Option<(Uuid, String)>> {
    let row = sqlx::query!("select order_id, provider from fulfilments where id = $1", id)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| (row.order_id, row.provider)))
}

/// Keeps a call-back; false where one of that id is there.
pub(in super::super) async fn insert_event(
    conn: &mut PgConnection,
    fulfilment_id: Uuid,
    told: &Told,
    kept: &Kept,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let result = sqlx::query!(
        r#"
        insert into fulfilment_events (
          fulfilment_id, event_id, round, type, shipment, occurred_at, received_at, body
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (fulfilment_id, event_id) do nothing
        "#,
        fulfilment_id,
        told.id,
        told.round,
        told.kind.as_str(),
        told.shipment,
        told.occurred_at,
        now,
        Json(kept) as _,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// What a call-back of that id said.
pub(in super::super) async fn load_said(
    conn: &mut PgConnection,
    fulfilment_id: Uuid,
    event_id: &str,
) -> sqlx::Result<CallBack> {
    let Json(kept) = sqlx::query_scalar!(
        r#"select body as "body: Json<Kept>" from fulfilment_events where fulfilment_id = $1 and event_id = $2"#,
        fulfilment_id,
        event_id,
    )
    .fetch_one(conn)
    .await?;
    Ok(kept.said)
}

/// Reads all that was told of parts, with the present round of each; parts of which nothing was told are not there.
pub(in super::super) async fn load_told(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, (i32, Vec<Told>)>> {
    let rows = sqlx::query!(
        r#"
        select
          e.fulfilment_id,
          f.round as present_round,
          e.event_id,
          e.round,
          e.occurred_at,
          e.body as "body: Json<Kept>"
        from fulfilment_events as e
        join fulfilments as f on f.id = e.fulfilment_id
        where e.fulfilment_id = any($1)
        "#,
        fulfilment_ids,
    )
    .fetch_all(conn)
    .await?;
    let mut told: HashMap<Uuid, (i32, Vec<Told>)> = HashMap::new();
    for row in rows {
        let Json(Kept { said, pieces, wanted }) = row.body;
        let event = Told {
            id: row.event_id,
            round: row.round,
            kind: said.kind,
            occurred_at: row.occurred_at,
            shipment: said.shipment,
            tracking: said.tracking,
            pieces,
            wanted,
            reason: said.reason,
            reference: said.reference,
        };
        told.entry(row.fulfilment_id).or_insert_with(|| (row.present_round, Vec::new())).1.push(event);
    }
    Ok(told)
}

/// Writes what was told of a part: its parcels, what is in them, and how far its lines are.
pub(in super::super) async fn save_progress(
    conn: &mut PgConnection,
    fulfilment_id: Uuid,
    progress: &Progress,
    lines: &[PartLine],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    save_parcels(conn, fulfilment_id, progress, now).await?;
    empty_announced(conn, fulfilment_id, progress, lines).await?;

    let positions: Vec<i32> = lines.iter().map(|line| line.position).collect();
    let shipped: Vec<i64> = lines.iter().map(|line| progress.shipped_of(line)).collect();
    let returned: Vec<i64> =
        lines.iter().map(|line| progress.returned.get(&line.position).copied().unwrap_or_default()).collect();
    sqlx::query!(
        r#"
        insert into fulfilment_lines as known (
          fulfilment_id, order_id, position, quantity, quantity_shipped, quantity_returned
        )
        select
          f.id,
          f.order_id,
          lines.position,
          lines.quantity,
          new.shipped,
          new.returned
        from unnest($2::integer[], $3::bigint[], $4::bigint[]) as new (position, shipped, returned)
        join fulfilments as f on f.id = $1
        join order_lines as lines on lines.order_id = f.order_id and lines.position = new.position
        on conflict on constraint fulfilment_lines_are_sent_once do update set
          quantity_shipped = excluded.quantity_shipped,
          quantity_returned = excluded.quantity_returned
        "#,
        fulfilment_id,
        &positions,
        &shipped,
        &returned,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "
        update fulfilments
        set
          provider_reference = coalesce($2, provider_reference),
          updated_at = $3
        where id = $1
        ",
        fulfilment_id,
        progress.reference,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_parcels(
    conn: &mut PgConnection,
    fulfilment_id: Uuid,
    progress: &Progress,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let parcels = &progress.parcels;
    let new_ids: Vec<Uuid> = parcels.iter().map(|_| Uuid::now_v7()).collect();
    let names: Vec<&str> = parcels.iter().map(|parcel| parcel.name.as_str()).collect();
    let carriers: Vec<Option<&str>> =
        parcels.iter().map(|parcel| parcel.tracking.carrier.as_deref()).collect();
    let numbers: Vec<Option<&str>> = parcels.iter().map(|parcel| parcel.tracking.number.as_deref()).collect();
    let urls: Vec<Option<&str>> = parcels.iter().map(|parcel| parcel.tracking.url.as_deref()).collect();
    let shipped: Vec<Option<OffsetDateTime>> = parcels.iter().map(|parcel| parcel.shipped_at).collect();
    let delivered: Vec<Option<OffsetDateTime>> = parcels.iter().map(|parcel| parcel.delivered_at).collect();
    let returned: Vec<Option<OffsetDateTime>> = parcels.iter().map(|parcel| parcel.returned_at).collect();
    let rows = sqlx::query!(
        r#"
        insert into shipments as known (
          fulfilment_id, id, name, carrier, tracking_number, tracking_url, shipped_at, delivered_at, returned_at,
          created_at, updated_at
        )
        select
          $1,
          new.*,
          $10,
          $10
        from unnest(
          $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
          $9::timestamptz[]
        ) as new
        on conflict on constraint shipments_are_named_once do update set
          carrier = coalesce(excluded.carrier, known.carrier),
          tracking_number = coalesce(excluded.tracking_number, known.tracking_number),
          tracking_url = coalesce(excluded.tracking_url, known.tracking_url),
          shipped_at = excluded.shipped_at,
          delivered_at = excluded.delivered_at,
          returned_at = excluded.returned_at,
          is_told = true,
          updated_at = excluded.updated_at
        returning id, name
        "#,
        fulfilment_id,
        &new_ids,
        &names as &[&str],
        &carriers as &[Option<&str>],
        &numbers as &[Option<&str>],
        &urls as &[Option<&str>],
        &shipped as &[Option<OffsetDateTime>],
        &delivered as &[Option<OffsetDateTime>],
        &returned as &[Option<OffsetDateTime>],
        now,
    )
    .fetch_all(&mut *conn)
    .await?;
    let by_name: HashMap<&str, Uuid> = rows.iter().map(|row| (row.name.as_str(), row.id)).collect();

    // A parcel that is not told of any more had its name from less that was known.
    let named: Vec<Uuid> = by_name.values().copied().collect();
    sqlx::query!(
        "
        delete from shipment_lines
        using shipments
        where shipments.id = shipment_lines.shipment_id
          and shipments.fulfilment_id = $1
          and (shipments.id = any($2) or shipments.is_told)
        ",
        fulfilment_id,
        &named,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from shipments where fulfilment_id = $1 and id <> all($2) and is_told",
        fulfilment_id,
        &named,
    )
    .execute(&mut *conn)
    .await?;

    let (mut shipments, mut positions, mut quantities, mut back) = (vec![], vec![], vec![], vec![]);
    for parcel in parcels {
        let Some(id) = by_name.get(parcel.name.as_str()) else { continue };
        for (position, quantity) in parcel.pieces.iter().filter(|(_, quantity)| **quantity > 0) {
            shipments.push(*id);
            positions.push(*position);
            quantities.push(*quantity);
            back.push(parcel.returned.get(position).copied().unwrap_or_default());
        }
    }
    sqlx::query!(
        "
        insert into shipment_lines (shipment_id, position, quantity, returned)
        select * from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[])
        ",
        &shipments,
        &positions,
        &quantities,
        &back,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Leaves in parcels that were only announced what no parcel that left holds, and drops those that are empty by it.
async fn empty_announced(
    conn: &mut PgConnection,
    fulfilment_id: Uuid,
    progress: &Progress,
    lines: &[PartLine],
) -> sqlx::Result<()> {
    if progress.parcels.is_empty() {
        return Ok(());
    }
    let rest = |line: &PartLine| {
        let told = progress.shipped.get(&line.position).copied().unwrap_or_default();
        (line.wanted() - told).max(0)
    };
    let positions: Vec<i32> = lines.iter().map(|line| line.position).collect();
    let rests: Vec<i64> = lines.iter().map(rest).collect();
    sqlx::query!(
        "
        delete from shipment_lines
        using shipments, unnest($2::integer[], $3::bigint[]) as rest (position, quantity)
        where shipments.id = shipment_lines.shipment_id
          and shipments.fulfilment_id = $1
          and not shipments.is_told
          and rest.position = shipment_lines.position
          and rest.quantity = 0
        ",
        fulfilment_id,
        &positions,
        &rests,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "
        update shipment_lines
        set quantity = least(shipment_lines.quantity, rest.quantity)
        from shipments, unnest($2::integer[], $3::bigint[]) as rest (position, quantity)
        where shipments.id = shipment_lines.shipment_id
          and shipments.fulfilment_id = $1
          and not shipments.is_told
          and rest.position = shipment_lines.position
        ",
        fulfilment_id,
        &positions,
        &rests,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "
        delete from shipments
        where fulfilment_id = $1
          and not is_told
          and not exists (select from shipment_lines where shipment_lines.shipment_id = shipments.id)
        ",
        fulfilment_id,
    )
    .execute(conn)
    .await?;
    Ok(())
}
