//! What a page that pays for an order needs to know, and nothing that is not for the customer.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::payment::{CallState, Capture, Mode, Operation, Shown};
use super::{Payments, state, store};
use crate::api::ApiError;
use crate::orders::{self, Line, PaymentStatus};

/// How far an order is, for the page that pays for it. Amounts in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckoutState {
    pub order_id: Uuid,
    pub number: String,
    pub currency: String,
    pub amount_total: i64,
    pub lines: Vec<Line>,
    /// Moved by Stripe's events only.
    pub payment_status: PaymentStatus,
    /// The one word for people.
    pub status: String,
    pub mode: Mode,
    /// Whether the money moves at once.
    pub capture: Capture,
    /// Whether the card is kept for later.
    pub save_for_later: bool,
    /// Stripe's status of the intent, as told last.
    pub intent_status: Option<String>,
    /// Stripe has answered that it went through, and its event is awaited: thank the customer, ship nothing.
    pub is_awaiting_event: bool,
    /// A try is under way, or its outcome is not known yet.
    pub is_processing: bool,
    /// For Stripe.js; while there is something to pay.
    pub client_secret: Option<String>,
    /// In mode `checkout`: the page of Stripe's that takes the payment; while there is something to pay.
    pub url: Option<String>,
    pub publishable_key: Option<String>,
    pub js_url: String,
    /// Why the last try failed.
    pub error: Option<Shown>,
}

impl Payments {
    pub(super) async fn checkout_state(&self, order_id: Uuid) -> Result<CheckoutState, ApiError> {
        let stripe = self.stripe()?;
        let payment = self.payment(order_id).await?;
        let mut conn = self.pool().acquire().await?;
        let order = orders::load(&mut conn, &[order_id]).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
        let trying = [Operation::Create, Operation::Confirm, Operation::OpenSession];
        let calls = store::list_calls(&mut conn, order_id, &trying).await?;
        let url = payment.session().and_then(|session| session.url.clone());

        let is_taken = payment.intent_status.as_deref().is_some_and(state::is_taken);
        let is_settled = matches!(
            order.payment_status,
            PaymentStatus::Paid
                | PaymentStatus::PartiallyRefunded
                | PaymentStatus::Refunded
                | PaymentStatus::Cancelled
                | PaymentStatus::Authorised
        );
        let has_failed = order.payment_status == PaymentStatus::PaymentFailed;
        let is_awaiting_event = is_taken && !is_settled;
        let refused = calls.first().filter(|call| call.state == CallState::Refused || call.shown.is_some());
        let refused = refused.and_then(|call| call.shown.clone());
        // Only an event tells why it failed where the browser confirms, or a debit failed days later.
        let error = refused.or(payment.declined.filter(|_| has_failed));
        Ok(CheckoutState {
            order_id,
            number: order.number,
            currency: order.currency.to_string(),
            amount_total: order.amount_total,
            lines: order.lines,
            payment_status: order.payment_status,
            status: order.status,
            mode: payment.mode,
            capture: payment.capture,
            save_for_later: payment.save_for_later,
            is_awaiting_event,
            is_processing: calls.iter().any(|call| call.is_open()),
            client_secret: payment.client_secret.filter(|_| !is_settled),
            url: url.filter(|_| !is_settled && !is_awaiting_event),
            publishable_key: stripe.publishable_key.clone(),
            js_url: stripe.js_url.to_string(),
            error: error.filter(|_| !is_settled && !is_awaiting_event),
            intent_status: payment.intent_status,
        })
    }
}
