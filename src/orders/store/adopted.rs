//! Orders that are made of Stripe successes.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::late::ToldLines;
use super::super::order::{Origin, Ref, Shipping};
use super::super::state::Details;
use super::lines::write_lines;
use crate::money::Money;

/// An order to be made.
pub(crate) struct AdoptedOrder {
    pub id: Uuid,
    pub number: String,
    pub origin: Origin,
    pub total: Money,
    pub account: Option<String>,
    pub details: Details,
    pub metadata: serde_json::Map<String, serde_json::Value>,
    pub told: ToldLines,
    /// The objects that will stand for it.
    pub refs: BTreeSet<Ref>,
    /// Stripe's time of the success; none where it is not paid yet.
    pub at: Option<OffsetDateTime>,
    /// Whether it is held from the beginning.
    pub is_in_doubt: bool,
}

/// Inserts orders as they are before their first event is applied.
pub(crate) async fn insert_adopted(
    conn: &mut PgConnection,
    orders: &[AdoptedOrder],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
    let numbers: Vec<&str> = orders.iter().map(|order| order.number.as_str()).collect();
    let origins: Vec<&str> = orders.iter().map(|order| order.origin.as_str()).collect();
    let totals: Vec<i64> = orders.iter().map(|order| order.total.amount).collect();
    let currencies: Vec<&str> = orders.iter().map(|order| order.total.currency.as_str()).collect();
    let accounts: Vec<Option<&str>> = orders.iter().map(|order| order.account.as_deref()).collect();
    let customers: Vec<Option<&str>> =
        orders.iter().map(|order| order.details.stripe_customer.as_deref()).collect();
    let emails: Vec<Option<&str>> = orders.iter().map(|order| order.details.email.as_deref()).collect();
    let names: Vec<Option<&str>> = orders.iter().map(|order| order.details.name.as_deref()).collect();
    let shippings: Vec<Option<Json<&Shipping>>> =
        orders.iter().map(|order| order.details.shipping.as_ref().map(Json)).collect();
    let metadata: Vec<Json<&serde_json::Map<_, _>>> =
        orders.iter().map(|order| Json(&order.metadata)).collect();
    sqlx::query!(
        "
        insert into orders (
          id, number, origin, amount_total, currency, account, stripe_customer, customer_email, customer_name,
          shipping, metadata, created_at, updated_at
        )
        select *, $12, $12
        from unnest(
          $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
          $10::jsonb[], $11::jsonb[]
        )
        ",
        &ids,
        &numbers as &[&str],
        &origins as &[&str],
        &totals,
        &currencies as &[&str],
        &accounts as &[Option<&str>],
        &customers as &[Option<&str>],
        &emails as &[Option<&str>],
        &names as &[Option<&str>],
        &shippings as &[Option<Json<&Shipping>>],
        &metadata as &[Json<&serde_json::Map<String, serde_json::Value>>],
        now,
    )
    .execute(&mut *conn)
    .await?;
    let lines = orders.iter().map(|order| (order.id, order.told.lines.as_slice(), &order.told.stand_ins));
    write_lines(conn, lines).await
}
