//! The ledger, as people read it.

use serde::Serialize;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of the ledger.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct EventRow {
    /// `evt_…`
    pub id: String,
    /// Such as `payment_intent.succeeded`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// pending, parked, applied, set_aside or failed.
    pub state: String,
    /// Why it is so.
    pub reason: Option<String>,
    /// What the event is about.
    pub object_id: Option<String>,
    /// The connected account.
    pub account: Option<String>,
    /// The order that it concerned.
    pub order_id: Option<Uuid>,
    /// That order's number.
    pub order_number: Option<String>,
    /// When it came in.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// When it had its effect.
    #[serde(with = "time::serde::rfc3339::option")]
    pub applied_at: Option<OffsetDateTime>,
}

/// Which events to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// In this state.
    pub state: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// At most.
    pub limit: i64,
}

/// Lists events.
///
/// # Errors
/// The database's.
pub async fn list_events(conn: &mut PgConnection, filter: &EventFilter) -> sqlx::Result<Vec<EventRow>> {
    // Built at run time, and planned anew for its values: one plan for all of them would walk through the whole ledger in
    // search of a state that is rare.
    let mut query = QueryBuilder::<Postgres>::new(
        "
        select
          events.id, events.type as event_type, events.state, events.reason, events.object_id, events.account,
          events.order_id, orders.number as order_number, events.received_at, events.applied_at
        from stripe_events events
        left join orders on orders.id = events.order_id
        where true
        ",
    );
    if let Some(state) = &filter.state {
        query.push(" and events.state = ").push_bind(state);
        if state == "pending" {
            // What is pending is due: the index of that has it.
            query.push(" and events.next_attempt_at is not null");
        }
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and events.type = ").push_bind(event_type);
    }
    query.push(" order by events.received_at desc, events.id desc limit ").push_bind(filter.limit);
    query.build_query_as().persistent(false).fetch_all(conn).await
}

/// An event with all that is known of it.
#[derive(Debug, Serialize)]
pub struct EventDetails {
    /// The row.
    #[serde(flatten)]
    pub row: EventRow,
    /// In whose shape the object is.
    pub api_version: Option<String>,
    /// Live or test mode.
    pub livemode: bool,
    /// Stripe's time.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// Where it came in.
    pub endpoint: String,
    /// The label of the secret that signed it.
    pub verified_by: String,
    /// Tries that ended in an error.
    pub attempts: i32,
    /// When it is looked at again.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// The keys that it waits for.
    pub waits_for: Option<Vec<String>>,
    /// The bytes that Stripe signed; none once they have expired.
    pub body: Option<String>,
}

/// Finds an event.
///
/// # Errors
/// The database's.
pub async fn find_event(conn: &mut PgConnection, id: &str) -> sqlx::Result<Option<EventDetails>> {
    let row = sqlx::query!(
        r#"
        select
          events.id, events.type as event_type, events.state, events.reason, events.object_id, events.account,
          events.order_id, orders.number as "order_number?", events.received_at, events.applied_at,
          events.api_version, events.livemode, events.created_at, events.endpoint, events.verified_by,
          events.attempts, events.next_attempt_at, events.waits_for, bodies.body as "body?"
        from stripe_events events
        left join orders on orders.id = events.order_id
        left join stripe_event_payloads bodies on bodies.event_id = events.id
        where events.id = $1
        "#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| EventDetails {
        row: EventRow {
            id: row.id,
            event_type: row.event_type,
            state: row.state,
            reason: row.reason,
            object_id: row.object_id,
            account: row.account,
            order_id: row.order_id,
            order_number: row.order_number,
            received_at: row.received_at,
            applied_at: row.applied_at,
        },
        api_version: row.api_version,
        livemode: row.livemode,
        created_at: row.created_at,
        endpoint: row.endpoint,
        verified_by: row.verified_by,
        attempts: row.attempts,
        next_attempt_at: row.next_attempt_at,
        waits_for: row.waits_for,
        body: row.body,
    }))
}

/// Since when the oldest event that is due waits; none where nothing is due.
///
/// # Errors
/// The database's.
pub async fn oldest_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> sqlx::Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!(
        r#"
        select next_attempt_at as "due!"
        from stripe_events
        where next_attempt_at <= $1
        order by next_attempt_at
        limit 1
        "#,
        now,
    )
    .fetch_optional(conn)
    .await
}
