//! All SQL of calls that were written.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::PACKLINE_ID;
use super::call::{CallState, NewCall, StoredCall, Written, idempotency_key, object_of};
use super::state::GIVEN_UP_AFTER;

/// Writes a call, due for the worker if nobody has an outcome of it until then. The caller has locked the row that it
/// makes or moves.
///
/// # Errors
/// The database's.
pub async fn write(conn: &mut PgConnection, call: NewCall<'_>, now: OffsetDateTime) -> sqlx::Result<Written> {
    let NewCall { operation, subject, path, mut params, account } = call;
    if object_of(&path).is_none() {
        params["metadata"][PACKLINE_ID] = json!(subject.to_string());
    }
    let attempt = sqlx::query_scalar!(
        r#"
        select coalesce(max(attempt), 0) + 1 as "attempt!"
        from outbox_calls
        where subject = $1 and operation = $2
        "#,
        subject,
        operation,
    )
    .fetch_one(&mut *conn)
    .await?;
    let id = Uuid::now_v7();
    let done = sqlx::query!(
        "
        insert into outbox_calls
          (id, operation, subject, attempt, idempotency_key, path, params, account, opened_at, next_try_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (subject) where state = 'open' do nothing
        ",
        id,
        operation,
        subject,
        attempt,
        idempotency_key(operation, subject, attempt),
        path,
        params,
        account,
        now,
        now + GIVEN_UP_AFTER,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Written::New(id));
    }
    let open =
        sqlx::query!("select id, operation from outbox_calls where subject = $1 and state = 'open'", subject)
            .fetch_one(conn)
            .await?;
    Ok(Written::Busy { operation: open.operation, id: open.id })
}

/// Finds the newest call of an operation, for whoever asks for the same again.
pub(super) async fn find_call(
    conn: &mut PgConnection,
    subject: Uuid,
    operation: &str,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from outbox_calls where subject = $1 and operation = $2 order by attempt desc limit 1",
        subject,
        operation,
    )
    .fetch_optional(conn)
    .await
}

/// What is asked about these rows of ours without an outcome yet, for people.
///
/// # Errors
/// The database's.
pub async fn open_calls(conn: &mut PgConnection, subjects: &[Uuid]) -> sqlx::Result<HashMap<Uuid, String>> {
    let rows = sqlx::query!(
        "select subject, operation, reason from outbox_calls where subject = any($1) and state = 'open'",
        subjects,
    )
    .fetch_all(conn)
    .await?;
    let told = rows.into_iter().map(|row| match row.reason {
        Some(reason) => (row.subject, format!("{}: {reason}", row.operation)),
        None => (row.subject, row.operation),
    });
    Ok(told.collect())
}

/// Loads a call.
pub(super) async fn load(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<StoredCall> {
    let row = sqlx::query!(
        r#"
        select
          id, operation, subject, idempotency_key, path, params as "params: Value", account, state, reason, code,
          http_status, tries, opened_at
        from outbox_calls
        where id = $1
        "#,
        id,
    )
    .fetch_one(conn)
    .await?;
    Ok(StoredCall {
        id: row.id,
        operation: row.operation,
        subject: row.subject,
        idempotency_key: row.idempotency_key,
        path: row.path,
        params: row.params,
        account: row.account,
        state: row.state.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        reason: row.reason,
        code: row.code,
        http_status: row.http_status,
        tries: row.tries,
        opened_at: row.opened_at,
    })
}

/// Notes that a try of an open call begins, and when the worker takes it up if its end is never noted; false where the
/// call is not open any more.
pub(super) async fn begin_try(
    conn: &mut PgConnection,
    id: Uuid,
    next_try_at: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update outbox_calls set tries = tries + 1, last_tried_at = $2, next_try_at = $3
        where id = $1 and state = 'open'
        ",
        id,
        now,
        next_try_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes why the outcome of an open call is not known, and when it is asked about again. That its key is of no use stays
/// known.
pub(super) async fn note(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    code: Option<&str>,
    next_try_at: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update outbox_calls set reason = $2, code = coalesce($3, code), next_try_at = $4
        where id = $1 and state = 'open'
        ",
        id,
        reason,
        code,
        next_try_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How a call is closed.
pub(super) struct Closing<'c> {
    pub state: CallState,
    pub reason: Option<String>,
    pub code: Option<&'c str>,
    pub http_status: Option<i16>,
    pub request_id: Option<&'c str>,
    /// Stripe's id of what it made or moved; logged, not kept.
    pub object: Option<&'c str>,
}

impl Closing<'_> {
    pub(super) fn to(state: CallState) -> Self {
        Self { state, reason: None, code: None, http_status: None, request_id: None, object: None }
    }
}

/// Closes a call; false where it is closed already.
pub(super) async fn close(
    conn: &mut PgConnection,
    id: Uuid,
    closing: &Closing<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update outbox_calls set
          state = $2, reason = $3, code = $4, http_status = $5, request_id = $6, next_try_at = null, closed_at = $7
        where id = $1 and state = 'open'
        ",
        id,
        closing.state.as_str(),
        closing.reason,
        closing.code,
        closing.http_status,
        closing.request_id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes calls that are due: moves their next try on, so that no other worker takes them too.
pub(super) async fn take_due(
    conn: &mut PgConnection,
    taken_until: OffsetDateTime,
    limit: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "
        with due as (
          select id
          from outbox_calls
          where state = 'open' and next_try_at <= $1
          order by next_try_at, id
          limit $3
          -- Another worker's are its own.
          for update skip locked
        )
        update outbox_calls set next_try_at = $2
        from due
        where outbox_calls.id = due.id
        returning outbox_calls.id
        ",
        now,
        taken_until,
        limit,
    )
    .fetch_all(conn)
    .await
}
