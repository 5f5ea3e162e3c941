//! Orders and their histories, for the API, the command line and the fulfilment worker.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Customer, HoldKind, Line, Order, OrderHead, Ref, RefKind, Shipping};
use super::stored;
use crate::money::Currency;

/// Loads orders with their lines, references and open holds, in the order asked.
///
/// # Errors
/// The database's.
pub async fn load(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Order>> {
    let mut lines: HashMap<Uuid, Vec<Line>> = HashMap::new();
    let rows = sqlx::query!(
        "
        select order_id, kind, sku, description, quantity, unit_amount, amount, quantity_refunded
        from order_lines
        where order_id = any($1)
        order by order_id, position
        ",
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        let line = Line {
            kind: stored(&row.kind)?,
            sku: row.sku,
            description: row.description,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            amount: row.amount,
            refunded: row.quantity_refunded,
        };
        lines.entry(row.order_id).or_default().push(line);
    }

    let mut refs: HashMap<Uuid, Vec<Ref>> = HashMap::new();
    let rows = sqlx::query!(
        "select order_id, kind, stripe_id from order_refs where order_id = any($1) order by kind, stripe_id",
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        refs.entry(row.order_id).or_default().push(Ref::new(stored(&row.kind)?, row.stripe_id));
    }

    let mut holds: HashMap<Uuid, Vec<HoldKind>> = HashMap::new();
    let rows = sqlx::query!(
        "select order_id, kind from holds where order_id = any($1) and released_at is null order by opened_at, id",
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        holds.entry(row.order_id).or_default().push(stored(&row.kind)?);
    }

    let rows = sqlx::query!(
        r#"
        select
          id, number, status, payment_status, fulfilment_status, currency, amount_total, amount_paid, amount_refunded,
          origin, account, stripe_customer, customer_email, customer_name, shipping as "shipping: Json<Shipping>",
          metadata as "metadata: Json<serde_json::Map<String, serde_json::Value>>", created_at, updated_at, paid_at, fulfilled_at,
          merged_into
        from orders
        where id = any($1)
        order by array_position($1, id)
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Order {
                id: row.id,
                number: row.number,
                status: row.status,
                payment_status: stored(&row.payment_status)?,
                fulfilment_status: stored(&row.fulfilment_status)?,
                holds: holds.remove(&row.id).unwrap_or_default(),
                currency: Currency::parse(&row.currency)
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                amount_total: row.amount_total,
                amount_paid: row.amount_paid,
                amount_refunded: row.amount_refunded,
                origin: stored(&row.origin)?,
                merged_into: row.merged_into,
                account: row.account,
                customer: Customer {
                    email: row.customer_email,
                    name: row.customer_name,
                    stripe_customer: row.stripe_customer,
                },
                shipping: row.shipping.map(|Json(shipping)| shipping),
                metadata: row.metadata.0,
                lines: lines.remove(&row.id).unwrap_or_default(),
                refs: refs.remove(&row.id).unwrap_or_default(),
                created_at: row.created_at,
                updated_at: row.updated_at,
                paid_at: row.paid_at,
                fulfilled_at: row.fulfilled_at,
            })
        })
        .collect()
}

/// Loads what providers must know of orders, but for their lines, in no order.
///
/// # Errors
/// The database's.
pub async fn load_heads(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<OrderHead>> {
    let rows = sqlx::query!(
        r#"
        select
          id, number, account, currency, amount_total, stripe_customer, customer_email, customer_name,
          shipping as "shipping: Json<Shipping>",
          metadata as "metadata: Json<serde_json::Map<String, serde_json::Value>>", created_at
        from orders
        where id = any($1)
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(OrderHead {
                id: row.id,
                number: row.number,
                account: row.account,
                currency: Currency::parse(&row.currency)
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                amount_total: row.amount_total,
                customer: Customer {
                    email: row.customer_email,
                    name: row.customer_name,
                    stripe_customer: row.stripe_customer,
                },
                shipping: row.shipping.map(|Json(shipping)| shipping),
                metadata: row.metadata.0,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Finds an order by its id, its number, or a Stripe object that stands for it.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Uuid>> {
    // No text of Postgres's can hold it, so nothing has such a name.
    if name.contains('\0') {
        return Ok(None);
    }
    let kinds: Vec<&str> = RefKind::ALL.iter().map(|kind| kind.as_str()).collect();
    sqlx::query_scalar!(
        r#"
        select id as "id!" from orders where id = $1
        union all
        select id from orders where number = $2
        union all
        select order_id from order_refs where kind = any($3) and stripe_id = $2
        limit 1
        "#,
        Uuid::parse_str(name).unwrap_or_default(),
        name,
        &kinds as &[&str],
    )
    .fetch_optional(conn)
    .await
}

/// Which orders to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// The one-word status.
    pub status: Option<String>,
    /// The payment axis.
    pub payment_status: Option<String>,
    /// The fulfilment axis.
    pub fulfilment_status: Option<String>,
    /// The customer's e-mail address, in any case.
    pub email: Option<String>,
    /// Made at or after.
    pub created_from: Option<OffsetDateTime>,
    /// Made before.
    pub created_before: Option<OffsetDateTime>,
    /// Older than this order: its time and id.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most.
    pub limit: i64,
}

/// Lists the ids of orders.
///
/// # Errors
/// The database's.
pub async fn list(conn: &mut PgConnection, filter: &ListFilter) -> sqlx::Result<Vec<Uuid>> {
    // Built at run time, and planned anew for its values: one plan for all of them would walk through every order in
    // search of a status that is rare.
    let mut query = QueryBuilder::<Postgres>::new("select id from orders where true");
    let equals = [
        (" and status = ", &filter.status),
        (" and payment_status = ", &filter.payment_status),
        (" and fulfilment_status = ", &filter.fulfilment_status),
    ];
    for (condition, value) in equals {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    if let Some(email) = &filter.email {
        query.push(" and lower(customer_email) = lower(").push_bind(email).push(")");
    }
    if let Some(from) = filter.created_from {
        query.push(" and created_at >= ").push_bind(from);
    }
    if let Some(before) = filter.created_before {
        query.push(" and created_at < ").push_bind(before);
    }
    if let Some((created_at, id)) = filter.after {
        query.push(" and (created_at, id) < (").push_bind(created_at).push(", ").push_bind(id).push(")");
    }
    query.push(" order by created_at desc, id desc limit ").push_bind(filter.limit);
    query.build_query_scalar().persistent(false).fetch_all(conn).await
}

/// What happened to an order.
#[derive(Debug, Serialize)]
pub struct Timeline {
    /// Moves, oldest first.
    pub entries: Vec<TimelineEntry>,
    /// Money, oldest first.
    pub payments: Vec<Payment>,
}

/// One row of an order's history.
#[derive(Debug, Serialize)]
pub struct TimelineEntry {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Which axis.
    pub axis: String,
    /// From where.
    pub from: Option<String>,
    /// To where.
    pub to: Option<String>,
    /// What caused it: api, event, attempt or operator.
    pub cause_kind: String,
    /// Which one.
    pub cause_id: String,
    /// The type of the event that caused it.
    pub event_type: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// One money fact.
#[derive(Debug, Serialize)]
pub struct Payment {
    /// Such as `captured`.
    pub kind: String,
    /// Such as `pi_…`
    pub stripe_id: String,
    /// Minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: String,
    /// The first event that told it.
    pub event_id: String,
    /// When we heard.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Loads the history of an order.
///
/// # Errors
/// The database's.
pub async fn load_timeline(conn: &mut PgConnection, order_id: Uuid) -> sqlx::Result<Timeline> {
    let entries = sqlx::query_as!(
        TimelineEntry,
        r#"
        select
          moves.at, moves.axis, moves.from_value as "from", moves.to_value as "to", moves.cause_kind, moves.cause_id,
          events.type as "event_type?", moves.reason
        from order_transitions moves
        left join stripe_events events on moves.cause_kind = 'event' and events.id = moves.cause_id
        where moves.order_id = $1
        order by moves.id
        "#,
        order_id,
    )
    .fetch_all(&mut *conn)
    .await?;
    let payments = sqlx::query_as!(
        Payment,
        "
        select kind, stripe_id, amount, currency, event_id, created_at
        from payments
        where order_id = $1
        order by created_at, kind, stripe_id
        ",
        order_id,
    )
    .fetch_all(conn)
    .await?;
    Ok(Timeline { entries, payments })
}
