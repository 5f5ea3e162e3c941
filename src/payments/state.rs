//! Every decision about a payment, pure: no clock, no SQL, no HTTP.

mod refund;

pub(super) use refund::{Bearing, RefundFault, Refundable, Shared, check_lines};

use time::{Duration, OffsetDateTime};

use super::call::GIVEN_UP_AFTER;
use super::payment::{Ask, CallState, Mode, Operation, OrderPayment, Shown, StoredCall};
use crate::clock::backoff;
use crate::orders::PaymentStatus;
use crate::stripe::PaymentError;

/// Tries to pay for one order within [`TRIES_WITHIN`]: enough for a customer, too few to test stolen cards with, and far
/// below what Stripe takes of one PaymentIntent.
const MOST_TRIES: usize = 20;
const TRIES_WITHIN: Duration = Duration::hours(1);

/// For so long Stripe surely knows an idempotency key. It says a day; an hour is left for what is under way.
pub(super) const KEYS_LAST: Duration = Duration::hours(23);
/// For so long a confirmation is asked again under its key: Stripe keeps some of its own failures under a key.
const CONFIRMATIONS_ASKED_FOR: Duration = Duration::minutes(10);
/// The code of a call whose key Stripe knows with other parameters: asking again never helps, so it is looked for.
pub(super) const KEY_REUSED: &str = "key_reused";
/// How soon a call without an outcome is asked about again; it doubles with each try.
const FIRST_WAIT: Duration = Duration::seconds(60);

/// What the browser asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PayAsk {
    /// Pay with this.
    With { payment_method: String, cvc_token: Option<String>, save_for_later: bool },
    /// The customer did what was required: confirm again.
    Again { payment_intent: String },
}

/// What the browser is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PayAnswer {
    /// The payment went through, as far as Stripe's answer says; the webhook has the last word.
    Success,
    /// The customer must do something first.
    RequiresAction { client_secret: String },
    /// It did not go through.
    Error(Shown),
}

impl Shown {
    pub(super) fn new(code: &str, message: &str) -> Self {
        Self { message: message.to_owned(), code: Some(code.to_owned()), decline_code: None }
    }

    /// Nothing is taken for it any more.
    pub(super) fn order_cancelled() -> Self {
        Self::new("order_cancelled", "This order was cancelled.")
    }

    /// Somebody is at it, or nobody knows yet.
    pub(super) fn processing() -> Self {
        Self::new("processing", "The payment is being processed. Please wait a moment before you try again.")
    }
}

/// What is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PayDecision {
    /// Nothing: this is the answer.
    Answer(PayAnswer),
    /// The same is under way: ask for its answer under its key.
    Join,
    /// A new try.
    Try(Ask),
    /// Look how far the intent is, then decide again.
    Look,
}

/// What is known when the browser asks.
pub(super) struct PayFacts<'f> {
    pub order: PaymentStatus,
    pub payment: &'f OrderPayment,
    /// Calls of the order that change its intent, newest first.
    pub calls: &'f [StoredCall],
    /// Whether the intent was looked at just now.
    pub has_looked: bool,
    pub now: OffsetDateTime,
}

/// Decides what to do about a request to pay. One PaymentIntent for each order and one open call for each intent: so
/// nothing that a browser sends can charge twice.
pub(super) fn on_pay(facts: &PayFacts<'_>, ask: &PayAsk) -> PayDecision {
    let error = |code, message| PayDecision::Answer(PayAnswer::Error(Shown::new(code, message)));
    let called_off = || PayDecision::Answer(PayAnswer::Error(Shown::order_cancelled()));
    let payment = facts.payment;
    // What was authorised can be called off, and its event not be there yet.
    let is_called_off = payment.intent_status.as_deref() == Some("canceled");
    match facts.order {
        PaymentStatus::Authorised if is_called_off => {}
        PaymentStatus::Paid
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Authorised
        | PaymentStatus::Refunded => return PayDecision::Answer(PayAnswer::Success),
        PaymentStatus::Cancelled => return called_off(),
        _ => {}
    }
    match payment.mode {
        Mode::Server => {}
        Mode::Client => return error("wrong_mode", "This payment is confirmed in the browser."),
        Mode::Checkout => return error("wrong_mode", "This payment is made on Stripe's page."),
    }
    match payment.intent_status.as_deref() {
        Some("succeeded") => return PayDecision::Answer(PayAnswer::Success),
        // Those can still fail, and what an event told of them can be old.
        Some(status) if is_taken(status) => {
            return if facts.has_looked {
                PayDecision::Answer(PayAnswer::Success)
            } else {
                PayDecision::Look
            };
        }
        Some(_) if is_called_off => return called_off(),
        _ => {}
    }
    let asked = match ask {
        PayAsk::With { payment_method, cvc_token, save_for_later } => Ask::Confirm {
            payment_method: payment_method.clone(),
            cvc_token: cvc_token.clone(),
            save_for_later: *save_for_later || payment.save_for_later,
        },
        PayAsk::Again { payment_intent } => {
            if payment.payment_intent.as_deref() != Some(payment_intent) {
                return error("wrong_payment_intent", "This payment belongs to another order.");
            }
            Ask::ConfirmAgain
        }
    };
    if let Some(open) = facts.calls.iter().find(|call| call.state == CallState::Open) {
        return if is_same(&open.ask, &asked) {
            PayDecision::Join
        } else {
            PayDecision::Answer(PayAnswer::Error(Shown::processing()))
        };
    }
    let last = facts.calls.iter().find(|call| call.state == CallState::Done);
    let waits = payment.intent_status.as_deref() == Some("requires_action");
    if waits && last.is_some_and(|last| is_same(&last.ask, &asked)) {
        // The same click once more, or the customer comes back to a step that failed: Stripe knows which.
        return match (&payment.client_secret, facts.has_looked) {
            (Some(secret), true) => {
                PayDecision::Answer(PayAnswer::RequiresAction { client_secret: secret.clone() })
            }
            _ => PayDecision::Look,
        };
    }
    let recent = facts.calls.iter().filter(|call| call.opened_at > facts.now - TRIES_WITHIN).count();
    if recent >= MOST_TRIES {
        return error("too_many_tries", "There were too many tries to pay. Please try again in an hour.");
    }
    PayDecision::Try(asked)
}

/// Whether two clicks are one: a second CVC token or tick for the same payment method is the same click.
fn is_same(one: &Ask, other: &Ask) -> bool {
    match (one, other) {
        (Ask::Confirm { payment_method: one, .. }, Ask::Confirm { payment_method: other, .. }) => {
            one == other
        }
        _ => one == other,
    }
}

/// Whether the customer has done all that there is to do.
pub(super) fn is_taken(intent_status: &str) -> bool {
    matches!(intent_status, "succeeded" | "processing" | "requires_capture")
}

/// Codes of banks whose meaning is not for whoever holds the card: it may be a thief.
/// Source: Stripe, "Decline codes".
const NOT_TO_BE_SHOWN: [&str; 6] =
    ["fraudulent", "lost_card", "merchant_blacklist", "pickup_card", "security_violation", "stolen_card"];

/// What of a failed try may be shown: Stripe's own words on cards, less what a thief could use.
pub(super) fn shown(
    is_card_error: bool,
    code: Option<&str>,
    decline_code: Option<&str>,
    message: Option<&str>,
) -> Shown {
    if decline_code.is_some_and(|code| NOT_TO_BE_SHOWN.contains(&code)) {
        let generic = Shown::new("card_declined", "Your card was declined.");
        return Shown { decline_code: Some("generic_decline".to_owned()), ..generic };
    }
    // Stripe's own words on it are for developers.
    if code == Some("payment_intent_authentication_failure") {
        let message = "Your bank could not confirm that it is you. Please try again or use another card.";
        return Shown::new("payment_intent_authentication_failure", message);
    }
    match message {
        Some(message) if is_card_error => Shown {
            message: message.to_owned(),
            code: code.map(str::to_owned),
            decline_code: decline_code.map(str::to_owned),
        },
        _ if is_card_error => Shown::new("card_declined", "Your card was declined."),
        _ => Shown::new(
            "payment_failed",
            "The payment could not be made. Please try another card, or contact the shop.",
        ),
    }
}

/// Why a try to pay failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// For the merchant.
    pub problem: String,
    /// Stripe's code for it, the bank's if there is one.
    pub code: Option<String>,
    /// What of it the customer may be told.
    pub shown: Shown,
}

impl Failure {
    /// Of the error that an intent or its event tells.
    pub(super) fn of(error: &PaymentError) -> Self {
        let is_card_error = error.kind.as_deref() == Some("card_error");
        let (code, decline_code) = (error.code.as_deref(), error.decline_code.as_deref());
        Self {
            problem: error.message.clone().unwrap_or_else(|| "the payment failed".to_owned()),
            code: decline_code.or(code).map(str::to_owned),
            shown: shown(is_card_error, code, decline_code, error.message.as_deref()),
        }
    }
}

/// How one try of a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Refused,
    NotDone,
    Unknown,
}

/// What becomes of a call after a try: a call is closed only when it is known what Stripe did.
///
/// A refusal or a success settles it, since all tries have one key. That Stripe did nothing this time settles it only
/// where the same is known of every other try, and where nobody relies on it being done at last.
pub(super) fn after_try(call: &StoredCall, ended: Ended) -> CallState {
    match ended {
        Ended::Done => CallState::Done,
        Ended::Refused => CallState::Refused,
        Ended::NotDone if call.clear_tries + 1 == call.tries && !is_promised(&call.ask) => CallState::NotDone,
        Ended::NotDone | Ended::Unknown => CallState::Open,
    }
}

/// Whether the caller was told that this will be done: an order waits for its PaymentIntent or its session, a refund for its money.
fn is_promised(ask: &Ask) -> bool {
    matches!(ask, Ask::Create | Ask::OpenSession { .. } | Ask::Refund { .. })
}

/// How it is found out what became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Ask again under its key.
    Ask,
    /// Do nothing: its key is too old to ask, and the last try can be under way still.
    Wait,
    /// Look at what it was to make or change: no try of it is under way, so what is not there never will be.
    Look,
}

/// How it is found out what became of a call. It is asked again while Stripe surely knows the key, and with these
/// parameters. A confirmation is looked for sooner, for a customer waits, and an intent is paid once however often it is
/// confirmed.
pub(super) fn way(call: &StoredCall, now: OffsetDateTime) -> Way {
    let is_confirmation = call.ask.operation() == Operation::Confirm;
    let asked_for = if is_confirmation { CONFIRMATIONS_ASKED_FOR } else { KEYS_LAST };
    let age = now - call.opened_at;
    if call.code.as_deref() == Some(KEY_REUSED) || age > asked_for + GIVEN_UP_AFTER {
        Way::Look
    } else if age > asked_for {
        Way::Wait
    } else {
        Way::Ask
    }
}

/// When a call without an outcome is asked about again, after so many tries.
pub(super) fn wait(tries: i32) -> Duration {
    backoff(FIRST_WAIT, tries)
}

#[cfg(test)]
mod tests;
