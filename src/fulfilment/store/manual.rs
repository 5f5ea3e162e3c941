//! What people need to steer fulfilments.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::manual::RedriveFilter;

/// Changes the priority of locked fulfilments.
pub(in super::super) async fn set_priority(
    conn: &mut PgConnection,
    ids: &[Uuid],
    priority: i16,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update fulfilments
        set
          priority = $2,
          updated_at = $3
        where id = any($1)
        "#,
        ids,
        priority,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Parcels of these fulfilments that nobody said had left, left now.
pub(in super::super) async fn mark_shipped(
    conn: &mut PgConnection,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update shipments
        set
          shipped_at = $2,
          updated_at = $2
        where fulfilment_id = any($1)
          and shipped_at is null
        "#,
        ids,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many fulfilments a redrive would be about.
///
/// # Errors
/// The database's.
pub async fn count_redrive(conn: &mut PgConnection, filter: &RedriveFilter) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from fulfilments
        where state = $1
          -- Spelt out for the partial index.
          and state in ('accepted', 'recalling', 'rejected', 'failed')
          and ($2::text is null or provider = $2)
          and ($3::timestamptz is null or finished_at < $3)
          and ($4::timestamptz is null or finished_at >= $4)
        "#,
        filter.state,
        filter.provider,
        filter.ended_before,
        filter.ended_from,
    )
    .fetch_one(conn)
    .await
}

/// Some of them, by id, behind one that was seen already.
///
/// # Errors
/// The database's.
pub async fn list_redrive(
    conn: &mut PgConnection,
    filter: &RedriveFilter,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"
        select id
        from fulfilments
        where state = $1
          -- Spelt out for the partial index.
          and state in ('accepted', 'recalling', 'rejected', 'failed')
          and ($2::text is null or provider = $2)
          and ($3::timestamptz is null or finished_at < $3)
          and ($4::timestamptz is null or finished_at >= $4)
          and id > $5
        order by id
        limit $6
        "#,
        filter.state,
        filter.provider,
        filter.ended_before,
        filter.ended_from,
        after,
        limit,
    )
    .fetch_all(conn)
    .await
}
