//! What people are told of the payments of orders. No secrets, except to whoever placed the order just now.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::payment::{Capture, Mode, Operation, OrderPayment, StoredCall};
use super::store;
use crate::money::Commission;

/// What is known of the payment of an order. Amounts in minor units of the order's currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PaymentReport {
    /// Who confirms.
    pub mode: Mode,
    /// When the money moves.
    pub capture: Capture,
    /// Whether it was charged at once, without the customer.
    pub off_session: bool,
    /// Whether the payment method is kept for later charges.
    pub save_for_later: bool,
    /// `pi_…`; none until Stripe has made it.
    pub payment_intent: Option<String>,
    /// Stripe's status of the intent, as told last: news, on which nothing is shipped.
    pub intent_status: Option<String>,
    /// `cus_…`
    pub customer: Option<String>,
    /// The connected account that gets the money, `acct_…`.
    pub destination: Option<String>,
    /// What the platform keeps, where there is a destination.
    pub commission: Option<Commission>,
    /// Whether that account is the business that the customer sees.
    pub on_behalf_of: bool,
    /// What the commission comes to, on what is asked for or was captured.
    pub application_fee: i64,
    /// `cs_…`, in mode `checkout`; none until Stripe has opened it.
    pub session: Option<String>,
    /// In mode `checkout`: the page of Stripe's on which the customer pays, while it is open.
    pub url: Option<String>,
    /// `open`, `complete` or `expired`, as told last: news, on which nothing is shipped.
    pub session_status: Option<String>,
    /// Until when the page can be paid on.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Why the last try to pay failed, or the last call to Stripe did not do what it was to do.
    pub problem: Option<String>,
    /// Stripe's code for that.
    pub problem_code: Option<String>,
    /// The call whose outcome is not known yet.
    pub open_call: Option<OpenCall>,
}

/// A call to Stripe that is under way, or whose outcome is not known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenCall {
    /// What it does.
    pub operation: Operation,
    /// Which of that kind, from 1.
    pub attempt: i32,
    /// The same in each try.
    pub idempotency_key: String,
    /// How often it was tried.
    pub tries: i32,
    /// How the last try ended.
    pub reason: Option<String>,
}

/// What whoever places an order is told of its payment, once: with what a browser needs to pay.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NewPayment {
    /// What everybody is told.
    #[serde(flatten)]
    pub report: PaymentReport,
    /// For Stripe.js.
    pub client_secret: Option<String>,
    /// For Stripe.js, `pk_…`.
    pub publishable_key: Option<String>,
    /// The page of Packline that takes the payment.
    pub checkout_url: Option<String>,
    /// Lets a browser pay for this order, and nothing else.
    pub checkout_token: String,
}

/// Reports the payments of orders; nothing of orders that are paid otherwise.
///
/// # Errors
/// The database's.
pub async fn report(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, PaymentReport>> {
    let mut reports = HashMap::new();
    for payment in store::load_payments(conn, order_ids).await? {
        let calls = store::list_calls(conn, payment.order_id, &Operation::CHANGING).await?;
        let open = calls.into_iter().find(|call| call.is_open()).map(OpenCall::from);
        reports.insert(payment.order_id, PaymentReport::new(payment, open));
    }
    Ok(reports)
}

impl PaymentReport {
    fn new(payment: OrderPayment, open_call: Option<OpenCall>) -> Self {
        let session = payment.session().cloned();
        Self {
            url: session.as_ref().and_then(|session| session.url.clone()),
            session_status: session.as_ref().and_then(|session| session.status.clone()),
            expires_at: session.as_ref().and_then(|session| session.expires_at),
            session: session.map(|session| session.id),
            mode: payment.mode,
            capture: payment.capture,
            off_session: payment.off_session,
            save_for_later: payment.save_for_later,
            payment_intent: payment.payment_intent,
            intent_status: payment.intent_status,
            customer: payment.stripe_customer,
            commission: payment.destination.is_some().then_some(payment.commission),
            destination: payment.destination,
            on_behalf_of: payment.on_behalf_of,
            application_fee: payment.application_fee,
            problem: payment.problem,
            problem_code: payment.problem_code,
            open_call,
        }
    }
}

impl From<StoredCall> for OpenCall {
    fn from(call: StoredCall) -> Self {
        Self {
            operation: call.ask.operation(),
            attempt: call.attempt,
            idempotency_key: call.idempotency_key,
            tries: call.tries,
            reason: call.reason,
        }
    }
}
