//! Placing an order: what a merchant's back end asks for, checked, and written in one transaction together with the
//! idempotent answer. Events that wait for the order wake in the same transaction.

use std::pin::Pin;

use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::Map;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::{Axis, Cause, Customer, Line, PaymentStatus, Ref, RefKind, Shipping};
use super::settle::order_key;
use super::state::Move;
use super::store::{self, NewTransition, PlacedOrder};
use super::{SettleError, number};
use crate::api::{Answer, ApiError, ApiKey, FieldError, IdempotencyKey};
use crate::db;
use crate::money::{Currency, Money};

mod check;

/// The body of `POST /v1/orders`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    /// The merchant's own number for the order; one is made where it is absent. PaymentIntents may name it as
    /// `metadata.order_id`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    number: Option<String>,
    /// Three-letter ISO code, of all amounts.
    #[schema(pattern = "^[A-Za-z]{3}$", example = "usd")]
    currency: String,
    /// What was bought; the order's total is the sum of the lines.
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<NewLine>,
    /// Who bought.
    #[serde(default)]
    customer: Customer,
    /// Where to send.
    #[serde(default)]
    shipping: Option<Shipping>,
    /// The merchant's own notes: texts.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    metadata: Map<String, serde_json::Value>,
    /// The PaymentIntent that the merchant made for the order.
    #[serde(default)]
    #[schema(pattern = "^pi_")]
    payment_intent: Option<String>,
}

/// A line of a new order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    /// The merchant's name for the article.
    #[schema(min_length = 1, max_length = 200)]
    sku: String,
    /// For people.
    #[serde(default)]
    description: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
    /// Minor units for one.
    #[schema(minimum = 0)]
    unit_amount: i64,
}

/// Wakes the events that wait for one of these keys, in the caller's transaction. The inbox provides it: orders do
/// not know the inbox.
pub type WakeWaiting = for<'c> fn(
    &'c mut PgConnection,
    Vec<String>,
    OffsetDateTime,
) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'c>>;

/// An order that passed the checks.
struct Checked {
    total: Money,
    lines: Vec<Line>,
}

/// Places an order. Returns the answer, and whether it was given before.
///
/// # Errors
/// 422 with the fields at fault; 409 where the number or the PaymentIntent belongs to another order, or the same
/// idempotency key is still at work; 503 without a database.
pub async fn place(
    pool: &PgPool,
    wake: WakeWaiting,
    key: ApiKey,
    idempotency: Option<IdempotencyKey>,
    order: &PlaceOrder,
    now: OffsetDateTime,
) -> Result<(Answer, bool), ApiError> {
    let checked = check::check(order).map_err(ApiError::invalid)?;
    // Waking events can meet a batch that holds them; one of the two is then told to try again.
    let mut tries = 0;
    loop {
        tries += 1;
        match try_place(pool, wake, key, idempotency.as_ref(), order, &checked, now).await {
            Err(Failure::Database(error)) if db::is_retryable(&error) && tries < 5 => {}
            Err(Failure::Database(error)) => return Err(taken(&error, order).unwrap_or_else(|| error.into())),
            Err(Failure::Answer(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
    }
}

enum Failure {
    Answer(ApiError),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

async fn try_place(
    pool: &PgPool,
    wake: WakeWaiting,
    key: ApiKey,
    idempotency: Option<&IdempotencyKey>,
    order: &PlaceOrder,
    checked: &Checked,
    now: OffsetDateTime,
) -> Result<(Answer, bool), Failure> {
    let mut tx = pool.begin().await?;
    if let Some(idempotency) = idempotency
        && let Some(answer) = idempotency.claim(&mut tx).await.map_err(Failure::Answer)?
    {
        return Ok((answer, true));
    }

    let id = Uuid::now_v7();
    let number = order.number.clone().unwrap_or_else(number::random);
    insert(&mut tx, id, &number, key, order, checked, now).await?;
    let mut appeared = vec![order_key(&id.to_string()), order_key(&number)];
    appeared.extend(payment_intent(order).as_ref().map(ToString::to_string));
    wake(&mut tx, appeared, now).await?;

    let placed = store::load(&mut tx, &[id]).await?;
    let body = serde_json::to_string(&placed[0]).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let answer = Answer { status: StatusCode::CREATED, body };
    if let Some(idempotency) = idempotency {
        idempotency.keep(&mut tx, &answer, now).await?;
    }
    tx.commit().await?;
    tracing::info!(order.id = %id, order.number = %number, "order placed");
    Ok((answer, false))
}

async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    number: &str,
    key: ApiKey,
    order: &PlaceOrder,
    checked: &Checked,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let placed = PlacedOrder {
        id,
        number,
        total: checked.total,
        customer: &order.customer,
        shipping: order.shipping.as_ref(),
        metadata: &order.metadata,
        lines: &checked.lines,
    };
    store::insert_placed(conn, &placed, now).await?;
    let refs = payment_intent(order).into_iter().map(|reference| (reference, id)).collect();
    store::insert_refs(conn, &refs, now).await.map_err(|error| match error {
        SettleError::LostRace => Failure::Answer(ApiError::conflict(
            "payment_intent_in_use",
            "payment_intent: this PaymentIntent stands for another order already",
        )),
        SettleError::Database(error) => Failure::Database(error),
    })?;
    let moved = Move {
        axis: Axis::Payment,
        from: None,
        to: Some(PaymentStatus::AwaitingPayment.as_str()),
        reason: Some("the order was placed".to_owned()),
    };
    let placed = NewTransition { order_id: id, moved, cause: Cause::Api(key.id) };
    store::insert_transitions(conn, &[placed], now).await?;
    Ok(())
}

fn payment_intent(order: &PlaceOrder) -> Option<Ref> {
    order.payment_intent.as_deref().map(|id| Ref::new(RefKind::PaymentIntent, id))
}

fn taken(error: &sqlx::Error, order: &PlaceOrder) -> Option<ApiError> {
    let constraint = error.as_database_error()?.constraint()?;
    (constraint == "orders_number_is_unique").then(|| {
        let number = order.number.as_deref().unwrap_or_default();
        ApiError::conflict("number_taken", format!("number: another order has the number {number:?}"))
    })
}

impl PlaceOrder {
    fn currency(&self) -> Result<Currency, FieldError> {
        Currency::parse(&self.currency).map_err(|error| FieldError::new("currency", error.to_string()))
    }
}
