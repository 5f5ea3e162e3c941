//! Products.

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::product::{CreateProduct, Product};
use super::{Thing, stored};
use crate::api::Paging;

/// Writes a product that is to be made.
pub(in crate::catalogue) async fn insert_product(
    conn: &mut PgConnection,
    id: Uuid,
    asked: &CreateProduct,
    api_key_id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into products
          (id, state, name, description, sku, metadata, api_key_id, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        ",
        id,
        "creating",
        asked.name,
        asked.description,
        asked.sku,
        Json(&asked.metadata) as Json<&Map<String, Value>>,
        api_key_id,
        now,
    )
    .execute(conn)
    .await
    .map(|_| ())
}

impl Thing for Product {
    const KIND: &str = "product";
    const PREFIX: &str = "prod_";

    async fn id_of(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Uuid>> {
        sqlx::query_scalar!(
            "select id from products where stripe_id = $1 or id = $2",
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
        from products
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
          id, stripe_id, state, reason, name, description, sku, metadata as "metadata: Json<Map<String, Value>>", created_at, updated_at
        from products
        where id = any($1)
        order by created_at desc, id desc
        "#,
            ids,
        )
        .fetch_all(conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Product {
                    id: row.id,
                    stripe_id: row.stripe_id,
                    state: stored(&row.state)?,
                    reason: row.reason,
                    name: row.name,
                    description: row.description,
                    sku: row.sku,
                    metadata: row.metadata.0,
                    created_at: row.created_at,
                    updated_at: row.updated_at,
                })
            })
            .collect()
    }
}
