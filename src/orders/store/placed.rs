//! Orders that merchants place.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Customer, Line, Shipping};
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
    insert_lines(conn, std::iter::once((order.id, order.lines))).await
}

/// Inserts the lines of orders that have none yet: lines of two origins are never mixed.
pub(super) async fn insert_lines<'l>(
    conn: &mut PgConnection,
    orders: impl Iterator<Item = (Uuid, &'l [Line])>,
) -> sqlx::Result<()> {
    let lines: Vec<(Uuid, i32, &Line)> = orders
        .flat_map(|(order, lines)| (1..).zip(lines).map(move |(position, line)| (order, position, line)))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let order_ids: Vec<Uuid> = lines.iter().map(|(order, ..)| *order).collect();
    let positions: Vec<i32> = lines.iter().map(|(_, position, _)| *position).collect();
    let kinds: Vec<&str> = lines.iter().map(|(.., line)| line.kind.as_str()).collect();
    let skus: Vec<&str> = lines.iter().map(|(.., line)| line.sku.as_str()).collect();
    let descriptions: Vec<Option<&str>> =
        lines.iter().map(|(.., line)| line.description.as_deref()).collect();
    let quantities: Vec<i64> = lines.iter().map(|(.., line)| line.quantity).collect();
    let unit_amounts: Vec<i64> = lines.iter().map(|(.., line)| line.unit_amount).collect();
    let amounts: Vec<i64> = lines.iter().map(|(.., line)| line.amount).collect();
    sqlx::query!(
        "
        insert into order_lines (order_id, position, kind, sku, description, quantity, unit_amount, amount)
        select *
        from unnest(
          $1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]
        ) as new (order_id, position, kind, sku, description, quantity, unit_amount, amount)
        where not exists (select from order_lines as known where known.order_id = new.order_id)
        on conflict do nothing
        ",
        &order_ids,
        &positions,
        &kinds as &[&str],
        &skus as &[&str],
        &descriptions as &[Option<&str>],
        &quantities,
        &unit_amounts,
        &amounts,
    )
    .execute(conn)
    .await?;
    Ok(())
}
