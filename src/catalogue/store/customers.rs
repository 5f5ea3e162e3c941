//! Customers.

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::customer::{CreateCustomer, Customer};
use super::{Thing, stored};
use crate::api::Paging;
use crate::orders::Shipping;

/// Writes a customer that is to be made.
pub(in crate::catalogue) async fn insert_customer(
    conn: &mut PgConnection,
    id: Uuid,
    asked: &CreateCustomer,
    api_key_id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into customers
          (id, state, email, name, phone, description, shipping, metadata, api_key_id, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
        ",
        id,
        "creating",
        asked.email,
        asked.name,
        asked.phone,
        asked.description,
        asked.shipping.as_ref().map(Json) as Option<Json<&Shipping>>,
        Json(&asked.metadata) as Json<&Map<String, Value>>,
        api_key_id,
        now,
    )
    .execute(conn)
    .await
    .map(|_| ())
}

impl Thing for Customer {
    const KIND: &str = "customer";
    const PREFIX: &str = "cus_";

    async fn id_of(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Uuid>> {
        sqlx::query_scalar!(
            "select id from customers where stripe_id = $1 or id = $2",
            name,
            name.parse::<Uuid>().ok(),
        )
        .fetch_optional(conn)
        .await
    }

    async fn ids(conn: &mut PgConnection, page: Paging) -> sqlx::Result<Vec<Uuid>> {
        let (after_time, after_id) = page.after.unzip();
        sqlx::query_scalar!(
            "
        select id
        from customers
        where $1::timestamptz is null or (created_at, id) < ($1, $2::uuid)
        order by created_at desc, id desc
        limit $3
        ",
            after_time,
            after_id,
            page.rows(),
        )
        .fetch_all(conn)
        .await
    }

    async fn load(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Self>> {
        let rows = sqlx::query!(
            r#"
        select
          id, stripe_id, state, reason, email, name, phone, description, shipping as "shipping: Json<Shipping>", metadata as "metadata: Json<Map<String, Value>>", created_at, updated_at
        from customers
        where id = any($1)
        order by created_at desc, id desc
        "#,
            ids,
        )
        .fetch_all(conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Customer {
                    id: row.id,
                    stripe_id: row.stripe_id,
                    state: stored(&row.state)?,
                    reason: row.reason,
                    email: row.email,
                    name: row.name,
                    phone: row.phone,
                    description: row.description,
                    shipping: row.shipping.map(|Json(shipping)| shipping),
                    metadata: row.metadata.0,
                    created_at: row.created_at,
                    updated_at: row.updated_at,
                })
            })
            .collect()
    }
}
