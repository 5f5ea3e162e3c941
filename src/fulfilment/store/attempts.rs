//! Attempts: opened by the claim, closed by the record.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::all_hit;

/// An attempt that begins, at a fulfilment that is locked.
pub(in crate::fulfilment) struct Begun {
    pub fulfilment_id: Uuid,
    pub attempt: i32,
    /// Which one of the present series it is, and when that began.
    pub tries: i32,
    pub tries_since: OffsetDateTime,
    pub task: &'static str,
}

/// An attempt that ended.
pub(in crate::fulfilment) struct Ended<'a> {
    pub fulfilment_id: Uuid,
    pub attempt: i32,
    pub outcome: &'static str,
    pub detail: Option<&'a str>,
}

/// Opens the attempts that a claim begins: their fulfilments are in progress from now on, and change nothing else.
///
/// # Errors
/// The database failed, or a fulfilment is not there: then nothing may be committed.
pub(in crate::fulfilment) async fn begin_attempts(
    conn: &mut PgConnection,
    begun: &[Begun],
    (lease_holder, lease_until): (&str, OffsetDateTime),
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if begun.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = begun.iter().map(|begun| begun.fulfilment_id).collect();
    let attempts: Vec<i32> = begun.iter().map(|begun| begun.attempt).collect();
    let tries: Vec<i32> = begun.iter().map(|begun| begun.tries).collect();
    let tries_since: Vec<OffsetDateTime> = begun.iter().map(|begun| begun.tries_since).collect();
    let tasks: Vec<&str> = begun.iter().map(|begun| begun.task).collect();
    let result = sqlx::query!(
        r#"
        with begun as (
          update fulfilments as f
          set
            state = 'in_progress',
            reason = null,
            next_attempt_at = null,
            attempts = new.attempt,
            tries = new.tries,
            tries_since = new.tries_since,
            lease_holder = $6,
            lease_until = $7,
            updated_at = $8
          from unnest($1::uuid[], $2::integer[], $3::integer[], $4::timestamptz[], $5::text[])
            as new (id, attempt, tries, tries_since, task)
          where f.id = new.id
          returning f.id, f.attempts, f.provider, f.idempotency_key, new.task
        )
        insert into fulfilment_attempts
          (fulfilment_id, attempt, provider, idempotency_key, task, lease_holder, started_at)
        select
          begun.*,
          $6,
          $8
        from begun
        "#,
        &ids,
        &attempts,
        &tries,
        &tries_since,
        &tasks as &[&str],
        lease_holder,
        lease_until,
        now,
    )
    .execute(conn)
    .await?;
    all_hit(result.rows_affected(), begun.len())
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
    // Nearly all end alike and without a word: those need no join, which Postgres may have planned for a table in which
    // there were no attempts yet.
    let mut alike: BTreeMap<(&str, i32), Vec<Uuid>> = BTreeMap::new();
    for one in ended.iter().filter(|one| one.detail.is_none()) {
        alike.entry((one.outcome, one.attempt)).or_default().push(one.fulfilment_id);
    }
    for ((outcome, attempt), ids) in alike {
        let result = sqlx::query!(
            r#"
            update fulfilment_attempts
            set
              finished_at = $4,
              outcome = $3
            where fulfilment_id = any($1)
              and attempt = $2
              and outcome is null
            "#,
            &ids,
            attempt,
            outcome,
            now,
        )
        .execute(&mut *conn)
        .await?;
        all_hit(result.rows_affected(), ids.len())?;
    }
    let in_words: Vec<&Ended<'_>> = ended.iter().filter(|one| one.detail.is_some()).collect();
    finish_in_words(conn, &in_words, now).await
}

async fn finish_in_words(
    conn: &mut PgConnection,
    ended: &[&Ended<'_>],
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
