//! All SQL of fulfilments. The caller owns the transaction; sets in, sets out.

mod read;

pub use read::{AttemptRow, list_attempts};

use std::collections::HashSet;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::FULFILMENTS_CHANNEL;

use super::state::{DueFacts, Next, OrderFacts};

/// A fulfilment that waits for a worker.
pub(super) struct Waiting {
    pub id: Uuid,
    pub order_id: Uuid,
    pub attempts: i32,
    pub in_doubt: bool,
}

/// A fulfilment that a claim may take.
pub(super) struct Due {
    pub id: Uuid,
    pub order_id: Uuid,
    pub part: i32,
    pub idempotency_key: String,
    pub facts: DueFacts,
}

/// What a locked fulfilment becomes.
pub(super) struct Change {
    pub id: Uuid,
    /// Attempts begun, from now on.
    pub attempts: i32,
    pub next: Next,
    /// The outcome of an attempt that ends with this; `None` leaves the last one's.
    pub last_outcome: Option<&'static str>,
}

/// An attempt that ended.
pub(super) struct Ended<'a> {
    pub fulfilment_id: Uuid,
    pub attempt: i32,
    pub outcome: &'static str,
    pub detail: Option<&'a str>,
}

/// Inserts the first part of each order, due now, or takes it up again where it was cancelled unsent; returns the orders
/// of those.
pub(super) async fn insert_queued(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = order_ids.iter().map(|_| Uuid::now_v7()).collect();
    let keys: Vec<String> = ids.iter().map(|id| format!("ful_{}", id.simple())).collect();
    sqlx::query_scalar!(
        r#"
        insert into fulfilments (id, order_id, idempotency_key, next_attempt_at, created_at, updated_at)
        select
          id,
          order_id,
          idempotency_key,
          $4,
          $4,
          $4
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as new (id, order_id, idempotency_key)
        on conflict on constraint fulfilments_are_queued_once do update set
          state = 'queued',
          reason = null,
          next_attempt_at = excluded.next_attempt_at,
          finished_at = null,
          updated_at = excluded.updated_at
        where fulfilments.state = 'cancelled'
        returning order_id
        "#,
        &ids,
        order_ids,
        &keys,
        now,
    )
    .fetch_all(conn)
    .await
}

/// Wakes the workers when the transaction commits.
pub(super) async fn notify(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"select pg_notify($1, '') as "ignored: ()""#, FULFILMENTS_CHANNEL).execute(conn).await?;
    Ok(())
}

/// Makes what is queued for these orders due, if it is not; returns how many that were.
pub(super) async fn mark_due(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        r#"
        update fulfilments
        set
          next_attempt_at = $2,
          updated_at = $2
        where order_id = any($1)
          and state = 'queued'
          and next_attempt_at > $2
        "#,
        order_ids,
        now,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Locks orders whose axis is about to move. Orders are locked before fulfilments, by everybody, in the order of their
/// ids: without that, recording an outcome and applying an event could wait for each other.
pub(super) async fn lock_orders(conn: &mut PgConnection, order_ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        r#"
        select id
        from orders
        where id = any($1)
        order by id
        for no key update
        "#,
        order_ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// Locks what no worker has taken.
pub(super) async fn lock_queued(conn: &mut PgConnection, order_ids: &[Uuid]) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"
        select
          id,
          order_id,
          attempts,
          last_outcome is not distinct from 'unknown' as "in_doubt!"
        from fulfilments
        where order_id = any($1)
          and state = 'queued'
        order by id
        -- Waits for a claim that has it; if the claim took it, it is not queued any more and not returned.
        for no key update
        "#,
        order_ids,
    )
    .fetch_all(conn)
    .await
}

/// Locks what is due, and the orders it belongs to, and reads both: first what dead workers left, then what is queued,
/// oldest first. What somebody else has locked is passed over.
pub(super) async fn lock_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> sqlx::Result<Vec<Due>> {
    let locked = sqlx::query_scalar!(
        r#"
        with
        -- Locks are taken here and never waited for: another worker's rows are its own, and whoever has locked an order
        -- may want its fulfilment next.
        dead as materialized (
          select f.id
          from fulfilments as f
          join orders as o on o.id = f.order_id
          where f.state = 'in_progress'
            and f.lease_until <= $1
          order by f.lease_until, f.id
          limit $2
          for no key update of f, o skip locked
        ),
        queued as materialized (
          select f.id
          from fulfilments as f
          join orders as o on o.id = f.order_id
          where f.state = 'queued'
            and f.next_attempt_at <= $1
          order by f.next_attempt_at, f.id
          limit $2 - (select count(*) from dead)
          for no key update of f, o skip locked
        )
        select id as "id!" from dead
        union all
        select id from queued
        "#,
        now,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    load_locked(conn, &locked).await
}

/// Reads what is locked. A statement of its own: the one that locks sees rows as they were before it got the locks.
async fn load_locked(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Due>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        select
          f.id,
          f.order_id,
          f.part,
          f.idempotency_key,
          f.attempts,
          f.state = 'in_progress' as "died!",
          f.state = 'in_progress' or f.last_outcome is not distinct from 'unknown' as "in_doubt!",
          o.payment_status,
          o.open_holds,
          array(
            select distinct h.kind
            from holds as h
            where h.order_id = o.id
              and h.released_at is null
            order by h.kind
          ) as "holds!"
        from fulfilments as f
        join orders as o on o.id = f.order_id
        where f.id = any($1)
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;

    rows.into_iter()
        .map(|row| {
            let payment_status =
                row.payment_status.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let order = OrderFacts { payment_status, open_holds: row.open_holds, holds: row.holds };
            Ok(Due {
                id: row.id,
                order_id: row.order_id,
                part: row.part,
                idempotency_key: row.idempotency_key,
                facts: DueFacts { order, attempts: row.attempts, in_doubt: row.in_doubt, died: row.died },
            })
        })
        .collect()
}

/// The fence: locks those of these attempts that are still the holder's, and returns their fulfilments. An attempt that
/// is not among them lost its lease to another worker, and nothing of it may be written.
pub(super) async fn lock_held(
    conn: &mut PgConnection,
    lease_holder: &str,
    attempts: impl Iterator<Item = (Uuid, i32)>,
) -> sqlx::Result<HashSet<Uuid>> {
    let (ids, attempts): (Vec<Uuid>, Vec<i32>) = attempts.unzip();
    let held = sqlx::query_scalar!(
        r#"
        select f.id
        from fulfilments as f
        join unnest($1::uuid[], $2::integer[]) as mine (id, attempt)
          on mine.id = f.id
          and mine.attempt = f.attempts
        where f.lease_holder = $3
          and f.state = 'in_progress'
        order by f.id
        -- Waits for a worker that is taking it over; once it did, the row is not ours any more and not returned.
        for no key update of f
        "#,
        &ids,
        &attempts,
        lease_holder,
    )
    .fetch_all(conn)
    .await?;
    Ok(held.into_iter().collect())
}

/// Writes what locked fulfilments become.
///
/// # Errors
/// The database failed, or a fulfilment is not there: then nothing may be committed.
pub(super) async fn save(
    conn: &mut PgConnection,
    changes: &[Change],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(changes);
    let result = sqlx::query!(
        r#"
        update fulfilments as f
        set
          state = new.state,
          reason = new.reason,
          attempts = new.attempts,
          next_attempt_at = new.next_attempt_at,
          lease_holder = new.lease_holder,
          lease_until = new.lease_until,
          last_outcome = coalesce(new.last_outcome, f.last_outcome),
          provider = coalesce(new.provider, f.provider),
          provider_reference = coalesce(new.provider_reference, f.provider_reference),
          updated_at = $11,
          finished_at = case when new.state in ('queued', 'in_progress') then null else $11::timestamptz end
        from unnest(
          $1::uuid[], $2::text[], $3::text[], $4::integer[], $5::timestamptz[], $6::text[], $7::timestamptz[],
          $8::text[], $9::text[], $10::text[]
        ) as new (
          id, state, reason, attempts, next_attempt_at, lease_holder, lease_until,
          last_outcome, provider, provider_reference
        )
        where f.id = new.id
        "#,
        &columns.ids,
        &columns.states as &[&str],
        &columns.reasons as &[Option<&str>],
        &columns.attempts,
        &columns.next_attempts_at as &[Option<OffsetDateTime>],
        &columns.lease_holders as &[Option<&str>],
        &columns.leases_until as &[Option<OffsetDateTime>],
        &columns.last_outcomes as &[Option<&str>],
        &columns.providers as &[Option<&str>],
        &columns.references as &[Option<&str>],
        now,
    )
    .execute(conn)
    .await?;
    all_hit(result.rows_affected(), changes.len())
}

/// The columns of a set of changes, as `unnest` takes them.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    states: Vec<&'static str>,
    reasons: Vec<Option<&'a str>>,
    attempts: Vec<i32>,
    next_attempts_at: Vec<Option<OffsetDateTime>>,
    lease_holders: Vec<Option<&'a str>>,
    leases_until: Vec<Option<OffsetDateTime>>,
    last_outcomes: Vec<Option<&'static str>>,
    providers: Vec<Option<&'static str>>,
    references: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut columns = Self::default();
        for Change { id, attempts, next, last_outcome } in changes {
            let (holder, until, provider) = match next {
                Next::InProgress { lease_holder, lease_until, provider } => {
                    (Some(lease_holder.as_str()), Some(*lease_until), Some(*provider))
                }
                _ => (None, None, None),
            };
            columns.ids.push(*id);
            columns.states.push(next.state());
            columns.reasons.push(next.reason());
            columns.attempts.push(*attempts);
            columns.next_attempts_at.push(if let Next::Queued { at, .. } = next { Some(*at) } else { None });
            columns.lease_holders.push(holder);
            columns.leases_until.push(until);
            columns.last_outcomes.push(*last_outcome);
            columns.providers.push(provider);
            columns.references.push(if let Next::Fulfilled { reference } = next {
                reference.as_deref()
            } else {
                None
            });
        }
        columns
    }
}

/// Opens the attempts that a claim begins.
pub(super) async fn insert_attempts(
    conn: &mut PgConnection,
    attempts: impl Iterator<Item = (Uuid, i32)>,
    lease_holder: &str,
    provider: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let (ids, attempts): (Vec<Uuid>, Vec<i32>) = attempts.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into fulfilment_attempts (fulfilment_id, attempt, lease_holder, provider, started_at)
        select
          id,
          attempt,
          $3,
          $4,
          $5
        from unnest($1::uuid[], $2::integer[]) as new (id, attempt)
        "#,
        &ids,
        &attempts,
        lease_holder,
        provider,
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
pub(super) async fn finish_attempts(
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

fn all_hit(rows: u64, expected: usize) -> sqlx::Result<()> {
    if usize::try_from(rows).is_ok_and(|rows| rows == expected) {
        Ok(())
    } else {
        Err(sqlx::Error::RowNotFound)
    }
}
