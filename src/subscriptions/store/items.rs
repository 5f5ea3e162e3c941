//! What is subscribed to.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::subscription::Item;

/// Replaces the items of a subscription.
pub(super) async fn save_items(conn: &mut PgConnection, id: Uuid, items: &[Item]) -> sqlx::Result<()> {
    sqlx::query!("delete from subscription_items where subscription_id = $1", id).execute(&mut *conn).await?;
    for (position, item) in (1_i32..).zip(items) {
        sqlx::query!(
            "
            insert into subscription_items
              (subscription_id, position, stripe_id, price, product, sku, quantity, unit_amount, currency, interval,
               interval_count, current_period_start, current_period_end)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            ",
            id,
            position,
            item.id,
            item.price.as_deref(),
            item.product.as_deref(),
            item.sku.as_deref(),
            item.quantity,
            item.unit_amount,
            item.currency.as_deref(),
            item.interval.as_deref(),
            item.interval_count,
            item.current_period_start,
            item.current_period_end,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// The items of subscriptions, in their order.
pub(super) async fn load_items(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<Item>>> {
    let rows = sqlx::query!(
        "
        select
          subscription_id, stripe_id, price, product, sku, quantity, unit_amount, currency, interval, interval_count,
          current_period_start, current_period_end
        from subscription_items
        where subscription_id = any($1)
        order by subscription_id, position
        ",
        ids,
    )
    .fetch_all(conn)
    .await?;
    let mut items: HashMap<Uuid, Vec<Item>> = HashMap::new();
    for row in rows {
        items.entry(row.subscription_id).or_default().push(Item {
            id: row.stripe_id,
            price: row.price,
            product: row.product,
            sku: row.sku,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            currency: row.currency,
            interval: row.interval,
            interval_count: row.interval_count,
            current_period_start: row.current_period_start,
            current_period_end: row.current_period_end,
        });
    }
    Ok(items)
}
