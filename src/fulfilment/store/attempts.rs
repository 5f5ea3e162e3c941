//! Attempts: opened by the claim, closed by the record.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::all_hit;

/// An attempt that begins.
pub(in crate::fulfilment) struct Begun<'a> {
    pub fulfilment_id: Uuid,
    pub attempt: i32,
    pub provider: &'a str,
    pub task: &'static str,
    pub idempotency_key: &'a str,
}

/// An attempt that ended.
pub(in crate::fulfilment) struct Ended<'a> {
    pub fulfilment_id: Uuid,
    pub attempt: i32,
    pub outcome: &'static str,
    pub detail: Option<&'a str>,
}

/// Opens the attempts that a claim begins.
pub(in crate::fulfilment) async fn insert_attempts(
    conn: &mut PgConnection,
    begun: &[Begun<'_>],
    lease_holder: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if begun.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = begun.iter().map(|begun| begun.fulfilment_id).collect();
    let attempts: Vec<i32> = begun.iter().map(|begun| begun.attempt).collect();
    let providers: Vec<&str> = begun.iter().map(|begun| begun.provider).collect();
    let tasks: Vec<&str> = begun.iter().map(|begun| begun.task).collect();
    let keys: Vec<&str> = begun.iter().map(|begun| begun.idempotency_key).collect();
    sqlx::query!(
        r#"
        insert into fulfilment_attempts
          (fulfilment_id, attempt, provider, task, idempotency_key, lease_holder, started_at)
        select
          id,
          attempt,
          provider,
          task,
          idempotency_key,
          $6,
          $7
        from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[])
          as new (id, attempt, provider, task, idempotency_key)
        "#,
        &ids,
        &attempts,
        &providers as &[&str],
        &tasks as &[&str],
        &keys as &[&str],
        lease_holder,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Closes attempts with their outcomes; each must be open.
///
/// # Errors
/// The database failed, or an attempt is not there or not open: then nothing may be committed.
pub(in crate::fulfilment) async fn finish_attempts(
    conn: &mut PgConnection,
    ended: &[Ended<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = ended.iter().map(|attempt| attempt.fulfilment_id).collect();
    let attempts: Vec<i32> = ended.iter().map(|attempt| attempt.attempt).collect();
    let outcomes: Vec<&str> = ended.iter().map(|attempt| attempt.outcome).collect();
    let details: Vec<Option<&str>> = ended.iter().map(|attempt| attempt.detail).collect();
    let result = sqlx::query!(
        r#"
        update fulfilment_attempts as a
        set
          finished_at = $5,
          outcome = new.outcome,
          detail = new.detail
        from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[]) as new (id, attempt, outcome, detail)
        where a.fulfilment_id = new.id
          and a.attempt = new.attempt
          and a.outcome is null
        "#,
        &ids,
        &attempts,
        &outcomes as &[&str],
        &details as &[Option<&str>],
        now,
    )
    .execute(conn)
    .await?;
    all_hit(result.rows_affected(), ended.len())
}

/// Takes back attempts that were opened and never begun.
///
/// # Errors
/// The database failed, or an attempt is not there or not open: then nothing may be committed.
pub(in crate::fulfilment) async fn delete_attempts(
    conn: &mut PgConnection,
    attempts: impl Iterator<Item = (Uuid, i32)>,
) -> sqlx::Result<()> {
    let (ids, attempts): (Vec<Uuid>, Vec<i32>) = attempts.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    let result = sqlx::query!(
        r#"
        delete from fulfilment_attempts as a
        using unnest($1::uuid[], $2::integer[]) as mine (id, attempt)
        where a.fulfilment_id = mine.id
          and a.attempt = mine.attempt
          and a.outcome is null
        "#,
        &ids,
        &attempts,
    )
    .execute(conn)
    .await?;
    all_hit(result.rows_affected(), ids.len())
}
