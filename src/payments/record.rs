//! What a call came to, written down: the call, the payment, and what the order learns of it, in one transaction.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::payment::{Ask, CallState, RefundState, Shown, StoredCall};
use super::state::{self, Ended, Failure, KEY_REUSED};
use super::store::{self, Closing, IntentNews, SessionNews};
use super::{Payments, hear};
use crate::orders::{Cause, HoldKind, LockedOrder, Ref, RefKind, SettleError, Step};
use crate::stripe::{self, CallError, CheckoutSession, PaymentIntent, Refusal, UnknownCause};

/// What a try came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Stripe answered with the intent.
    Intent(Box<PaymentIntent>),
    /// Stripe answered with the refund.
    Refund(Box<stripe::Refund>),
    /// Stripe answered with the Checkout Session.
    Session(Box<CheckoutSession>),
    /// Stripe said no.
    Refused(Box<Refusal>),
    /// Stripe surely did nothing this time.
    NotDone(String),
    /// Nobody knows.
    Unknown { why: String, code: Option<&'static str> },
    /// It was looked for once its key was too old, and Stripe never did it.
    NeverDone(String),
}

impl Outcome {
    pub(super) fn of(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => Self::Refused(refusal),
            CallError::NotDone(not_done) => Self::NotDone(not_done.to_string()),
            CallError::Unknown(unknown) => Self::Unknown {
                code: (unknown.cause == UnknownCause::KeyReused).then_some(KEY_REUSED),
                why: unknown.to_string(),
            },
        }
    }

    /// How the intent is now, as far as it is told.
    fn intent(&self) -> Option<&PaymentIntent> {
        match self {
            Self::Intent(intent) => Some(intent),
            Self::Refused(refusal) => refusal.payment_intent.as_deref(),
            _ => None,
        }
    }
}

/// What is written of a call.
struct Verdict {
    ended: Ended,
    reason: Option<String>,
    code: Option<String>,
    shown: Option<Shown>,
}

impl Verdict {
    fn done() -> Self {
        Self { ended: Ended::Done, reason: None, code: None, shown: None }
    }
}

impl Payments {
    /// Writes what a try came to. Of two tries under one key the first that settles it counts: both say the same.
    pub(super) async fn record(&self, call: &StoredCall, outcome: Outcome) -> sqlx::Result<()> {
        let now = self.now();
        let mut tx = self.pool().begin().await?;
        let Some(mut order) = LockedOrder::lock(&mut tx, call.order_id).await? else {
            return Err(sqlx::Error::RowNotFound);
        };
        let call = store::lock_call(&mut tx, call.id).await?;
        if matches!(call.state, CallState::Done | CallState::Refused) {
            return Ok(());
        }
        if let Some(intent) = outcome.intent() {
            let is_made = matches!(call.ask, Ask::Create);
            self.keep_intent(&mut tx, &order, intent, is_made, now).await?;
        }
        if let Outcome::Session(session) = &outcome {
            self.keep_session(&mut tx, &order, session, now).await?;
        }
        let verdict = judge(&call.ask, &outcome);
        let is_never_done = matches!(outcome, Outcome::NeverDone(_));
        let next = if is_never_done { CallState::NotDone } else { state::after_try(&call, verdict.ended) };
        if next == CallState::Open {
            if verdict.ended == Ended::NotDone {
                store::count_clear_try(&mut tx, call.id).await?;
            }
            let reason = verdict.reason.as_deref().unwrap_or_default();
            let again = now + state::wait(call.tries);
            store::note_call(&mut tx, call.id, reason, verdict.code.as_deref(), again).await?;
        } else {
            let closing = Closing {
                reason: verdict.reason.as_deref(),
                code: verdict.code.as_deref(),
                shown: verdict.shown.as_ref(),
            };
            store::close_call(&mut tx, call.id, next, &closing, now).await?;
        }
        self.follow_up(&mut tx, &mut order, &call, &outcome, next, &verdict, now).await?;
        tx.commit().await?;
        tracing::info!(
            order.id = %call.order_id, call.operation = %call.ask.operation(), attempt = call.attempt,
            state = %next, code = verdict.code, "call to Stripe recorded"
        );
        Ok(())
    }

    /// Keeps how the intent is, and that it stands for the order: events of it that came before may wait for that.
    /// `is_made` where the answer is that of its making: a payment made elsewhere that names the order, and that did not
    /// succeed, gives way to it.
    pub(super) async fn keep_intent(
        &self,
        conn: &mut PgConnection,
        order: &LockedOrder,
        intent: &PaymentIntent,
        is_made: bool,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        let news = IntentNews {
            id: &intent.id,
            status: &intent.status,
            client_secret: intent.client_secret.as_ref().map(stripe::ClientSecret::expose),
            customer: intent.customer.as_ref().map(stripe::Id::as_str),
            is_made,
        };
        if !store::update_intent(conn, order.id(), &news, now).await? {
            tracing::error!(order.id = %order.id(), intent = intent.id, "the order is paid by another PaymentIntent");
        }
        self.refer(conn, order, Ref::new(RefKind::PaymentIntent, &intent.id), now).await
    }

    async fn refer(
        &self,
        conn: &mut PgConnection,
        order: &LockedOrder,
        reference: Ref,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        let key = reference.to_string();
        match order.refer(conn, reference, now).await {
            Ok(true) => (self.0.neighbours.wake)(conn, vec![key], now).await,
            Ok(false) => Ok(()),
            Err(SettleError::Database(error)) => Err(error),
            Err(SettleError::LostRace) => {
                tracing::error!(order.id = %order.id(), object = key, "it stands for another order");
                Ok(())
            }
        }
    }

    /// Keeps how the session is, and that it stands for the order: events of it that came before may wait for that.
    async fn keep_session(
        &self,
        conn: &mut PgConnection,
        order: &LockedOrder,
        session: &CheckoutSession,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        if !store::update_session(conn, order.id(), &SessionNews::of(session), now).await? {
            tracing::error!(order.id = %order.id(), session = session.id, "the order is paid by another session");
            return Ok(());
        }
        self.refer(conn, order, Ref::new(RefKind::CheckoutSession, &session.id), now).await
    }

    /// What follows for the order and the refund.
    #[expect(clippy::too_many_arguments, reason = "what was decided, and on what it is done")]
    async fn follow_up(
        &self,
        conn: &mut PgConnection,
        order: &mut LockedOrder,
        call: &StoredCall,
        outcome: &Outcome,
        next: CallState,
        verdict: &Verdict,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        let problem = verdict.reason.as_deref().map(|reason| (reason, verdict.code.as_deref()));
        match &call.ask {
            Ask::Refund { request } => {
                let reason = verdict.reason.as_deref();
                let (to, id, problem) = match (outcome, next) {
                    (Outcome::Refund(refund), _) => {
                        let failure =
                            hear::failure(refund.status.as_deref(), refund.failure_reason.as_deref());
                        (hear::refund_state(refund.status.as_deref()), Some(refund.id.as_str()), failure)
                    }
                    (_, CallState::Refused | CallState::NotDone) => {
                        (RefundState::Refused, None, reason.map(str::to_owned))
                    }
                    _ => (RefundState::Requested, None, reason.map(str::to_owned)),
                };
                let moved = store::mark_refund(conn, *request, to, id, problem.as_deref(), now).await?;
                if moved && hear::is_off(to) {
                    let because = problem.unwrap_or_else(|| format!("the refund is {to}"));
                    self.call_off_refund(conn, order, *request, because, &cause(call), now).await?;
                }
            }
            Ask::Capture { .. } if matches!(next, CallState::Refused | CallState::NotDone) => {
                store::note_problem(conn, call.order_id, problem, now).await?;
                self.restore_fee(conn, order, now).await?;
                // This was not captured, so nothing less than the total is asked for any more.
                let consequences = order.steer(conn, Step::AskFor(None), &cause(call), now).await?;
                (self.0.neighbours.follow)(conn, consequences, now).await?;
            }
            _ if next == CallState::Done && verdict.reason.is_none() => {
                store::note_problem(conn, call.order_id, None, now).await?;
            }
            _ => store::note_problem(conn, call.order_id, problem, now).await?,
        }
        Ok(())
    }

    /// The commission is again that of the whole.
    async fn restore_fee(
        &self,
        conn: &mut PgConnection,
        order: &LockedOrder,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        match store::load_payment(conn, order.id()).await? {
            Some(payment) if payment.application_fee > 0 => {
                let fee = payment.commission.fee(order.total().amount);
                store::set_application_fee(conn, order.id(), fee, now).await
            }
            _ => Ok(()),
        }
    }

    /// A refund came to nothing: what it took back is to be sent again, and its hold ends.
    async fn call_off_refund(
        &self,
        conn: &mut PgConnection,
        order: &mut LockedOrder,
        request: Uuid,
        because: String,
        cause: &Cause,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        let refund = store::load_refund(conn, request).await?;
        if let Some(lines) = &refund.lines {
            store::add_refunded_pieces(conn, refund.order_id, lines, -1).await?;
        }
        let step = Step::EndHold { kind: HoldKind::Refund, source: request.to_string(), because };
        let consequences = order.steer(conn, step, cause, now).await?;
        (self.0.neighbours.follow)(conn, consequences, now).await
    }
}

/// The cause of a move of an order by a call.
pub(super) fn cause(call: &StoredCall) -> Cause {
    Cause::Call(call.idempotency_key.clone())
}

/// What a try says of its call.
fn judge(ask: &Ask, outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Intent(intent) => judge_intent(ask, intent),
        Outcome::Refund(_) => Verdict::done(),
        Outcome::Session(session) => judge_session(ask, session),
        Outcome::Refused(refusal) => judge_refusal(ask, refusal),
        Outcome::NotDone(why) | Outcome::NeverDone(why) => {
            Verdict { ended: Ended::NotDone, reason: Some(why.clone()), code: None, shown: None }
        }
        Outcome::Unknown { why, code } => Verdict {
            ended: Ended::Unknown,
            reason: Some(why.clone()),
            code: code.map(str::to_owned),
            shown: None,
        },
    }
}

/// A session that was to be closed can have been paid on meanwhile.
fn judge_session(ask: &Ask, session: &CheckoutSession) -> Verdict {
    match (ask, session.status.as_deref()) {
        (Ask::ExpireSession, Some("complete")) => Verdict {
            ended: Ended::Refused,
            reason: Some("the customer has completed the page meanwhile".to_owned()),
            code: Some("session_complete".to_owned()),
            shown: None,
        },
        _ => Verdict::done(),
    }
}

/// A try to pay that brings the intent back to where it was has failed, though Stripe answered 200.
fn judge_intent(ask: &Ask, intent: &PaymentIntent) -> Verdict {
    let is_try = matches!(ask, Ask::Confirm { .. } | Ask::ConfirmAgain);
    let error = intent.last_payment_error.as_ref();
    match error.filter(|_| is_try && intent.status == "requires_payment_method") {
        None => Verdict::done(),
        Some(error) => {
            let Failure { problem, code, shown } = Failure::of(error);
            Verdict { ended: Ended::Refused, reason: Some(problem), code, shown: Some(shown) }
        }
    }
}

/// Whether so much was captured, by whomever. Another amount was captured in the Dashboard, and this one never will be.
pub(super) fn is_captured(intent: &PaymentIntent, amount: i64) -> bool {
    intent.status == "succeeded" && intent.amount_received == amount
}

fn judge_refusal(ask: &Ask, refusal: &Refusal) -> Verdict {
    let status = refusal.payment_intent.as_ref().map(|intent| intent.status.as_str());
    let is_there = match ask {
        // It is made even where its first charge was declined.
        Ask::Create => status.is_some(),
        // It was refused because it is there already.
        Ask::Confirm { .. } | Ask::ConfirmAgain => {
            !refusal.is_card_error() && status.is_some_and(state::is_taken)
        }
        Ask::Capture { amount, .. } => {
            refusal.payment_intent.as_ref().is_some_and(|intent| is_captured(intent, *amount))
        }
        Ask::Cancel { .. } => status == Some("canceled"),
        Ask::Refund { .. } | Ask::OpenSession { .. } | Ask::ExpireSession => false,
    };
    // A step that failed leaves nothing to confirm: the intent says what went wrong.
    if let (Ask::ConfirmAgain, false, Some(intent)) = (ask, refusal.is_card_error(), &refusal.payment_intent)
        && intent.status == "requires_payment_method"
        && intent.last_payment_error.is_some()
    {
        return judge_intent(ask, intent);
    }
    let (code, decline_code) = (refusal.code.as_deref(), refusal.decline_code.as_deref());
    let shown = state::shown(refusal.is_card_error(), code, decline_code, refusal.message.as_deref());
    let is_declined = matches!(ask, Ask::Create) && refusal.is_card_error();
    let said = Verdict {
        ended: if is_there { Ended::Done } else { Ended::Refused },
        reason: Some(refusal.to_string()),
        code: code.or(decline_code).map(str::to_owned),
        shown: Some(shown),
    };
    if is_there && !is_declined { Verdict::done() } else { said }
}
