//! Digital goods, and what was issued of them.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::download::LinkRow;

/// What is issued for a sku: a link where there is a url, else licence codes.
pub(in super::super) struct Goods {
    pub url: Option<String>,
    /// How long a link works, in seconds.
    pub valid_seconds: Option<i64>,
}

/// A link or a code to issue.
pub(in super::super) struct Issue {
    pub position: i32,
    /// From 1.
    pub piece: i32,
    pub sku: String,
    pub code: String,
    pub url: Option<String>,
    pub expires_at: Option<OffsetDateTime>,
}

/// How much was issued under a key, and how much of it is revoked.
pub(in super::super) struct Issued {
    pub all: i64,
    pub revoked: i64,
}

/// Reads what is to be issued for skus.
pub(in super::super) async fn load_goods(
    conn: &mut PgConnection,
    skus: &[&str],
) -> sqlx::Result<HashMap<String, Goods>> {
    let rows = sqlx::query!(
        "select sku, url, valid_seconds from digital_goods where sku = any($1)",
        skus as &[&str]
    )
    .fetch_all(conn)
    .await?;
    let goods =
        rows.into_iter().map(|row| (row.sku, Goods { url: row.url, valid_seconds: row.valid_seconds }));
    Ok(goods.collect())
}

/// Issues what was not issued under the key yet.
pub(in super::super) async fn insert_issued(
    conn: &mut PgConnection,
    fulfilment_id: Uuid,
    idempotency_key: &str,
    issues: &[Issue],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = issues.iter().map(|_| Uuid::now_v7()).collect();
    let positions: Vec<i32> = issues.iter().map(|issue| issue.position).collect();
    let pieces: Vec<i32> = issues.iter().map(|issue| issue.piece).collect();
    let skus: Vec<&str> = issues.iter().map(|issue| issue.sku.as_str()).collect();
    let codes: Vec<&str> = issues.iter().map(|issue| issue.code.as_str()).collect();
    let urls: Vec<Option<&str>> = issues.iter().map(|issue| issue.url.as_deref()).collect();
    let ends: Vec<Option<OffsetDateTime>> = issues.iter().map(|issue| issue.expires_at).collect();
    sqlx::query!(
        r#"
        insert into digital_deliveries (
          id, fulfilment_id, idempotency_key, position, piece, sku, kind, code, url, issued_at, expires_at
        )
        select
          new.id,
          $1,
          $2,
          new.position,
          new.piece,
          new.sku,
          case when new.url is null then 'licence' else 'link' end,
          new.code,
          new.url,
          $10,
          new.expires_at
        from unnest($3::uuid[], $4::integer[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
          as new (id, position, piece, sku, code, url, expires_at)
        -- The same hand-over again.
        on conflict on constraint digital_deliveries_are_issued_once do nothing
        "#,
        fulfilment_id,
        idempotency_key,
        &ids,
        &positions,
        &pieces,
        &skus as &[&str],
        &codes as &[&str],
        &urls as &[Option<&str>],
        &ends as &[Option<OffsetDateTime>],
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts what was issued under a key.
pub(in super::super) async fn load_issued(
    conn: &mut PgConnection,
    idempotency_key: &str,
) -> sqlx::Result<Issued> {
    sqlx::query_as!(
        Issued,
        r#"
        select
          count(*) as "all!",
          count(revoked_at) as "revoked!"
        from digital_deliveries
        where idempotency_key = $1
        "#,
        idempotency_key,
    )
    .fetch_one(conn)
    .await
}

/// Revokes all that was issued under a key; returns how much that is, what was revoked before included.
pub(in super::super) async fn revoke_issued(
    conn: &mut PgConnection,
    idempotency_key: &str,
    now: OffsetDateTime,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        "update digital_deliveries set revoked_at = coalesce(revoked_at, $2) where idempotency_key = $1",
        idempotency_key,
        now,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Finds a link by the part of it that names it. One whose line was wholly refunded is revoked for as long as it is.
pub(in super::super) async fn find_link(
    conn: &mut PgConnection,
    code: &str,
) -> sqlx::Result<Option<LinkRow>> {
    sqlx::query_as!(
        LinkRow,
        r#"
        select
          d.url as "url!",
          p.secret as "secret?",
          d.expires_at,
          (d.revoked_at is not null or coalesce(l.quantity_refunded >= l.quantity, false)) as "is_revoked!"
        from digital_deliveries as d
        join fulfilments as f on f.id = d.fulfilment_id
        left join order_lines as l on l.order_id = f.order_id and l.position = d.position
        left join fulfilment_providers as p on p.name = f.provider
        where d.code = $1
          and d.kind = 'link'
        "#,
        code,
    )
    .fetch_optional(conn)
    .await
}
