//! All SQL of API keys and idempotency.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::{Swept, Window};

pub(super) async fn insert_key(
    conn: &mut PgConnection,
    id: Uuid,
    name: &str,
    provider: Option<&str>,
    prefix: &str,
    hash: &[u8],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into api_keys (id, name, provider, prefix, hash, created_at) values ($1, $2, $3, $4, $5, $6)",
        id,
        name,
        provider,
        prefix,
        hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The key and the provider whose it is.
pub(super) async fn find_key(
    conn: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<(Uuid, Option<String>)>> {
    let row = sqlx::query!("select id, provider from api_keys where hash = $1 and revoked_at is null", hash)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| (row.id, row.provider)))
}

/// Takes a lock that ends with the transaction; false where another holds it.
pub(super) async fn try_lock(conn: &mut PgConnection, owner: Uuid, key: &str) -> sqlx::Result<bool> {
    let name = format!("{owner}/{key}");
    sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock(hashtextextended($1, 1)) as "locked!""#, name)
        .fetch_one(conn)
        .await
}

pub(super) struct KnownAnswer {
    pub request_hash: Vec<u8>,
    pub status: Option<i16>,
    pub body: Option<String>,
    pub subject: Option<Uuid>,
}

pub(super) async fn find_answer(
    conn: &mut PgConnection,
    owner: Uuid,
    key: &str,
) -> sqlx::Result<Option<KnownAnswer>> {
    sqlx::query_as!(
        KnownAnswer,
        "
        select request_hash, response_status as status, response_body as body, subject_id as subject
        from idempotency_keys
        where api_key_id = $1 and key = $2
        ",
        owner,
        key,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert_answer(
    conn: &mut PgConnection,
    owner: Uuid,
    key: &str,
    request_hash: &[u8],
    status: i16,
    body: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into idempotency_keys (api_key_id, key, request_hash, response_status, response_body, created_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (api_key_id, key) do update set
          response_status = excluded.response_status,
          response_body = excluded.response_body
        where idempotency_keys.response_status is null
        ",
        owner,
        key,
        request_hash,
        status,
        body,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert_begun(
    conn: &mut PgConnection,
    owner: Uuid,
    key: &str,
    request_hash: &[u8],
    subject: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into idempotency_keys (api_key_id, key, request_hash, subject_id, created_at)
        values ($1, $2, $3, $4, $5)
        ",
        owner,
        key,
        request_hash,
        subject,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a batch of the oldest answers.
///
/// # Errors
/// The database's.
pub async fn delete_old_answers(conn: &mut PgConnection, window: Window<'_>) -> sqlx::Result<Swept> {
    let row = sqlx::query!(
        r#"
        with old as materialized (
          select ctid, created_at
          from idempotency_keys
          where created_at >= $1
            and created_at < $2
          order by created_at
          limit $3
        ),
        deleted as (
          delete from idempotency_keys
          -- By their places in the table: nothing has to be looked up again.
          where ctid = any(array(select ctid from old))
        )
        select count(*) as "count!", max(created_at) as reached
        from old
        "#,
        window.from.at,
        window.before,
        window.limit,
    )
    .fetch_one(conn)
    .await?;
    Ok(Swept::all(row.count, row.reached))
}
