//! All SQL of the ledger. The caller owns the transaction.

use std::pin::Pin;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::event::{Disposition, NewEvent};
use crate::db;

mod payloads;
mod read;

pub use payloads::{Expiring, expire_payloads};
pub use read::{EventDetails, EventFilter, EventRow, find_event, list_events, oldest_due};

/// Separates the keys of one event on their way into an array column; no key can contain it.
const SEPARATOR: &str = "\u{1f}";

/// Stores events that are not known yet, ledger and payload in one statement, and wakes the worker once. Returns the
/// ids of those that were new.
pub(super) async fn insert_events(
    conn: &mut PgConnection,
    events: &[&NewEvent],
) -> sqlx::Result<Vec<String>> {
    let ids: Vec<&str> = events.iter().map(|event| event.envelope.id.as_str()).collect();
    let types: Vec<&str> = events.iter().map(|event| event.envelope.event_type.as_str()).collect();
    let objects: Vec<Option<&str>> = events.iter().map(|event| event.envelope.object_id.as_deref()).collect();
    let accounts: Vec<Option<&str>> = events.iter().map(|event| event.envelope.account.as_deref()).collect();
    let versions: Vec<Option<&str>> =
        events.iter().map(|event| event.envelope.api_version.as_deref()).collect();
    let modes: Vec<bool> = events.iter().map(|event| event.envelope.livemode).collect();
    let created: Vec<Option<OffsetDateTime>> = events.iter().map(|event| event.envelope.created_at).collect();
    let received: Vec<OffsetDateTime> = events.iter().map(|event| event.received_at).collect();
    let endpoints: Vec<&str> = events.iter().map(|event| event.endpoint.as_str()).collect();
    let labels: Vec<&str> = events.iter().map(|event| event.verified_by.as_str()).collect();
    let reasons: Vec<Option<&str>> = events
        .iter()
        .map(|event| match &event.disposition {
            Disposition::Apply => None,
            Disposition::SetAside(reason) => Some(reason.as_str()),
        })
        .collect();
    let bodies: Vec<&str> = events
        .iter()
        .map(|event| std::str::from_utf8(&event.body))
        .collect::<Result<_, _>>()
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query_scalar!(
        r#"
        with new as materialized (
          select *
          from unnest(
            $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::timestamptz[],
            $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[]
          ) as new (
            id, type, object_id, account, api_version, livemode, created_at, received_at, endpoint, verified_by,
            reason, body
          )
        ),
        stored as (
          insert into stripe_events (
            id, type, object_id, account, api_version, livemode, created_at, received_at, endpoint, verified_by,
            state, reason, next_attempt_at
          )
          select
            id, type, object_id, account, api_version, livemode, created_at, received_at, endpoint, verified_by,
            case when reason is null then 'pending' else 'set_aside' end,
            reason,
            case when reason is null then received_at end
          from new
          on conflict (id) do nothing
          returning id, state
        ),
        bodies as (
          insert into stripe_event_payloads (event_id, body)
          select new.id, new.body
          from new
          join stored on stored.id = new.id
        ),
        woken as (
          select pg_notify($13, '')
          where exists (select from stored where state = 'pending')
        )
        select stored.id as "id!"
        from stored
        left join woken on true
        "#,
        &ids as &[&str],
        &types as &[&str],
        &objects as &[Option<&str>],
        &accounts as &[Option<&str>],
        &versions as &[Option<&str>],
        &modes,
        &created as &[Option<OffsetDateTime>],
        &received,
        &endpoints as &[&str],
        &labels as &[&str],
        &reasons as &[Option<&str>],
        &bodies as &[&str],
        db::EVENTS_CHANNEL,
    )
    .fetch_all(conn)
    .await
}

/// An event that is to be looked at.
pub(super) struct DueEvent {
    pub id: String,
    pub event_type: String,
    pub account: Option<String>,
    pub livemode: bool,
    pub created_at: Option<OffsetDateTime>,
    pub received_at: OffsetDateTime,
    pub parked_at: Option<OffsetDateTime>,
    pub attempts: i32,
    /// None once the payload has expired.
    pub body: Option<String>,
}

/// Claims what is due, oldest first, until the transaction ends.
pub(super) async fn claim_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> sqlx::Result<Vec<DueEvent>> {
    sqlx::query_as!(
        DueEvent,
        r#"
        select
          events.id, events.type as event_type, events.account, events.livemode, events.created_at,
          events.received_at, events.parked_at, events.attempts,
          -- Not a join: Postgres may have planned that while there was nothing to read, and read every payload since.
          (select body from stripe_event_payloads where event_id = events.id) as body
        from stripe_events events
        where events.next_attempt_at <= $1
        order by events.next_attempt_at, events.id
        limit $2
        -- Other workers pass over what this one has.
        for update of events skip locked
        "#,
        now,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Claims one event, if it is due. A statement of its own: Postgres keeps the plan of each.
pub(super) async fn claim_one(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    id: &str,
) -> sqlx::Result<Vec<DueEvent>> {
    sqlx::query_as!(
        DueEvent,
        r#"
        select
          events.id, events.type as event_type, events.account, events.livemode, events.created_at,
          events.received_at, events.parked_at, events.attempts,
          (select body from stripe_event_payloads where event_id = events.id) as body
        from stripe_events events
        where events.id = $2
          and events.next_attempt_at <= $1
        for update of events skip locked
        "#,
        now,
        id,
    )
    .fetch_all(conn)
    .await
}

/// What is due, without claiming it.
pub(super) async fn list_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select id from stripe_events where next_attempt_at <= $1 order by next_attempt_at, id limit $2",
        now,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// The new state of an event.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub id: String,
    pub state: &'static str,
    pub reason: Option<String>,
    pub order_id: Option<Uuid>,
    pub waits_for: Vec<String>,
    pub next_attempt_at: Option<OffsetDateTime>,
    pub attempts: i32,
}

/// Writes the states of events that this transaction has claimed.
pub(super) async fn mark(conn: &mut PgConnection, marks: &[Mark], now: OffsetDateTime) -> sqlx::Result<()> {
    let ids: Vec<&str> = marks.iter().map(|mark| mark.id.as_str()).collect();
    let states: Vec<&str> = marks.iter().map(|mark| mark.state).collect();
    let reasons: Vec<Option<&str>> = marks.iter().map(|mark| mark.reason.as_deref()).collect();
    let orders: Vec<Option<Uuid>> = marks.iter().map(|mark| mark.order_id).collect();
    let waits: Vec<Option<String>> = marks
        .iter()
        .map(|mark| (!mark.waits_for.is_empty()).then(|| mark.waits_for.join(SEPARATOR)))
        .collect();
    let next: Vec<Option<OffsetDateTime>> = marks.iter().map(|mark| mark.next_attempt_at).collect();
    let attempts: Vec<i32> = marks.iter().map(|mark| mark.attempts).collect();
    let done = sqlx::query!(
        "
        update stripe_events set
          state = new.state,
          reason = new.reason,
          order_id = new.order_id,
          waits_for = string_to_array(new.waits_for, $8),
          next_attempt_at = new.next_attempt_at,
          attempts = new.attempts,
          parked_at = case when new.state = 'parked' then coalesce(stripe_events.parked_at, $9) else stripe_events.parked_at end,
          applied_at = case when new.state = 'applied' then $9::timestamptz end
        from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[], $7::int[])
          as new (id, state, reason, order_id, waits_for, next_attempt_at, attempts)
        where stripe_events.id = new.id
        ",
        &ids as &[&str],
        &states as &[&str],
        &reasons as &[Option<&str>],
        &orders as &[Option<Uuid>],
        &waits as &[Option<String>],
        &next as &[Option<OffsetDateTime>],
        &attempts,
        SEPARATOR,
        now,
    )
    .execute(conn)
    .await?;
    match usize::try_from(done.rows_affected()) {
        Ok(hit) if hit == marks.len() => Ok(()),
        _ => Err(sqlx::Error::RowNotFound),
    }
}

/// Makes events due that wait for one of these keys, those that were set aside for want of them included.
///
/// # Errors
/// The database's.
pub fn wake_waiting<'c>(
    conn: &'c mut PgConnection,
    appeared: Vec<String>,
    now: OffsetDateTime,
) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'c>> {
    Box::pin(async move {
        if appeared.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "
            with woken as (
              update stripe_events set
                state = 'pending',
                next_attempt_at = $2
              -- Whatever their state: one that was woken before may be set aside by another worker at this moment. Its
              -- row is locked then, and is looked at again once that worker is done.
              where waits_for && $1
              returning id
            )
            select pg_notify($3, '')
            where exists (select from woken)
            ",
            &appeared,
            now,
            db::EVENTS_CHANNEL,
        )
        .execute(conn)
        .await?;
        Ok(())
    })
}

/// Makes one event due that failed or was set aside; false where there is none, or where its payload has expired and
/// there is nothing left to apply.
///
/// # Errors
/// The database's.
pub async fn replay(conn: &mut PgConnection, id: &str, now: OffsetDateTime) -> sqlx::Result<bool> {
    let woken = sqlx::query!(
        "
        with woken as (
          update stripe_events set
            state = 'pending',
            attempts = 0,
            next_attempt_at = $2
          where id = $1
            and state in ('failed', 'set_aside', 'parked')
            and exists (select from stripe_event_payloads where event_id = $1)
          returning id
        )
        select pg_notify($3, '')
        from woken
        ",
        id,
        now,
        db::EVENTS_CHANNEL,
    )
    .fetch_optional(conn)
    .await?;
    Ok(woken.is_some())
}
