//! What is sent: from a call that was written down to Stripe's parameters. The same call is the same bytes each time.

use uuid::Uuid;

use super::payment::{Ask, Capture, Mode, OrderPayment, StoredCall};
use super::record::Outcome;
use super::{Payments, store};
use crate::orders::Order;
use crate::orders::events::{ORDER_ID, REFUND_REQUEST};
use crate::stripe::params::{
    AutomaticPaymentMethods, CancelPaymentIntent, CancellationReason, CaptureMethod, CapturePaymentIntent,
    CardOptions, ConfirmPaymentIntent, ConfirmationMethod, NewCustomer, NewMetadata, NewPaymentIntent,
    NewRefund, NewTransferData, PaymentMethodOptions, RefundReason, SetupFutureUsage, UpdatePaymentIntent,
};
use crate::stripe::{Call, CallError, Client};

mod session;

/// What a call is about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub payment: &'a OrderPayment,
    pub order: &'a Order,
}

/// Why there is no object.
pub(super) enum Failed {
    Call(CallError),
    Database(sqlx::Error),
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Payments {
    /// Asks Stripe. Where that takes more than one request, each has a key that belongs to the call, so that all of
    /// them can be repeated.
    pub(super) async fn issue(
        &self,
        client: &Client,
        stored: &StoredCall,
        about: About<'_>,
    ) -> Result<Outcome, Failed> {
        let call = Call { idempotency_key: &stored.idempotency_key, account: None };
        let intent = about.payment.payment_intent.as_deref();
        let intent = || intent.ok_or(sqlx::Error::RowNotFound);
        let found = match &stored.ask {
            Ask::Create => {
                let customer = match &about.payment.stripe_customer {
                    None if about.payment.save_for_later => Some(self.customer(client, about).await?),
                    known => known.clone(),
                };
                client.create_payment_intent(&new_intent(about, customer), call).await?
            }
            Ask::Confirm { save_for_later, .. } => {
                // The intent was made without a customer, unless the order asked for one.
                if *save_for_later && !about.payment.save_for_later {
                    let customer = self.customer(client, about).await?;
                    let change = UpdatePaymentIntent { customer: Some(customer), ..Default::default() };
                    let key = format!("{}-customer", stored.idempotency_key);
                    let call = Call { idempotency_key: &key, account: None };
                    client.update_payment_intent(intent()?, &change, call).await?;
                }
                client.confirm_payment_intent(intent()?, &confirmation(&stored.ask), call).await?
            }
            Ask::ConfirmAgain => {
                client.confirm_payment_intent(intent()?, &confirmation(&stored.ask), call).await?
            }
            Ask::Capture { amount, application_fee } => {
                let how = CapturePaymentIntent {
                    amount_to_capture: Some(*amount),
                    application_fee_amount: *application_fee,
                    ..Default::default()
                };
                client.capture_payment_intent(intent()?, &how, call).await?
            }
            Ask::Cancel { reason } => {
                let how = CancelPaymentIntent {
                    cancellation_reason: reason.as_deref().and_then(cancellation_reason),
                    ..Default::default()
                };
                client.cancel_payment_intent(intent()?, &how, call).await?
            }
            Ask::OpenSession { expires_at } => {
                let new = session::new(about, *expires_at).ok_or(sqlx::Error::RowNotFound)?;
                let opened = client.create_checkout_session(&new, call).await?;
                return Ok(Outcome::Session(Box::new(opened)));
            }
            Ask::ExpireSession => {
                let session = about.payment.session().ok_or(sqlx::Error::RowNotFound)?;
                return Ok(session::expire(client, &session.id, call).await?);
            }
            Ask::Refund { request } => {
                let new = self.new_refund(*request, intent()?).await?;
                return Ok(Outcome::Refund(Box::new(client.create_refund(&new, call).await?)));
            }
        };
        Ok(Outcome::Intent(Box::new(found)))
    }

    /// The customer for whom something is kept. One for each order: an e-mail address that somebody typed is no proof
    /// that the cards that were kept under it before are theirs. Who was here before is named by the merchant.
    async fn customer(&self, client: &Client, about: About<'_>) -> Result<String, Failed> {
        if let Some(known) = &about.payment.stripe_customer {
            return Ok(known.clone());
        }
        let order = about.order;
        let new = NewCustomer {
            email: order.customer.email.clone(),
            name: order.customer.name.clone(),
            metadata: metadata(order),
            ..Default::default()
        };
        let key = format!("packline-{}-customer-1", order.id.simple());
        let made = client.create_customer(&new, Call { idempotency_key: &key, account: None }).await?;
        let mut conn = self.pool().acquire().await?;
        let kept = store::keep_customer(&mut conn, order.id, made.as_str(), self.now()).await?;
        Ok(kept.unwrap_or(made.0))
    }

    async fn new_refund(&self, request: Uuid, intent: &str) -> Result<NewRefund, sqlx::Error> {
        let asked = store::load_refund(&mut *self.pool().acquire().await?, request).await?;
        Ok(NewRefund {
            payment_intent: Some(intent.to_owned()),
            amount: Some(asked.amount),
            reason: asked.reason.as_deref().and_then(refund_reason),
            reverse_transfer: asked.reverse_transfer.then_some(true),
            refund_application_fee: asked.refund_application_fee.then_some(true),
            metadata: [
                (ORDER_ID.to_owned(), asked.order_id.to_string()),
                (REFUND_REQUEST.to_owned(), request.to_string()),
            ]
            .into(),
            ..Default::default()
        })
    }
}

fn metadata(order: &Order) -> NewMetadata {
    [(ORDER_ID.to_owned(), order.id.to_string()), ("order_number".to_owned(), order.number.clone())].into()
}

fn new_intent(About { payment, order }: About<'_>, customer: Option<String>) -> NewPaymentIntent {
    let by_server = payment.mode == Mode::Server;
    NewPaymentIntent {
        amount: order.amount_total,
        currency: order.currency.to_string(),
        customer,
        description: Some(format!("Order {}", order.number)),
        payment_method: payment.payment_method.clone(),
        // Methods that lead elsewhere need a page to come back to: a server has none.
        payment_method_types: if by_server { vec!["card".to_owned()] } else { Vec::new() },
        automatic_payment_methods: (!by_server)
            .then_some(AutomaticPaymentMethods { enabled: true, allow_redirects: None }),
        confirm: payment.off_session.then_some(true),
        off_session: payment.off_session.then_some(true),
        confirmation_method: by_server.then_some(ConfirmationMethod::Manual),
        capture_method: (payment.capture == Capture::Manual).then_some(CaptureMethod::Manual),
        setup_future_usage: (payment.save_for_later && !payment.off_session)
            .then_some(SetupFutureUsage::OffSession),
        receipt_email: payment.receipt_email.clone(),
        statement_descriptor_suffix: payment.statement_suffix.clone(),
        application_fee_amount: (payment.application_fee > 0).then_some(payment.application_fee),
        transfer_data: payment
            .destination
            .clone()
            .map(|destination| NewTransferData { destination, amount: None }),
        on_behalf_of: payment.destination.clone().filter(|_| payment.on_behalf_of),
        metadata: metadata(order),
        ..Default::default()
    }
}

fn confirmation(ask: &Ask) -> ConfirmPaymentIntent {
    let Ask::Confirm { payment_method, cvc_token, save_for_later } = ask else {
        return ConfirmPaymentIntent::default();
    };
    let card = |cvc_token: &String| CardOptions { cvc_token: Some(cvc_token.clone()), ..Default::default() };
    ConfirmPaymentIntent {
        payment_method: Some(payment_method.clone()),
        payment_method_options: cvc_token
            .as_ref()
            .map(|cvc_token| PaymentMethodOptions { card: Some(card(cvc_token)) }),
        setup_future_usage: save_for_later.then_some(SetupFutureUsage::OffSession),
        // 3-D Secure is a step for Stripe.js, in the page.
        use_stripe_sdk: Some(true),
        ..Default::default()
    }
}

fn cancellation_reason(text: &str) -> Option<CancellationReason> {
    serde_json::from_value(text.into()).ok()
}

fn refund_reason(text: &str) -> Option<RefundReason> {
    serde_json::from_value(text.into()).ok()
}
