//! Fulfilments, as people read them.

use std::time::Duration;

use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::report::{FulfilmentFilter, FulfilmentRow, ProviderRow, StuckOrder};

const ROWS: &str = "
  select
    id, order_number, order_id, order_status, part, provider, state, reason, account, priority, attempts, last_outcome,
    idempotency_key, provider_reference, next_attempt_at, snoozed_until, called_off, recall_outcome, created_at,
    updated_at, finished_at
  from ops_v1.fulfilments
";

/// Lists fulfilments, newest first.
///
/// # Errors
/// The database's.
pub async fn list_fulfilments(
    conn: &mut PgConnection,
    filter: &FulfilmentFilter,
) -> sqlx::Result<Vec<FulfilmentRow>> {
    // Built at run time, and planned anew for its values: one plan for all of them would walk through every fulfilment in
    // search of a state that is rare.
    let mut query = QueryBuilder::<Postgres>::new(ROWS);
    query.push(" where true");
    if let Some(state) = &filter.state {
        query.push(" and state = ").push_bind(state);
    }
    if let Some(provider) = &filter.provider {
        query.push(" and provider = ").push_bind(provider);
    }
    query.push(" order by created_at desc, id desc limit ").push_bind(filter.limit);
    query.build_query_as().persistent(false).fetch_all(conn).await
}

/// Loads fulfilments, by order and part.
pub(in super::super) async fn load_rows(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<Vec<FulfilmentRow>> {
    let mut query = QueryBuilder::<Postgres>::new(ROWS);
    query.push(" where id = any(").push_bind(ids).push(") order by order_id, part");
    query.build_query_as().fetch_all(conn).await
}

/// A fulfilment by its id, or all of an order.
pub(in super::super) async fn find_fulfilments(
    conn: &mut PgConnection,
    id: Option<Uuid>,
    order_id: Option<Uuid>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"
        select id as "id!" from fulfilments where id = $1
        union
        select id from fulfilments where order_id = $2
        "#,
        id,
        order_id,
    )
    .fetch_all(conn)
    .await
}

/// What is stuck, what has been for longest first.
///
/// # Errors
/// The database's.
pub async fn list_stuck(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<StuckOrder>> {
    let rows = sqlx::query!(
        r#"
        select
          order_number as "order_number!",
          order_id as "order_id!",
          fulfilment_id as "fulfilment_id?",
          provider as "provider?",
          state as "state?",
          stuck as "stuck!",
          since as "since!",
          extract(epoch from age)::float8 as "age!",
          reason,
          next_action as "next_action!"
        from ops_v1.stuck_orders
        order by since, order_number, part
        limit $1
        "#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StuckOrder {
            order_number: row.order_number,
            order_id: row.order_id,
            fulfilment_id: row.fulfilment_id,
            provider: row.provider,
            state: row.state,
            stuck: row.stuck,
            since: row.since,
            age: Duration::try_from_secs_f64(row.age).unwrap_or_default(),
            reason: row.reason,
            next_action: row.next_action,
        })
        .collect())
}

/// How each provider is doing, by name.
///
/// # Errors
/// The database's.
pub async fn list_providers(conn: &mut PgConnection) -> sqlx::Result<Vec<ProviderRow>> {
    sqlx::query_as!(
        ProviderRow,
        r#"
        select
          name as "name!",
          kind as "kind!",
          host,
          concurrency,
          rate_per_second,
          coalesce(breaker, 'closed') as "breaker!",
          breaker_reason,
          breaker_retry_at,
          paused as "paused!",
          pause_reason,
          paused_by,
          paused_until,
          queued as "queued!",
          extract(epoch from oldest_due)::float8 as oldest_due_seconds,
          in_progress as "in_progress!",
          recalling as "recalling!",
          accepted as "accepted!",
          rejected as "rejected!",
          failed as "failed!"
        from ops_v1.providers
        order by name
        "#,
    )
    .fetch_all(conn)
    .await
}
