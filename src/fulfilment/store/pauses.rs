//! Pauses of providers and skus.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::by_hand::Decision;
use super::super::pauses::PauseOf;

/// Opens a pause; none of the same may be open.
pub(in super::super) async fn insert_pause(
    conn: &mut PgConnection,
    what: &PauseOf,
    until: Option<OffsetDateTime>,
    decision: &Decision,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let (provider, sku) = what.columns();
    sqlx::query!(
        r#"
        insert into fulfilment_pauses (id, provider, sku, reason, paused_by, paused_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        "#,
        Uuid::now_v7(),
        provider,
        sku,
        decision.why,
        decision.by,
        now,
        until,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the open pause; false where there was none that counts. One that has expired is closed at its expiry.
pub(in super::super) async fn end_pause(
    conn: &mut PgConnection,
    what: &PauseOf,
    by: &str,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let (provider, sku) = what.columns();
    let counted = sqlx::query_scalar!(
        r#"
        update fulfilment_pauses
        set
          ended_at = least($3, expires_at),
          ended_by = case when expires_at <= $3 then 'expiry' else $4 end
        where ended_at is null
          and provider is not distinct from $1
          and sku is not distinct from $2
        returning expires_at is null or expires_at > $3 as "counted!"
        "#,
        provider,
        sku,
        now,
        by,
    )
    .fetch_all(conn)
    .await?;
    Ok(counted.contains(&true))
}

/// Makes due what waited because of a sku.
pub(in super::super) async fn mark_sku_due(
    conn: &mut PgConnection,
    sku: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update fulfilments as f
        set next_attempt_at = $2
        where f.state = 'queued'
          and f.next_attempt_at > $2
          -- What waits for anything else keeps its time.
          and starts_with(f.reason, 'paused: ')
          and exists (
            select
            from fulfilment_lines as mine
            join order_lines as lines
              on lines.order_id = mine.order_id
              and lines.position = mine.position
            where mine.fulfilment_id = f.id
              and lines.sku = $1
          )
        "#,
        sku,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
