//! What Stripe's word moves of a quote, loaded and saved.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::quote::{QuoteLine, Repeats};
use super::super::state::{Known, Marks, Terms};
use super::stored;

/// Writes a quote that is to be made.
pub(in crate::quotes) async fn insert_asked(
    conn: &mut PgConnection,
    id: Uuid,
    api_key_id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into quotes (id, origin, state, api_key_id, created_at, updated_at)
        values ($1, 'api', 'creating', $2, $3, $3)
        ",
        id,
        api_key_id,
        now,
    )
    .execute(conn)
    .await
    .map(|_| ())
}

/// Writes a quote that an event told of. Two batches that learn of one at once race; the second is tried again.
pub(in crate::quotes) async fn insert_learnt(
    conn: &mut PgConnection,
    id: Uuid,
    known: &Known,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into quotes (id, origin, state, stripe_id, created_at, updated_at)
        values ($1, 'stripe', $2, $3, $4, $4)
        ",
        id,
        known.state.as_str(),
        known.stripe_id,
        now,
    )
    .execute(&mut *conn)
    .await?;
    save(conn, id, known, now).await
}

/// Locks a quote until the transaction ends and loads what is known of it.
pub(in crate::quotes) async fn lock(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Known>> {
    sqlx::query!("select id from quotes where id = $1 for update", id).fetch_optional(&mut *conn).await?;
    load_known(conn, id).await
}

/// Loads what is known of a quote.
pub(in crate::quotes) async fn load_known(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Known>> {
    Ok(load(conn, &[id]).await?.remove(&id))
}

/// Locks the quotes that have these names of Stripe's or these ids of ours, in one order, and loads what is known of
/// them.
pub(in crate::quotes) async fn lock_named(
    conn: &mut PgConnection,
    names: &[&str],
    ids: &[Uuid],
) -> sqlx::Result<BTreeMap<Uuid, Known>> {
    let ids = sqlx::query_scalar!(
        "select id from quotes where stripe_id = any($1) or id = any($2) order by id for update",
        names as &[&str],
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, &ids).await
}

async fn load(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<BTreeMap<Uuid, Known>> {
    let rows = sqlx::query!(
        r#"
        select
          id, stripe_id, state, reason, number, customer, lines as "lines: Json<Vec<QuoteLine>>", description,
          collection_method, currency, amount_subtotal, amount_total, recurring as "recurring: Json<Repeats>",
          metadata as "metadata: Json<Map<String, Value>>", expires_at, invoice, subscription, subscription_schedule,
          finalized_at, accepted_at, cancelled_at, told_at, told_by
        from quotes
        where id = any($1)
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let known = Known {
                stripe_id: row.stripe_id,
                state: stored(&row.state)?,
                reason: row.reason,
                terms: Terms {
                    customer: row.customer,
                    description: row.description,
                    collection_method: row.collection_method,
                    currency: row.currency,
                    amount_subtotal: row.amount_subtotal,
                    amount_total: row.amount_total,
                    recurring: row.recurring.map(|Json(recurring)| recurring),
                    metadata: row.metadata.0,
                    expires_at: row.expires_at,
                },
                marks: Marks {
                    number: row.number,
                    invoice: row.invoice,
                    subscription: row.subscription,
                    subscription_schedule: row.subscription_schedule,
                    finalized_at: row.finalized_at,
                    accepted_at: row.accepted_at,
                    cancelled_at: row.cancelled_at,
                },
                lines: row.lines.map(|Json(lines)| lines),
                told: row.told_at.zip(row.told_by),
                look: None,
            };
            Ok((row.id, known))
        })
        .collect()
}

/// Saves what is known of a quote; the caller has locked it.
pub(in crate::quotes) async fn save(
    conn: &mut PgConnection,
    id: Uuid,
    known: &Known,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let Known { stripe_id, state, reason, terms, marks, lines, told, look } = known;
    let (told_at, told_by) = told.as_ref().map(|(at, by)| (*at, by.as_str())).unzip();
    sqlx::query!(
        "
        update quotes set
          stripe_id = $2, state = $3, reason = $4, number = $5, customer = $6, lines = $7, description = $8,
          collection_method = $9, currency = $10, amount_subtotal = $11, amount_total = $12, recurring = $13,
          metadata = $14, expires_at = $15, invoice = $16, subscription = $17, subscription_schedule = $18,
          finalized_at = $19, accepted_at = $20, cancelled_at = $21, told_at = $22, told_by = $23, updated_at = $24,
          news = news + 1,
          next_look_at = case when $25::boolean is null then next_look_at when $25 then $24 end,
          looks = case when $25::boolean is null then looks else 0 end
        where id = $1
        ",
        id,
        stripe_id.as_deref(),
        state.as_str(),
        reason.as_deref(),
        marks.number,
        terms.customer,
        lines.as_ref().map(Json) as Option<Json<&Vec<QuoteLine>>>,
        terms.description,
        terms.collection_method,
        terms.currency,
        terms.amount_subtotal,
        terms.amount_total,
        terms.recurring.as_ref().map(Json) as Option<Json<&Repeats>>,
        Json(&terms.metadata) as Json<&Map<String, Value>>,
        terms.expires_at,
        marks.invoice,
        marks.subscription,
        marks.subscription_schedule,
        marks.finalized_at,
        marks.accepted_at,
        marks.cancelled_at,
        told_at,
        told_by,
        now,
        *look,
    )
    .execute(conn)
    .await
    .map(|_| ())
}
