//! All SQL of the catalogue.

mod customers;
mod prices;
mod products;

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use customers::insert_customer;
pub(super) use prices::{NewPriceRow, find_recurring_prices, insert_price};
pub(super) use products::insert_product;

use super::thing::Making;
use crate::api::{Paging, Placed};

/// What is made through the catalogue, as it is read.
pub(super) trait Thing: Placed + Serialize + Sized {
    /// What people call it.
    const KIND: &str;
    /// What Stripe's ids of it begin with.
    const PREFIX: &str;

    /// The id of the one that a name stands for: our id or Stripe's, without a NUL.
    async fn id_of(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Uuid>>;

    /// The ids of a page, newest first.
    async fn ids(conn: &mut PgConnection, page: Paging) -> sqlx::Result<Vec<Uuid>>;

    /// Loads some, newest first.
    async fn load(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Self>>;

    /// Finds one by our id or Stripe's.
    async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Self>> {
        if name.contains('\0') {
            return Ok(None);
        }
        match Self::id_of(conn, name).await? {
            Some(id) => Ok(Self::load(conn, &[id]).await?.pop()),
            None => Ok(None),
        }
    }
}

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
