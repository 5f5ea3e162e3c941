//! Quotes, as people and pages read them.

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::describe::Behind;
use super::super::quote::{Origin, Quote, QuoteLine, Repeats};
use super::super::state::is_expired;
use super::stored;
use crate::outbox;

/// Which quotes to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct QuoteFilter {
    /// In this state.
    pub state: Option<String>,
    /// For this customer, `cus_…`.
    pub customer: Option<String>,
    /// After this one.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most.
    pub limit: i64,
}

/// Finds the ids of quotes.
///
/// # Errors
/// The database's.
pub async fn list_quotes(conn: &mut PgConnection, filter: &QuoteFilter) -> sqlx::Result<Vec<Uuid>> {
    let (after_time, after_id) = filter.after.unzip();
    sqlx::query_scalar!(
        "
        select id
        from quotes
        where ($1::text is null or state = $1)
          and ($2::text is null or customer = $2)
          and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
        order by created_at desc, id desc
        limit $5
        ",
        filter.state,
        filter.customer,
        after_time,
        after_id,
        filter.limit,
    )
    .fetch_all(conn)
    .await
}

/// Finds a quote by our id, Stripe's, or its number.
///
/// # Errors
/// The database's.
pub async fn find_quote(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Uuid>> {
    if name.contains('\0') {
        return Ok(None);
    }
    sqlx::query_scalar!(
        "select id from quotes where stripe_id = $1 or id = $2",
        name,
        name.parse::<Uuid>().ok(),
    )
    .fetch_optional(conn)
    .await
}

/// Loads quotes, newest first, as they stand now.
///
/// # Errors
/// The database's.
pub async fn load_quotes(
    conn: &mut PgConnection,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Quote>> {
    let mut under_way = outbox::open_calls(&mut *conn, ids).await?;
    let rows = sqlx::query!(
        r#"
        select
          id, stripe_id, origin, state, reason, number, customer, lines as "lines: Json<Vec<QuoteLine>>", description,
          collection_method, currency, amount_subtotal, amount_total, recurring as "recurring: Json<Repeats>",
          metadata as "metadata: Json<Map<String, Value>>", expires_at, invoice, subscription, subscription_schedule,
          finalized_at, accepted_at, cancelled_at, created_at, updated_at
        from quotes
        where id = any($1)
        order by created_at desc, id desc
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = stored(&row.state)?;
            Ok(Quote {
                id: row.id,
                stripe_id: row.stripe_id,
                origin: if row.origin == "api" { Origin::Api } else { Origin::Stripe },
                state,
                expired: is_expired(state, row.expires_at, now),
                reason: row.reason,
                under_way: under_way.remove(&row.id),
                number: row.number,
                customer: row.customer,
                lines: row.lines.map(|Json(lines)| lines),
                description: row.description,
                collection_method: row.collection_method,
                currency: row.currency,
                amount_subtotal: row.amount_subtotal,
                amount_total: row.amount_total,
                recurring: row.recurring.map(|Json(recurring)| recurring),
                metadata: row.metadata.0,
                expires_at: row.expires_at,
                invoice: row.invoice,
                subscription: row.subscription,
                subscription_schedule: row.subscription_schedule,
                created_at: row.created_at,
                finalized_at: row.finalized_at,
                accepted_at: row.accepted_at,
                cancelled_at: row.cancelled_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}

/// The quotes that led to any of these invoices, subscriptions and schedules.
pub(in crate::quotes) async fn find_behind(
    conn: &mut PgConnection,
    invoices: &[String],
    subscriptions: &[String],
    schedules: &[String],
) -> sqlx::Result<Vec<Behind>> {
    let rows = sqlx::query!(
        "
        select id, stripe_id, number, state, invoice, subscription, subscription_schedule
        from quotes
        where invoice = any($1) or subscription = any($2) or subscription_schedule = any($3)
        ",
        invoices,
        subscriptions,
        schedules,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Behind {
                id: row.id,
                stripe_id: row.stripe_id,
                number: row.number,
                state: stored(&row.state)?,
                invoice: row.invoice,
                subscription: row.subscription,
                subscription_schedule: row.subscription_schedule,
            })
        })
        .collect()
}
