//! Prices.

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::make::ProductOfPrice;
use super::super::price::{CreatePrice, Interval, Price, Recurring};
use super::{Thing, stored};
use crate::api::Paging;
use crate::money::Currency;

/// A price to be made.
pub(in crate::catalogue) struct NewPriceRow<'r> {
    pub id: Uuid,
    pub asked: &'r CreatePrice,
    pub product: &'r ProductOfPrice,
    /// Its own, or its product's.
    pub sku: Option<&'r str>,
    pub currency: Currency,
    pub api_key_id: Uuid,
}

/// Writes a price that is to be made.
pub(in crate::catalogue) async fn insert_price(
    conn: &mut PgConnection,
    row: &NewPriceRow<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let NewPriceRow { id, asked, product, sku, currency, api_key_id } = row;
    sqlx::query!(
        "
        insert into prices
          (id, state, product_id, stripe_product, sku, nickname, currency, unit_amount, period,
           period_count, metadata, api_key_id, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
        ",
        id,
        "creating",
        product.id,
        product.stripe_id,
        *sku,
        asked.nickname,
        currency.as_str(),
        asked.unit_amount,
        asked.recurring.map(|recurring| recurring.interval.as_str()),
        asked.recurring.map(|recurring| recurring.interval_count),
        Json(&asked.metadata) as Json<&Map<String, Value>>,
        api_key_id,
        now,
    )
    .execute(conn)
    .await
    .map(|_| ())
}

impl Thing for Price {
    const KIND: &str = "price";
    const PREFIX: &str = "price_";

    async fn id_of(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Uuid>> {
        sqlx::query_scalar!(
            "select id from prices where stripe_id = $1 or id = $2",
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
        from prices
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
          id, stripe_id, state, reason, product_id, stripe_product, sku, nickname, currency, unit_amount, period, period_count,
          metadata as "metadata: Json<Map<String, Value>>", created_at, updated_at
        from prices
        where id = any($1)
        order by created_at desc, id desc
        "#,
            ids,
        )
        .fetch_all(conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Price {
                    id: row.id,
                    stripe_id: row.stripe_id,
                    state: stored(&row.state)?,
                    reason: row.reason,
                    product_id: row.product_id,
                    product: row.stripe_product,
                    sku: row.sku,
                    nickname: row.nickname,
                    currency: row.currency,
                    unit_amount: row.unit_amount,
                    recurring: recurring(row.period.as_deref(), row.period_count),
                    metadata: row.metadata.0,
                    created_at: row.created_at,
                    updated_at: row.updated_at,
                })
            })
            .collect()
    }
}

/// Prices that were made, recur and have this sku; two of them tell that there are several.
pub(in crate::catalogue) async fn find_recurring_prices(
    conn: &mut PgConnection,
    sku: &str,
) -> sqlx::Result<Vec<Price>> {
    if sku.contains('\0') {
        return Ok(Vec::new());
    }
    let ids = sqlx::query_scalar!(
        "select id from prices where sku = $1 and state = 'created' and period is not null limit 2",
        sku,
    )
    .fetch_all(&mut *conn)
    .await?;
    Price::load(conn, &ids).await
}

fn recurring(period: Option<&str>, count: Option<i32>) -> Option<Recurring> {
    Some(Recurring { interval: Interval::read(period?)?, interval_count: count? })
}
