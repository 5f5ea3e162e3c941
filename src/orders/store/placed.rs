//! Orders that merchants place.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Customer, Line, Shipping};
use super::lines::write_lines;
use crate::money::Money;

/// An order to be inserted.
pub(crate) struct PlacedOrder<'p> {
    pub id: Uuid,
    pub number: &'p str,
    pub total: Money,
    pub customer: &'p Customer,
    pub shipping: Option<&'p Shipping>,
    pub metadata: &'p serde_json::Map<String, serde_json::Value>,
    pub lines: &'p [Line],
}

/// Inserts an order with its lines.
pub(crate) async fn insert_placed(
    conn: &mut PgConnection,
    order: &PlacedOrder<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into orders (
          id, number, origin, amount_total, currency, stripe_customer, customer_email, customer_name, shipping,
          metadata, created_at, updated_at
        )
        values ($1, $2, 'api', $3, $4, $5, $6, $7, $8, $9, $10, $10)
        ",
        order.id,
        order.number,
        order.total.amount,
        order.total.currency.as_str(),
        order.customer.stripe_customer.as_deref(),
        order.customer.email.as_deref(),
        order.customer.name.as_deref(),
        order.shipping.map(Json) as Option<Json<&Shipping>>,
        Json(order.metadata) as Json<&serde_json::Map<String, serde_json::Value>>,
        now,
    )
    .execute(&mut *conn)
    .await?;
    write_lines(conn, std::iter::once((order.id, order.lines, &BTreeSet::new()))).await
}
