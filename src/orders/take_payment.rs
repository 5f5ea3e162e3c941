//! The seam between placing an order and taking its payment. Orders do not know payments: the server hands them in.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Customer, Shipping};
use crate::api::{ApiError, FieldError};
use crate::money::Money;

/// An order that is being placed.
#[derive(Clone, Copy, Debug)]
pub struct NewOrder<'o> {
    /// Our id.
    pub id: Uuid,
    /// The name that people use.
    pub number: &'o str,
    /// What is asked.
    pub total: Money,
    /// Who bought.
    pub customer: &'o Customer,
    /// Where to send.
    pub shipping: Option<&'o Shipping>,
    /// What the merchant's back end asked for the payment: the field `payment` of its request.
    pub payment: &'o Value,
    /// Who gets the money: the field `destination`.
    pub destination: Option<&'o Value>,
}

/// Takes the payment of orders, in three steps with a commit after the second, so that nothing that Stripe did can be
/// forgotten and nothing is asked of it while a transaction is open.
pub trait TakePayment: Send + Sync {
    /// Checks what is asked, before anything is written. All faults at once, with the paths of their fields.
    ///
    /// # Errors
    /// What cannot be served at all, such as a payment where no key of Stripe's is set.
    fn check(&self, payment: &Value, destination: Option<&Value>) -> Result<Vec<FieldError>, ApiError>;

    /// Writes what the payment needs, in the transaction that places the order.
    fn open<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        order: NewOrder<'a>,
        now: OffsetDateTime,
    ) -> BoxFuture<'a, Result<(), ApiError>>;

    /// Makes the PaymentIntent, or finds it made, after the order is committed; returns what the caller is told of it.
    fn begin(&self, order_id: Uuid) -> BoxFuture<'_, Result<Value, ApiError>>;

    /// What is known of the payments of orders, for people; nothing of orders that are paid otherwise.
    fn describe<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        order_ids: &'a [Uuid],
    ) -> BoxFuture<'a, sqlx::Result<HashMap<Uuid, Value>>>;
}
