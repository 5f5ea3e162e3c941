//! Capturing what is authorised, and calling a payment off. Both can be asked for again: the same answer, once done.

use actix_web::http::StatusCode;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::call::GIVEN_UP_AFTER;
use super::payment::{Ask, CallState, Capture, Operation, OrderPayment, StoredCall};
use super::store::{self, Closing};
use super::{Payments, state, take};
use crate::api::{ApiError, ApiKey, FieldError};
use crate::money::Money;
use crate::orders::{Cause, LockedOrder, PaymentStatus, Step};

/// Why an order without an intent is called off.
const NEVER_KNOWN: &str = "called off before Stripe knew of it";

/// What is done about a request, once it is committed.
enum Plan {
    /// It is done.
    Done,
    Run(Uuid),
    /// Its event has told that this call was done, and its answer was lost: it is asked for first.
    Settle(Uuid),
    /// The intent is not there yet: its making goes first.
    Make,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    /// It is asked, and not known to be done; the worker follows it up.
    UnderWay,
}

impl Payments {
    /// Captures an amount of an authorised payment, or all of it; the rest is let go.
    ///
    /// # Errors
    /// 409 where there is nothing to capture, 422 for an amount that is too much, 402 where Stripe refuses, 503 where
    /// nothing was done.
    pub(super) async fn capture(
        &self,
        key: ApiKey,
        order_id: Uuid,
        amount: Option<i64>,
    ) -> Result<Progress, ApiError> {
        self.stripe()?;
        let mut plan = self.plan_capture(key, order_id, amount).await?;
        if let Plan::Settle(call) = plan {
            self.run(call).await?;
            plan = self.plan_capture(key, order_id, amount).await?;
        }
        match plan {
            Plan::Done | Plan::Make => Ok(Progress::Done),
            Plan::Run(call) => progress(&self.run(call).await?, "captured"),
            Plan::Settle(_) => Err(take::in_progress()),
        }
    }

    async fn plan_capture(&self, key: ApiKey, order_id: Uuid, amount: Option<i64>) -> Result<Plan, ApiError> {
        let now = self.now();
        let mut tx = self.pool().begin().await?;
        let (mut order, payment, calls) = self.locked(&mut tx, order_id).await?;
        let total = order.total();
        let wanted = amount.unwrap_or(total.amount);
        if !(1..=total.amount).contains(&wanted) {
            let message = format!("give minor units from 1 to {}, the order's total", total.amount);
            return Err(ApiError::invalid(vec![FieldError::new("amount", message)]));
        }
        let of_amount =
            |call: &&StoredCall| matches!(call.ask, Ask::Capture { amount, .. } if amount == wanted);
        if let Some(open) = calls.iter().find(|call| call.is_open()) {
            if is_settled_by_event(open, &order) {
                return Ok(Plan::Settle(open.id));
            }
            return Some(open).filter(of_amount).map(|open| Plan::Run(open.id)).ok_or_else(take::in_progress);
        }
        let captured = calls
            .iter()
            .find(|call| call.state == CallState::Done && call.ask.operation() == Operation::Capture);
        if let Some(captured) = captured {
            let message = "another amount was captured already; what is not captured is let go";
            return Some(captured)
                .filter(of_amount)
                .map(|_| Plan::Done)
                .ok_or_else(|| ApiError::conflict("captured_already", message));
        }
        if payment.capture == Capture::Automatic {
            let message = "the payment is captured by itself: the order was placed without capture: manual";
            return Err(ApiError::conflict("captured_automatically", message));
        }
        let is_authorised = order.payment_status() == PaymentStatus::Authorised
            || payment.intent_status.as_deref() == Some("requires_capture");
        if !is_authorised || order.amount_paid() > 0 {
            let message = format!("there is nothing to capture: the payment is {}", order.payment_status());
            return Err(ApiError::conflict("not_authorised", message));
        }

        // Asked for before it arrives: when it does, the order counts as paid and not as paid too little.
        let ask_for = (wanted < total.amount).then_some(wanted);
        let cause = Cause::Api(key.id);
        let consequences = order.steer(&mut tx, Step::AskFor(ask_for), &cause, now).await?;
        (self.0.neighbours.follow)(&mut tx, consequences, now).await?;
        let application_fee = fee_on(&mut tx, &payment, total, wanted, now).await?;
        let ask = Ask::Capture { amount: wanted, application_fee };
        let call = store::insert_call(&mut tx, order_id, &ask, now + GIVEN_UP_AFTER, now).await?;
        let call = call.ok_or_else(take::in_progress)?;
        tx.commit().await?;
        tracing::info!(order.id = %order_id, amount = %Money { amount: wanted, ..total }, "capture asked for");
        Ok(Plan::Run(call.id))
    }

    /// Calls an order's payment off, before anything was captured.
    ///
    /// # Errors
    /// 409 where it is paid or being paid, 402 where Stripe refuses, 503 where nothing was done.
    pub(super) async fn cancel(
        &self,
        key: ApiKey,
        order_id: Uuid,
        reason: Option<String>,
    ) -> Result<Progress, ApiError> {
        self.stripe()?;
        if matches!(self.plan_cancel(key, order_id, reason.clone()).await?, Plan::Make) {
            // What may have been made is found out first; a refusal leaves nothing to call off.
            let made = self.ensure_intent(order_id).await;
            if let Plan::Make = self.plan_cancel(key, order_id, reason.clone()).await? {
                return made.map(|_| Progress::UnderWay);
            }
        }
        let mut plan = self.plan_cancel(key, order_id, reason.clone()).await?;
        if let Plan::Settle(call) = plan {
            self.run(call).await?;
            plan = self.plan_cancel(key, order_id, reason).await?;
        }
        match plan {
            Plan::Done | Plan::Make => Ok(Progress::Done),
            Plan::Run(call) => progress(&self.run(call).await?, "called off"),
            Plan::Settle(_) => Err(take::in_progress()),
        }
    }

    async fn plan_cancel(
        &self,
        key: ApiKey,
        order_id: Uuid,
        reason: Option<String>,
    ) -> Result<Plan, ApiError> {
        let now = self.now();
        let mut tx = self.pool().begin().await?;
        let (mut order, payment, calls) = self.locked(&mut tx, order_id).await?;
        if order.amount_paid() > 0 || payment.intent_status.as_deref() == Some("succeeded") {
            return Err(take::paid_already());
        }
        let is_called_off = payment.intent_status.as_deref() == Some("canceled");
        if order.payment_status() == PaymentStatus::Cancelled || is_called_off {
            return Ok(Plan::Done);
        }
        if let Some(open) = calls.iter().find(|call| call.is_open()) {
            let open = store::lock_call(&mut tx, open.id).await?;
            match open.ask {
                Ask::Cancel { .. } | Ask::ExpireSession => return Ok(Plan::Run(open.id)),
                // Stripe surely knows nothing of it, and now never will.
                Ask::Create | Ask::OpenSession { .. } if open.is_open() && open.tries == open.clear_tries => {
                    let closing = Closing { reason: Some(NEVER_KNOWN), ..Closing::default() };
                    store::close_call(&mut tx, open.id, CallState::NotDone, &closing, now).await?;
                }
                Ask::Create | Ask::OpenSession { .. } => return Ok(Plan::Make),
                _ if is_settled_by_event(&open, &order) => return Ok(Plan::Settle(open.id)),
                _ => return Err(take::in_progress()),
            }
        }
        let session = payment.session();
        if session.is_some_and(|session| session.status.as_deref() == Some("expired")) {
            return Ok(Plan::Done);
        }
        if payment.payment_intent.is_none() && session.is_none() {
            let reason = reason.unwrap_or_else(|| NEVER_KNOWN.to_owned());
            let step = Step::CallOff { reason };
            let consequences = order.steer(&mut tx, step, &Cause::Api(key.id), now).await?;
            (self.0.neighbours.follow)(&mut tx, consequences, now).await?;
            tx.commit().await?;
            return Ok(Plan::Done);
        }
        // What is reserved or under way was begun on a page that is closed, though its event may not be here yet.
        let is_taken = payment.intent_status.as_deref().is_some_and(state::is_taken);
        let ask = match session {
            // Its PaymentIntent, if there is one, ends with it.
            Some(session) if session.is_open() && !is_taken => Ask::ExpireSession,
            Some(_) if payment.payment_intent.is_none() => return Err(take::in_progress()),
            _ => Ask::Cancel { reason },
        };
        let call = store::insert_call(&mut tx, order_id, &ask, now + GIVEN_UP_AFTER, now).await?;
        let call = call.ok_or_else(take::in_progress)?;
        tx.commit().await?;
        Ok(Plan::Run(call.id))
    }

    async fn locked(
        &self,
        conn: &mut PgConnection,
        order_id: Uuid,
    ) -> Result<(LockedOrder, OrderPayment, Vec<StoredCall>), ApiError> {
        let order = LockedOrder::lock(conn, order_id).await?.ok_or_else(take::not_ours)?;
        let payment = store::load_payment(conn, order_id).await?.ok_or_else(take::not_ours)?;
        let calls = store::list_calls(conn, order_id, &Operation::CHANGING).await?;
        Ok((order, payment, calls))
    }
}

/// The commission on what is captured, where there is one. An earlier try to capture less may have been refused: what
/// counts is the commission, never the fee that was worked out then.
async fn fee_on(
    conn: &mut PgConnection,
    payment: &OrderPayment,
    total: Money,
    captured: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Option<i64>> {
    if payment.destination.is_none() || payment.commission.fee(total.amount) == 0 {
        return Ok(None);
    }
    let fee = payment.commission.fee(captured);
    store::set_application_fee(conn, payment.order_id, fee, now).await?;
    Ok(Some(fee))
}

/// Whether an open call is a try to pay that has surely succeeded: its event was there before its answer.
fn is_settled_by_event(open: &StoredCall, order: &LockedOrder) -> bool {
    order.payment_status() == PaymentStatus::Authorised && open.ask.operation() == Operation::Confirm
}

fn progress(call: &StoredCall, done: &str) -> Result<Progress, ApiError> {
    let why = call.reason.as_deref().unwrap_or("no answer yet");
    match call.state {
        CallState::Done => Ok(Progress::Done),
        CallState::Open => Ok(Progress::UnderWay),
        CallState::Refused => Err(ApiError::new(
            StatusCode::PAYMENT_REQUIRED,
            "refused_by_stripe",
            format!("the payment was not {done}: {why}"),
        )),
        CallState::NotDone => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stripe_unavailable",
            format!("the payment was not {done}, nothing was done: {why}; ask again"),
        )),
    }
}
