//! Calls to Stripe, written before they are made.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::payment::{Ask, CallState, Operation, Shown, StoredCall, idempotency_key};
use super::stored;

/// Writes a call under the next number of its operation, due for the worker at `next_try_at` if nobody has an answer
/// until then; none where another call of the order is open. The caller has locked the order.
pub(crate) async fn insert_call(
    conn: &mut PgConnection,
    order_id: Uuid,
    ask: &Ask,
    next_try_at: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<StoredCall>> {
    let operation = ask.operation();
    let attempt = sqlx::query_scalar!(
        r#"
        select coalesce(max(attempt), 0) + 1 as "attempt!"
        from stripe_calls
        where order_id = $1 and operation = $2
        "#,
        order_id,
        operation.as_str(),
    )
    .fetch_one(&mut *conn)
    .await?;
    let id = Uuid::now_v7();
    let key = idempotency_key(order_id, operation, attempt);
    let done = sqlx::query!(
        "
        insert into stripe_calls (id, order_id, operation, attempt, idempotency_key, params, opened_at, next_try_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict do nothing
        ",
        id,
        order_id,
        operation.as_str(),
        attempt,
        key,
        Json(ask) as Json<&Ask>,
        now,
        next_try_at,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    load_call(conn, id).await.map(Some)
}

struct Row {
    id: Uuid,
    order_id: Uuid,
    attempt: i32,
    idempotency_key: String,
    params: Json<Ask>,
    state: String,
    reason: Option<String>,
    code: Option<String>,
    shown: Option<Json<Shown>>,
    tries: i32,
    clear_tries: i32,
    opened_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> sqlx::Result<StoredCall> {
        Ok(StoredCall {
            id: self.id,
            order_id: self.order_id,
            attempt: self.attempt,
            idempotency_key: self.idempotency_key,
            ask: self.params.0,
            state: stored(&self.state)?,
            reason: self.reason,
            code: self.code,
            shown: self.shown.map(|Json(shown)| shown),
            tries: self.tries,
            clear_tries: self.clear_tries,
            opened_at: self.opened_at,
        })
    }
}

/// Loads a call.
pub(crate) async fn load_call(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<StoredCall> {
    sqlx::query_as!(
        Row,
        r#"
        select
          id, order_id, attempt, idempotency_key, params as "params: Json<Ask>", state, reason, code,
          shown as "shown: Json<Shown>", tries, clear_tries, opened_at
        from stripe_calls
        where id = $1
        "#,
        id,
    )
    .fetch_one(conn)
    .await?
    .read()
}

/// Locks a call until the transaction ends and loads it. The caller has locked its order before.
pub(crate) async fn lock_call(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<StoredCall> {
    sqlx::query!("select id from stripe_calls where id = $1 for update", id).fetch_one(&mut *conn).await?;
    load_call(conn, id).await
}

/// The calls of an order of these operations, newest first.
pub(crate) async fn list_calls(
    conn: &mut PgConnection,
    order_id: Uuid,
    operations: &[Operation],
) -> sqlx::Result<Vec<StoredCall>> {
    let operations: Vec<&str> = operations.iter().map(|operation| operation.as_str()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        select
          id, order_id, attempt, idempotency_key, params as "params: Json<Ask>", state, reason, code,
          shown as "shown: Json<Shown>", tries, clear_tries, opened_at
        from stripe_calls
        where order_id = $1 and operation = any($2)
        order by id desc
        limit 100
        "#,
        order_id,
        &operations as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// Notes that a try of an open call begins, and when the worker takes it up if its end is never noted; false where the
/// call is not open any more.
pub(crate) async fn begin_try(
    conn: &mut PgConnection,
    id: Uuid,
    next_try_at: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update stripe_calls set tries = tries + 1, last_tried_at = $2, next_try_at = $3
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

/// Notes that Stripe surely did nothing in one try.
pub(crate) async fn count_clear_try(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("update stripe_calls set clear_tries = least(tries, clear_tries + 1) where id = $1", id)
        .execute(conn)
        .await?;
    Ok(())
}

/// How a call was closed.
#[derive(Default)]
pub(crate) struct Closing<'c> {
    /// Why it is not done, for people.
    pub reason: Option<&'c str>,
    /// Stripe's code.
    pub code: Option<&'c str>,
    /// What the customer may be told.
    pub shown: Option<&'c Shown>,
}

/// Closes a call. One that was thought not to be done can turn out to be.
pub(crate) async fn close_call(
    conn: &mut PgConnection,
    id: Uuid,
    state: CallState,
    closing: &Closing<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update stripe_calls set
          state = $2, reason = $3, code = $4, shown = $5, next_try_at = null, closed_at = $6
        where id = $1
        ",
        id,
        state.as_str(),
        closing.reason,
        closing.code,
        closing.shown.map(Json) as Option<Json<&Shown>>,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes why the outcome of an open call is not known, and when it is asked about again.
pub(crate) async fn note_call(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    code: Option<&str>,
    next_try_at: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update stripe_calls set reason = $2, code = $3, next_try_at = $4 where id = $1 and state = 'open'",
        id,
        reason,
        code,
        next_try_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes calls that are due: moves their next try on, so that no other worker takes them too.
pub(crate) async fn take_due(
    conn: &mut PgConnection,
    taken_until: OffsetDateTime,
    limit: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "
        with due as (
          select id
          from stripe_calls
          where state = 'open' and next_try_at <= $1
          order by next_try_at, id
          limit $3
          -- Another worker's are its own.
          for update skip locked
        )
        update stripe_calls set next_try_at = $2
        from due
        where stripe_calls.id = due.id
        returning stripe_calls.id
        ",
        now,
        taken_until,
        limit,
    )
    .fetch_all(conn)
    .await
}
