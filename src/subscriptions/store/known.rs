//! What is known of subscriptions, as snapshots and answers move it.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::state::{Known, Source};
use super::super::subscription::Facts;
use super::items;

/// A row that this transaction has locked, of a subscription that Stripe has.
#[derive(Clone, Debug)]
pub(in crate::subscriptions) struct LockedSubscription {
    pub id: Uuid,
    pub stripe_id: String,
    pub account: Option<String>,
    pub known: Known,
    pub news: i64,
}

/// Locks a subscription that Stripe has, by our id.
pub(in crate::subscriptions) async fn lock(
    conn: &mut PgConnection,
    id: Uuid,
) -> sqlx::Result<Option<LockedSubscription>> {
    let row = sqlx::query!(
        r#"
        select
          id, stripe_id, account, status, customer, currency, collection_method, days_until_due, started_at,
          current_period_start, current_period_end, trial_start, trial_end, cancel_at_period_end, cancel_at,
          cancelled_at, ended_at, cancellation_reason, pause_behaviour, pause_resumes_at, pending_update_expires_at,
          latest_invoice, default_payment_method, schedule, metadata as "metadata: Json<BTreeMap<String, String>>",
          told_as, told_at, told_by, news
        from subscriptions
        where id = $1
        -- Looks, answers and events that move the same subscription wait.
        for update
        "#,
        id,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (Some(stripe_id), Some(status)) = (row.stripe_id, row.status) else { return Ok(None) };
    let items = items::load_items(conn, &[id]).await?.remove(&id).unwrap_or_default();
    let facts = Facts {
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
        items,
        created: None,
    };
    let source = Source {
        told_as: row.told_as.unwrap_or_default(),
        at: row.told_at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        by: row.told_by.unwrap_or_default(),
    };
    let known = Known { facts, source };
    Ok(Some(LockedSubscription { id, stripe_id, account: row.account, known, news: row.news }))
}

/// Locks the subscription of a name; one that is not known yet is made of what is told, or is the row of ours that was
/// waiting for it. Says whether it is new in that way.
pub(in crate::subscriptions) async fn lock_or_insert(
    conn: &mut PgConnection,
    stripe_id: &str,
    ours: Option<Uuid>,
    account: Option<&str>,
    told: &Known,
    now: OffsetDateTime,
) -> sqlx::Result<(LockedSubscription, bool)> {
    if let Some(id) = find_id(conn, stripe_id).await?
        && let Some(row) = lock(conn, id).await?
    {
        return Ok((row, false));
    }
    let adopted = match ours {
        Some(ours) => {
            sqlx::query_scalar!(
                "
                update subscriptions set
                  stripe_id = $2, status = $3, state = 'known', reason = null, created_at = coalesce($4, created_at)
                where id = $1 and stripe_id is null
                returning id
                ",
                ours,
                stripe_id,
                told.facts.status,
                told.facts.created,
            )
            .fetch_optional(&mut *conn)
            .await?
        }
        None => None,
    };
    let id = match adopted {
        Some(id) => Some(id),
        None => {
            sqlx::query_scalar!(
                "
                insert into subscriptions (id, stripe_id, account, state, status, created_at, updated_at)
                values ($1, $2, $3, 'known', $4, $5, $6)
                on conflict (stripe_id) do nothing
                returning id
                ",
                Uuid::now_v7(),
                stripe_id,
                account,
                told.facts.status,
                told.facts.created.unwrap_or(told.source.at),
                now,
            )
            .fetch_optional(&mut *conn)
            .await?
        }
    };
    let is_new = id.is_some();
    let id = match id {
        Some(id) => Some(id),
        // Somebody else told of it meanwhile.
        None => find_id(conn, stripe_id).await?,
    };
    let id = id.ok_or(sqlx::Error::RowNotFound)?;
    let mut row = lock(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    if is_new {
        row.known = told.clone();
    }
    Ok((row, is_new))
}

async fn find_id(conn: &mut PgConnection, stripe_id: &str) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!("select id from subscriptions where stripe_id = $1", stripe_id)
        .fetch_optional(conn)
        .await
}

/// Writes what snapshots and answers moved, and when the worker is to look. A subscription that is over ends no more.
pub(in crate::subscriptions) async fn save(
    conn: &mut PgConnection,
    row: &LockedSubscription,
    next_look_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let Known { facts, source } = &row.known;
    sqlx::query!(
        "
        update subscriptions set
          status = $2,
          customer = $3,
          currency = $4,
          collection_method = $5,
          days_until_due = $6,
          started_at = $7,
          current_period_start = $8,
          current_period_end = $9,
          trial_start = $10,
          trial_end = $11,
          cancel_at_period_end = $12,
          cancel_at = $13,
          cancelled_at = $14,
          ended_at = $15,
          cancellation_reason = $16,
          pause_behaviour = $17,
          pause_resumes_at = $18,
          pending_update_expires_at = $19,
          latest_invoice = $20,
          default_payment_method = $21,
          schedule = $22,
          metadata = $23,
          told_as = $24,
          told_at = $25,
          told_by = $26,
          news = $27,
          end_now = case when $2 in ('canceled', 'incomplete_expired') then null else end_now end,
          next_look_at = case
            when $2 not in ('canceled', 'incomplete_expired') and end_now is not null then coalesce(next_look_at, $29)
            else $28
          end,
          looks = 0,
          updated_at = $29
        where id = $1
        ",
        row.id,
        facts.status,
        facts.customer.as_deref(),
        facts.currency.as_deref(),
        facts.collection_method.as_deref(),
        facts.days_until_due,
        facts.started_at,
        facts.current_period_start,
        facts.current_period_end,
        facts.trial_start,
        facts.trial_end,
        facts.cancel_at_period_end,
        facts.cancel_at,
        facts.cancelled_at,
        facts.ended_at,
        facts.cancellation_reason.as_deref(),
        facts.pause_behaviour.as_deref(),
        facts.pause_resumes_at,
        facts.pending_update_expires_at,
        facts.latest_invoice.as_deref(),
        facts.default_payment_method.as_deref(),
        facts.schedule.as_deref(),
        Json(&facts.metadata) as _,
        source.told_as,
        source.at,
        source.by,
        row.news,
        next_look_at,
        now,
    )
    .execute(&mut *conn)
    .await?;
    items::save_items(conn, row.id, &facts.items).await
}

/// A subscription that Stripe is to be asked for.
pub(in crate::subscriptions) struct NewRow<'a> {
    pub id: Uuid,
    pub customer: &'a str,
    pub collection_method: &'a str,
    pub metadata: &'a BTreeMap<String, String>,
    pub api_key_id: Uuid,
}

/// Writes it, before Stripe is asked.
pub(in crate::subscriptions) async fn insert_creating(
    conn: &mut PgConnection,
    new: &NewRow<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into subscriptions
          (id, state, customer, collection_method, metadata, api_key_id, created_at, updated_at)
        values ($1, 'creating', $2, $3, $4, $5, $6, $6)
        ",
        new.id,
        new.customer,
        new.collection_method,
        Json(new.metadata) as _,
        new.api_key_id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that Stripe did not make it.
pub(in crate::subscriptions) async fn call_off(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update subscriptions set state = 'refused', reason = $2, updated_at = $3 where id = $1 and state = 'creating'",
        id,
        reason,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
