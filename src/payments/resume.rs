//! Finding out what became of calls whose outcome is not known: the process died in between, an answer was lost,
//! Stripe was out of reach. While Stripe knows the key, the same call is asked again; later the object is looked at.

use futures_util::StreamExt;
use time::Duration;

use super::payment::{Ask, OrderPayment, StoredCall};
use super::record::{Outcome, is_captured};
use super::state::{KEY_REUSED, KEYS_LAST};
use super::{Payments, store};
use crate::orders::events::{ORDER_ID, REFUND_REQUEST};
use crate::stripe::params::{CreatedAfter, ListCheckoutSessions, ListPaymentIntents, ListRefunds};
use crate::stripe::{CallError, CheckoutSession, Client, PaymentIntent};

/// Calls of one step.
const AT_ONCE: i64 = 10;
/// For so long the calls of a step are this worker's.
const TAKEN_FOR: Duration = Duration::minutes(5);
/// How far what a call made may lie outside of the time in which it was tried.
const AROUND: Duration = Duration::hours(1);

/// The worker that finds out what became of calls.
#[derive(Clone)]
pub struct Resumer {
    payments: Payments,
}

impl Resumer {
    /// A worker.
    pub fn new(payments: Payments) -> Self {
        Self { payments }
    }

    /// Takes up calls that are due; returns how many. None means that nothing is due.
    ///
    /// # Errors
    /// The database is out of reach. Nothing is lost: what was not recorded is due again.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        let payments = &self.payments;
        if payments.0.stripe.is_none() {
            return Ok(0);
        }
        let now = payments.now();
        let due = {
            let mut conn = payments.pool().acquire().await?;
            store::take_due(&mut conn, now + TAKEN_FOR, AT_ONCE, now).await?
        };
        let mut tried = Ok(());
        for id in &due {
            // One that cannot be recorded must not hold up the others; it is due again.
            if let Err(error) = payments.attempt(*id).await {
                tracing::error!(call.id = %id, %error, "a call to Stripe could not be taken up");
                tried = Err(error);
            }
        }
        tried.map(|()| due.len())
    }
}

/// Looks what became of a call whose key is too old. Looking changes nothing, so nothing is known by a look that failed.
pub(super) async fn look(client: &Client, call: &StoredCall, payment: &OrderPayment) -> Outcome {
    let session = payment.session().map(|session| session.id.as_str());
    find(client, call, payment.payment_intent.as_deref(), session).await.unwrap_or_else(|error| {
        Outcome::Unknown {
            why: format!("its key is too old to ask again, and looking for it failed: {error}"),
            code: Some(KEY_REUSED),
        }
    })
}

/// Looks at the object that a call was to make or change.
async fn find(
    client: &Client,
    call: &StoredCall,
    intent: Option<&str>,
    session: Option<&str>,
) -> Result<Outcome, CallError> {
    if let Ask::Create = call.ask {
        let found = match intent {
            Some(id) => Some(client.retrieve_payment_intent(id, None).await?),
            None => find_intent(client, call).await?,
        };
        let never = || Outcome::NeverDone("Stripe made no PaymentIntent for this order".to_owned());
        return Ok(found.map_or_else(never, |intent| Outcome::Intent(Box::new(intent))));
    }
    if let Ask::OpenSession { .. } = call.ask {
        let found = match session {
            Some(id) => Some(client.retrieve_checkout_session(id, None).await?),
            None => find_session(client, call).await?,
        };
        let never = || Outcome::NeverDone("Stripe opened no Checkout Session for this order".to_owned());
        return Ok(found.map_or_else(never, |session| Outcome::Session(Box::new(session))));
    }
    if let (Ask::ExpireSession, Some(id)) = (&call.ask, session) {
        let session = client.retrieve_checkout_session(id, None).await?;
        let never = || Outcome::NeverDone("Stripe did not close the Checkout Session: it is open".to_owned());
        let is_open = session.status.as_deref() == Some("open");
        return Ok(if is_open { never() } else { Outcome::Session(Box::new(session)) });
    }
    let Some(id) = intent else {
        return Ok(Outcome::NeverDone("the order has no PaymentIntent".to_owned()));
    };
    if let Ask::Refund { request } = call.ask {
        let filter = ListRefunds { payment_intent: Some(id.to_owned()), ..Default::default() };
        let mut refunds = client.list_refunds(filter, None);
        while let Some(refund) = refunds.next().await {
            let refund = refund?;
            if refund.metadata.get(REFUND_REQUEST) == Some(&request.to_string()) {
                return Ok(Outcome::Refund(Box::new(refund)));
            }
        }
        return Ok(Outcome::NeverDone("Stripe made no such refund; ask for it again".to_owned()));
    }
    let intent = client.retrieve_payment_intent(id, None).await?;
    let is_done = match call.ask {
        Ask::Capture { amount, .. } => is_captured(&intent, amount),
        Ask::Cancel { .. } => intent.status == "canceled",
        // Back where it was, it was tried if there is an error.
        _ => match intent.status.as_str() {
            "requires_payment_method" => intent.last_payment_error.is_some(),
            status => status != "requires_confirmation",
        },
    };
    let status = intent.status.clone();
    let never = || Outcome::NeverDone(format!("Stripe did not do it: the PaymentIntent is {status}"));
    Ok(if is_done { Outcome::Intent(Box::new(intent)) } else { never() })
}

/// All that were made while a call was tried, for what is not found is made anew. Stripe's clock may be a little off
/// ours.
fn made_by(call: &StoredCall) -> CreatedAfter {
    CreatedAfter {
        gte: Some((call.opened_at - AROUND).unix_timestamp()),
        lt: Some((call.opened_at + KEYS_LAST + AROUND).unix_timestamp()),
    }
}

async fn find_session(client: &Client, call: &StoredCall) -> Result<Option<CheckoutSession>, CallError> {
    let filter = ListCheckoutSessions { created: Some(made_by(call)), ..Default::default() };
    let mut sessions = client.list_checkout_sessions(filter, None);
    let order = call.order_id.to_string();
    while let Some(session) = sessions.next().await {
        let session = session?;
        if session.metadata.get(ORDER_ID) == Some(&order) {
            return Ok(Some(session));
        }
    }
    Ok(None)
}

async fn find_intent(client: &Client, call: &StoredCall) -> Result<Option<PaymentIntent>, CallError> {
    let filter = ListPaymentIntents { created: Some(made_by(call)), ..Default::default() };
    let mut intents = client.list_payment_intents(filter, None);
    let order = call.order_id.to_string();
    while let Some(intent) = intents.next().await {
        let intent = intent?;
        if intent.metadata.get(ORDER_ID) == Some(&order) {
            return Ok(Some(intent));
        }
    }
    Ok(None)
}
