//! Subscriptions, as people read them.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::state;
use super::super::subscription::{Facts, State, Subscription};
use super::items;

/// Which subscriptions to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    /// In this status of Stripe's.
    pub status: Option<String>,
    /// Of this customer, `cus_…`.
    pub customer: Option<String>,
    /// After this one.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most.
    pub limit: i64,
}

/// Finds the ids of subscriptions.
///
/// # Errors
/// The database's.
pub async fn list_subscriptions(
    conn: &mut PgConnection,
    filter: &SubscriptionFilter,
) -> sqlx::Result<Vec<Uuid>> {
    let (after_time, after_id) = filter.after.unzip();
    sqlx::query_scalar!(
        "
        select id
        from subscriptions
        where ($1::text is null or status = $1)
          and ($2::text is null or customer = $2)
          and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
        order by created_at desc, id desc
        limit $5
        ",
        filter.status,
        filter.customer,
        after_time,
        after_id,
        filter.limit,
    )
    .fetch_all(conn)
    .await
}

/// Finds a subscription by our id or Stripe's, or by the schedule that became it.
///
/// # Errors
/// The database's.
pub async fn find_subscription(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Subscription>> {
    if name.contains('\0') {
        return Ok(None);
    }
    let id = sqlx::query_scalar!(
        "
        select id
        from subscriptions
        where stripe_id = $1
          or id = $2
          or stripe_id = (select subscription from subscription_schedules where stripe_id = $1)
        limit 1
        ",
        name,
        name.parse::<Uuid>().ok(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => Ok(load_subscriptions(conn, &[id]).await?.pop()),
        None => Ok(None),
    }
}

/// The subscriptions of these names of Stripe's, as far as they are known.
///
/// # Errors
/// The database's.
pub async fn load_named(
    conn: &mut PgConnection,
    names: &[&str],
) -> sqlx::Result<HashMap<String, Subscription>> {
    // Most orders are of none.
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = sqlx::query_scalar!("select id from subscriptions where stripe_id = any($1)", names as &[&str])
        .fetch_all(&mut *conn)
        .await?;
    let subscriptions = load_subscriptions(conn, &ids).await?;
    Ok(subscriptions.into_iter().filter_map(|one| Some((one.stripe_id.clone()?, one))).collect())
}

/// Loads subscriptions, in the order of their ids as given; their unpaid invoices are told elsewhere.
///
/// # Errors
/// The database's.
pub async fn load_subscriptions(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Subscription>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut items = items::load_items(conn, ids).await?;
    let rows = sqlx::query!(
        r#"
        select
          s.id, stripe_id, account, state, reason, status, customer, currency, collection_method, days_until_due,
          started_at, current_period_start, current_period_end, trial_start, trial_end, cancel_at_period_end, cancel_at,
          cancelled_at, ended_at, cancellation_reason, pause_behaviour, pause_resumes_at, pending_update_expires_at,
          latest_invoice, default_payment_method, schedule, metadata as "metadata: Json<BTreeMap<String, String>>",
          end_now is not null as "is_ending!", told_at, created_at, updated_at
        from unnest($1::uuid[]) with ordinality as asked (id, position)
        join subscriptions as s on s.id = asked.id
        order by asked.position
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let facts = row.status.map(|status| Facts {
                status,
                customer: row.customer,
                currency: row.currency,
                collection_method: row.collection_method,
                days_until_due: row.days_until_due,
                started_at: row.started_at,
                current_period_start: row.current_period_start,
                current_period_end: row.current_period_end,
                trial_start: row.trial_start,
                trial_end: row.trial_end,
                cancel_at_period_end: row.cancel_at_period_end,
                cancel_at: row.cancel_at,
                cancelled_at: row.cancelled_at,
                ended_at: row.ended_at,
                cancellation_reason: row.cancellation_reason,
                pause_behaviour: row.pause_behaviour,
                pause_resumes_at: row.pause_resumes_at,
                pending_update_expires_at: row.pending_update_expires_at,
                latest_invoice: row.latest_invoice,
                default_payment_method: row.default_payment_method,
                schedule: row.schedule,
                metadata: row.metadata.0,
                items: items.remove(&row.id).unwrap_or_default(),
                created: Some(row.created_at),
            });
            let (access, access_reason) = state::access(facts.as_ref());
            let state: State = row.state.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok(Subscription {
                id: row.id,
                stripe_id: row.stripe_id,
                account: row.account,
                state,
                reason: row.reason,
                access,
                access_reason,
                facts,
                is_ending: row.is_ending,
                dunning: None,
                told_at: row.told_at,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}
