//! Schedules.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::state::{Schedule, Source};

/// Writes a schedule that was not known; false where it was.
pub(in crate::subscriptions) async fn insert_schedule(
    conn: &mut PgConnection,
    stripe_id: &str,
    account: Option<&str>,
    told: &Schedule,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        insert into subscription_schedules
          (stripe_id, account, status, subscription, customer, starts_at, told_as, told_at, told_by, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (stripe_id) do nothing
        ",
        stripe_id,
        account,
        told.status,
        told.subscription.as_deref(),
        told.customer.as_deref(),
        told.starts_at,
        told.source.told_as,
        told.source.at,
        told.source.by,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Locks a schedule.
pub(in crate::subscriptions) async fn lock_schedule(
    conn: &mut PgConnection,
    stripe_id: &str,
) -> sqlx::Result<Option<Schedule>> {
    let row = sqlx::query!(
        "
        select status, subscription, customer, starts_at, told_as, told_at, told_by
        from subscription_schedules
        where stripe_id = $1
        -- Other batches that tell of it wait.
        for update
        ",
        stripe_id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Schedule {
        status: row.status,
        subscription: row.subscription,
        customer: row.customer,
        starts_at: row.starts_at,
        source: Source { told_as: row.told_as, at: row.told_at, by: row.told_by },
    }))
}

/// Writes what snapshots moved.
pub(in crate::subscriptions) async fn save_schedule(
    conn: &mut PgConnection,
    stripe_id: &str,
    known: &Schedule,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update subscription_schedules set
          status = $2,
          subscription = $3,
          customer = $4,
          starts_at = $5,
          told_as = $6,
          told_at = $7,
          told_by = $8,
          updated_at = $9
        where stripe_id = $1
        ",
        stripe_id,
        known.status,
        known.subscription.as_deref(),
        known.customer.as_deref(),
        known.starts_at,
        known.source.told_as,
        known.source.at,
        known.source.by,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The schedules that became these subscriptions, also those that let go of them since, by subscription.
///
/// # Errors
/// The database's.
pub async fn load_schedules_of(
    conn: &mut PgConnection,
    subscriptions: &[String],
) -> sqlx::Result<HashMap<String, Vec<String>>> {
    if subscriptions.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"
        select stripe_id, subscription as "subscription!"
        from subscription_schedules
        where subscription = any($1)
        "#,
        subscriptions,
    )
    .fetch_all(conn)
    .await?;
    let mut schedules: HashMap<String, Vec<String>> = HashMap::new();
    for row in rows {
        schedules.entry(row.subscription).or_default().push(row.stripe_id);
    }
    Ok(schedules)
}
