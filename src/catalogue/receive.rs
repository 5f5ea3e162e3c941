//! What the calls that make things came to.

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::price::Price;
use super::store::{self, Table, Thing};
use super::thing::Making;
use crate::orders::lookups::{self, Sku, SkuSource};
use crate::outbox::{Outcome, StoredCall};

/// Records what the making of a customer came to.
pub fn receive_customer<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move { record(conn, Table::Customers, call.subject, outcome, now).await })
}

/// Records what the making of a product came to.
pub fn receive_product<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move { record(conn, Table::Products, call.subject, outcome, now).await })
}

/// Records what the making of a price came to.
pub fn receive_price<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move {
        record(conn, Table::Prices, call.subject, outcome, now).await?;
        tell_sku(conn, call.subject, now).await
    })
}

/// Tells orders what a line of a price sends.
async fn tell_sku(conn: &mut PgConnection, id: Uuid, now: OffsetDateTime) -> sqlx::Result<()> {
    let Some(price) = Price::load(conn, &[id]).await?.pop() else { return Ok(()) };
    let (Some(stripe_id), Some(sku)) = (&price.stripe_id, &price.sku) else { return Ok(()) };
    let known = Sku {
        account: None,
        price: stripe_id,
        sku,
        product: Some(&price.product),
        description: price.nickname.as_deref(),
        source: SkuSource::Catalogue,
    };
    lookups::learn_sku(conn, &known, now).await
}

async fn record(
    conn: &mut PgConnection,
    table: Table,
    id: Uuid,
    outcome: &Outcome,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let (making, stripe_id, reason) = match outcome {
        Outcome::Done(object) | Outcome::Seen(object) => (Making::Created, object["id"].as_str(), None),
        Outcome::Refused(refusal) => (Making::Refused, None, Some(refusal.to_string())),
        Outcome::NotDone { why } => (Making::Refused, None, Some(why.clone())),
    };
    store::settle(conn, table, id, making, stripe_id, reason.as_deref(), now).await
}
