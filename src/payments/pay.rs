//! `POST /pay`: a browser tries to pay, or goes on after a step that its bank asked for.

use uuid::Uuid;

use super::call::GIVEN_UP_AFTER;
use super::payment::{CallState, Mode, Operation, OrderPayment, Shown, StoredCall};
use super::state::{self, PayAnswer, PayAsk, PayDecision, PayFacts};
use super::{Payments, store, take};
use crate::api::ApiError;
use crate::orders::{self, LockedOrder, PaymentStatus};

/// What is done about a request, once it is committed.
enum Plan {
    Answer(PayAnswer),
    Run(Uuid),
    Look(String),
}

impl Payments {
    /// Pays, as far as this request can.
    ///
    /// # Errors
    /// The payment is not taken here, or the database is out of reach. All else is an answer.
    pub(super) async fn pay(&self, order_id: Uuid, ask: &PayAsk) -> Result<PayAnswer, ApiError> {
        let payment = self.payment(order_id).await?;
        let has_intent = payment.payment_intent.is_some() || payment.mode == Mode::Checkout;
        if !has_intent && self.ensure_intent(order_id).await.is_err() {
            let mut conn = self.pool().acquire().await?;
            let order = orders::load(&mut conn, &[order_id]).await?.pop();
            let is_called_off = order.is_some_and(|order| order.payment_status == PaymentStatus::Cancelled);
            return Ok(PayAnswer::Error(if is_called_off {
                Shown::order_cancelled()
            } else {
                unavailable()
            }));
        }
        let mut has_looked = false;
        loop {
            match self.plan_pay(order_id, ask, has_looked).await? {
                Plan::Answer(answer) => return Ok(answer),
                Plan::Run(call) => {
                    let call = self.run(call).await?;
                    let payment = self.payment(order_id).await?;
                    return Ok(answer(&call, &payment));
                }
                Plan::Look(_) if has_looked => return Ok(PayAnswer::Error(Shown::processing())),
                Plan::Look(intent) => {
                    if !self.look(order_id, &intent).await? {
                        return Ok(PayAnswer::Error(Shown::processing()));
                    }
                    has_looked = true;
                }
            }
        }
    }

    async fn plan_pay(&self, order_id: Uuid, ask: &PayAsk, has_looked: bool) -> Result<Plan, ApiError> {
        let now = self.now();
        let mut tx = self.pool().begin().await?;
        let order = LockedOrder::lock(&mut tx, order_id).await?.ok_or_else(take::not_ours)?;
        let payment = store::load_payment(&mut tx, order_id).await?.ok_or_else(take::not_ours)?;
        let mut calls = store::list_calls(&mut tx, order_id, &Operation::CHANGING).await?;
        calls.retain(|call| call.is_open() || call.ask.operation() == Operation::Confirm);
        let facts =
            PayFacts { order: order.payment_status(), payment: &payment, calls: &calls, has_looked, now };
        let plan = match state::on_pay(&facts, ask) {
            PayDecision::Answer(answer) => Plan::Answer(answer),
            PayDecision::Look => Plan::Look(payment.payment_intent.clone().unwrap_or_default()),
            PayDecision::Join => match calls.iter().find(|call| call.is_open()) {
                Some(open) => Plan::Run(open.id),
                None => Plan::Answer(PayAnswer::Error(Shown::processing())),
            },
            PayDecision::Try(ask) => {
                match store::insert_call(&mut tx, order_id, &ask, now + GIVEN_UP_AFTER, now).await? {
                    Some(call) => Plan::Run(call.id),
                    None => Plan::Answer(PayAnswer::Error(Shown::processing())),
                }
            }
        };
        tx.commit().await?;
        Ok(plan)
    }

    /// Looks how far the intent is and keeps it; false where Stripe does not say.
    async fn look(&self, order_id: Uuid, intent: &str) -> Result<bool, ApiError> {
        let Ok(intent) = self.stripe()?.client.retrieve_payment_intent(intent, None).await else {
            return Ok(false);
        };
        let mut tx = self.pool().begin().await?;
        if let Some(order) = LockedOrder::lock(&mut tx, order_id).await? {
            self.keep_intent(&mut tx, &order, &intent, false, self.now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

fn unavailable() -> Shown {
    Shown::new(
        "try_again",
        "The payment could not be made just now. Nothing was charged; please try again in a moment.",
    )
}

/// What the browser is told of its try.
fn answer(call: &StoredCall, payment: &OrderPayment) -> PayAnswer {
    let status = payment.intent_status.as_deref().unwrap_or_default();
    match (call.state, &payment.client_secret) {
        (CallState::Done, _) if state::is_taken(status) => PayAnswer::Success,
        (CallState::Done, Some(secret)) if status == "requires_action" => {
            PayAnswer::RequiresAction { client_secret: secret.clone() }
        }
        (CallState::Refused, _) => {
            let shown = call.shown.clone();
            PayAnswer::Error(shown.unwrap_or_else(|| state::shown(false, None, None, None)))
        }
        (CallState::NotDone, _) => PayAnswer::Error(unavailable()),
        (CallState::Open | CallState::Done, _) => PayAnswer::Error(Shown::processing()),
    }
}
