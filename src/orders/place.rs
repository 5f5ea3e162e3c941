//! Placing an order: what a merchant's back end asks for, checked, and written in one transaction together with the
//! idempotent answer. Events that wait for the order wake in the same transaction.

use std::pin::Pin;

use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::{Axis, Cause, Customer, Line, PaymentStatus, Ref, RefKind, Shipping};
use super::settle::order_key;
use super::state::Move;
use super::store::{self, NewTransition, PlacedOrder};
use super::take_payment::{NewOrder, TakePayment};
use super::{SettleError, number};
use crate::api::{Answer, ApiError, ApiKey, Claim, FieldError, IdempotencyKey};
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
    /// How Packline is to take the payment, if it is to.
    #[serde(default)]
    payment: Option<Value>,
    /// Which connected account gets the money.
    #[serde(default)]
    destination: Option<Value>,
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

/// What placing works with.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    /// The database.
    pub pool: &'p PgPool,
    /// Wakes what waits for the order.
    pub wake: WakeWaiting,
    /// Takes its payment.
    pub take: &'p dyn TakePayment,
    /// Who asks.
    pub key: ApiKey,
    /// Under which key.
    pub idempotency: Option<&'p IdempotencyKey>,
}

/// An order that is in the database.
struct Placed {
    /// None only of an answer that was kept without it.
    id: Option<Uuid>,
    /// The answer, without what is told of the payment.
    answer: Answer,
    /// Whether it was given before.
    is_replay: bool,
}

impl Place<'_> {
    /// Places an order. Returns the answer, and whether it was given before.
    ///
    /// Where the payment is taken too, the order and what was asked of Stripe are committed before Stripe is called. A
    /// repetition under the same key then finds the order and goes on, whatever happened to the first request.
    ///
    /// # Errors
    /// 422 with the fields at fault; 409 where the number or the PaymentIntent belongs to another order, or the same
    /// idempotency key is still at work; 503 without a database. What [`TakePayment::begin`] says.
    pub async fn place(self, order: &PlaceOrder, now: OffsetDateTime) -> Result<(Answer, bool), ApiError> {
        let checked = self.check(order)?;
        let Placed { id, mut answer, is_replay } = self.try_until_placed(order, &checked, now).await?;
        if let (Some(id), Some(_)) = (id, &order.payment) {
            let payment = self.take.begin(id).await?;
            let kept = answer.clone();
            answer = with_payment(answer, payment);
            if let (Some(idempotency), false) = (self.idempotency, is_replay) {
                idempotency.keep(&mut *self.pool.acquire().await?, &kept, now).await?;
            }
        }
        Ok((answer, is_replay))
    }

    fn check(self, order: &PlaceOrder) -> Result<Checked, ApiError> {
        let checked = check::check(order);
        let payment_faults = match &order.payment {
            Some(payment) => self.take.check(payment, order.destination.as_ref())?,
            None => Vec::new(),
        };
        match checked {
            Ok(checked) if payment_faults.is_empty() => Ok(checked),
            Ok(_) => Err(ApiError::invalid(payment_faults)),
            Err(mut faults) => {
                faults.extend(payment_faults);
                Err(ApiError::invalid(faults))
            }
        }
    }

    async fn try_until_placed(
        self,
        order: &PlaceOrder,
        checked: &Checked,
        now: OffsetDateTime,
    ) -> Result<Placed, ApiError> {
        // Waking events can meet a batch that holds them; one of the two is then told to try again.
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_place(order, checked, now).await {
                Err(Failure::Database(error)) if db::is_retryable(&error) && tries < 5 => {}
                Err(Failure::Database(error)) => {
                    return Err(taken(&error, order).unwrap_or_else(|| error.into()));
                }
                Err(Failure::Answer(error)) => return Err(error),
                Ok(placed) => return Ok(placed),
            }
        }
    }

    async fn try_place(
        self,
        order: &PlaceOrder,
        checked: &Checked,
        now: OffsetDateTime,
    ) -> Result<Placed, Failure> {
        let mut tx = self.pool.begin().await?;
        let placed = self.place_in(&mut tx, order, checked, now).await;
        db::end(tx, placed).await
    }

    async fn place_in(
        self,
        conn: &mut PgConnection,
        order: &PlaceOrder,
        checked: &Checked,
        now: OffsetDateTime,
    ) -> Result<Placed, Failure> {
        let claim = match self.idempotency {
            Some(idempotency) => idempotency.look_up(conn).await.map_err(Failure::Answer)?,
            None => Claim::New,
        };
        match claim {
            Claim::New => {}
            Claim::Answered(answer, id) => return Ok(Placed { id, answer, is_replay: true }),
            Claim::Begun(id) => {
                let answer = answer(conn, id).await?;
                return Ok(Placed { id: Some(id), answer, is_replay: false });
            }
        }

        let id = Uuid::now_v7();
        let number = order.number.clone().unwrap_or_else(number::random);
        insert(conn, id, &number, self.key, order, checked, now).await?;
        let mut appeared = vec![order_key(&id.to_string()), order_key(&number)];
        appeared.extend(payment_intent(order).as_ref().map(ToString::to_string));
        if let Some(payment) = &order.payment {
            let new = NewOrder {
                id,
                number: &number,
                total: checked.total,
                customer: &order.customer,
                shipping: order.shipping.as_ref(),
                payment,
                destination: order.destination.as_ref(),
            };
            self.take.open(conn, new, now).await.map_err(Failure::Answer)?;
        }
        (self.wake)(conn, appeared, now).await?;

        let answer = answer(conn, id).await?;
        match self.idempotency {
            Some(idempotency) if order.payment.is_some() => idempotency.begin(conn, id, now).await?,
            Some(idempotency) => idempotency.keep(conn, &answer, now).await?,
            None => {}
        }
        tracing::info!(order.id = %id, order.number = %number, "order placed");
        Ok(Placed { id: Some(id), answer, is_replay: false })
    }
}

async fn answer(conn: &mut PgConnection, id: Uuid) -> Result<Answer, Failure> {
    let placed = store::load(conn, &[id]).await?;
    let placed = placed.first().ok_or(sqlx::Error::RowNotFound)?;
    let body = serde_json::to_string(placed).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    Ok(Answer { status: StatusCode::CREATED, body })
}

/// The answer with what is told of the payment. That is never kept: it has secrets in it.
fn with_payment(answer: Answer, payment: Value) -> Answer {
    let Ok(Value::Object(mut body)) = serde_json::from_str(&answer.body) else { return answer };
    body.insert("payment".to_owned(), payment);
    Answer { body: Value::Object(body).to_string(), ..answer }
}

#[derive(Debug)]
enum Failure {
    Answer(ApiError),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
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
