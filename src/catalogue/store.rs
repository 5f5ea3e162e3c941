//! All SQL of the catalogue.

mod customers;
mod prices;
mod products;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use customers::{find_customer, insert_customer, list_customers, load_customers};
pub(super) use prices::{
    NewPriceRow, find_price, find_recurring_prices, insert_price, list_prices, load_prices,
};
pub(super) use products::{find_product, insert_product, list_products, load_products};

use super::thing::Making;

/// What kind of thing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Customers,
    Products,
    Prices,
}

/// Writes what the making of a thing came to. What is made stays so.
pub(super) async fn settle(
    conn: &mut PgConnection,
    table: Table,
    id: Uuid,
    making: Making,
    stripe_id: Option<&str>,
    reason: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let state = making.as_str();
    let done = match table {
        Table::Customers => {
            sqlx::query!(
                "
                update customers set state = $2, stripe_id = $3, reason = $4, updated_at = $5
                where id = $1 and state <> 'created'
                ",
                id,
                state,
                stripe_id,
                reason,
                now,
            )
            .execute(conn)
            .await
        }
        Table::Products => {
            sqlx::query!(
                "
                update products set state = $2, stripe_id = $3, reason = $4, updated_at = $5
                where id = $1 and state <> 'created'
                ",
                id,
                state,
                stripe_id,
                reason,
                now,
            )
            .execute(conn)
            .await
        }
        Table::Prices => {
            sqlx::query!(
                "
                update prices set state = $2, stripe_id = $3, reason = $4, updated_at = $5
                where id = $1 and state <> 'created'
                ",
                id,
                state,
                stripe_id,
                reason,
                now,
            )
            .execute(conn)
            .await
        }
    };
    done.map(|_| ())
}

/// A text in a table that is none of those that its `check` allows.
fn stored<T: std::str::FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}
