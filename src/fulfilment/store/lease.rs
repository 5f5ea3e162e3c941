//! Leases of what is under way.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Lengthens the leases of these attempts, as far as they are still the holder's; returns those that it did.
pub(in crate::fulfilment) async fn lengthen_leases(
    conn: &mut PgConnection,
    lease_holder: &str,
    attempts: &[(Uuid, i32)],
    lease_until: OffsetDateTime,
) -> sqlx::Result<Vec<(Uuid, i32)>> {
    let (ids, attempts): (Vec<Uuid>, Vec<i32>) = attempts.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"
        with mine as materialized (
          select f.id
          from fulfilments as f
          join unnest($1::uuid[], $2::integer[]) as held (id, attempt)
            on held.id = f.id
            and held.attempt = f.attempts
          -- Only what is in progress has a holder.
          where f.lease_holder = $3
          -- Never waited for: one that is locked is being recorded, or told about, and has a beat to spare.
          for no key update of f skip locked
        )
        update fulfilments as f
        set lease_until = $4
        from mine
        where f.id = mine.id
        returning f.id, f.attempts
        "#,
        &ids,
        &attempts,
        lease_holder,
        lease_until,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.attempts)).collect())
}

/// Notes which pieces are not handed over by these sendings, since they had been refunded before.
pub(in crate::fulfilment) async fn note_refunded_pieces(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
) -> sqlx::Result<()> {
    if fulfilment_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        update fulfilment_lines as x
        set quantity_cancelled = l.quantity_refunded
        from order_lines as l
        where x.fulfilment_id = any($1)
          and l.order_id = x.order_id
          and l.position = x.position
          and l.quantity_refunded <> x.quantity_cancelled
        "#,
        fulfilment_ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}
