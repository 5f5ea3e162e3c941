//! How a call ends badly: Stripe said no, nothing was done, or nobody knows.
//!
//! The three must not be mixed up: what is unknown may have been done, money included. Whoever made the call either
//! repeats it with the same idempotency key and the same parameters, or looks at the object.

use std::fmt;

use super::PaymentIntent;

/// The three ways in which a call ends badly.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Stripe said no. Nothing more will happen under this idempotency key: the same answer would be replayed, so
    /// another try needs another key.
    #[error("Stripe refused: {0}")]
    Refused(Box<Refusal>),
    /// This call surely did nothing. It may be repeated with the same key, later. Of an earlier call under the same
    /// key this says nothing.
    #[error("Stripe was not called: {0}")]
    NotDone(#[source] NotDone),
    /// It may have been done.
    #[error("it is not known whether Stripe did it: {0}")]
    Unknown(#[source] Unknown),
}

impl CallError {
    /// `req_…` of the answer that decided, for Stripe's support and its Dashboard.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.request_id.as_deref(),
            Self::NotDone(not_done) => not_done.request_id.as_deref(),
            Self::Unknown(unknown) => unknown.request_id.as_deref(),
        }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::NotDone(_) | Self::Unknown(_) => None,
        }
    }
}

/// Why Stripe said no. The texts are Stripe's.
#[derive(Debug, Default)]
pub struct Refusal {
    /// The HTTP status, such as 402.
    pub status: u16,
    /// Stripe's `type`, such as `card_error`; `oauth_error` for those of OAuth, which have none.
    pub kind: String,
    /// Such as `card_declined` or `resource_missing`; for OAuth such as `invalid_grant`.
    pub code: Option<String>,
    /// Why the bank declined, such as `insufficient_funds`.
    pub decline_code: Option<String>,
    /// What Stripe advises after a decline, such as `try_again_later`.
    pub advice_code: Option<String>,
    /// For people. That of a `card_error` may be shown to the buyer, others are for the merchant.
    pub message: Option<String>,
    /// Which parameter was wrong.
    pub param: Option<String>,
    /// `req_…`
    pub request_id: Option<String>,
    /// The PaymentIntent as it is after a decline (402).
    pub payment_intent: Option<Box<PaymentIntent>>,
    /// `ch_…`, the charge that failed.
    pub charge: Option<String>,
}

impl Refusal {
    /// Whether the card was the reason: its message may be shown to the buyer, who may try another.
    pub fn is_card_error(&self) -> bool {
        self.kind == "card_error"
    }

    /// Whether Stripe gave this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.kind)?;
        for (name, value) in [
            (" ", &self.code),
            (" ", &self.decline_code),
            (", parameter ", &self.param),
            (": ", &self.message),
            (", request ", &self.request_id),
        ] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                write!(f, "{name}{value}")?;
            }
        }
        Ok(())
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{why} (attempts: {attempts})")]
pub struct NotDone {
    /// What kept it.
    pub cause: NotDoneCause,
    /// For people.
    pub why: String,
    /// `req_…`, where there was an answer.
    pub request_id: Option<String>,
    /// How many times it was tried; 0 if it could not even be sent.
    pub attempts: u32,
}

/// What kept a call from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDoneCause {
    /// No connection: refused, no such name, no trust.
    NotReached,
    /// Our own limit of calls a second is used up for longer than a call waits.
    OurLimit,
    /// 429: Stripe's limit, or another call holds the object.
    Busy,
    /// 401: the key is not valid.
    Unauthenticated,
    /// A key, an id or a setting with which no request can be made.
    Unsendable,
}

/// Why nobody knows whether it was done.
#[derive(Debug, thiserror::Error)]
#[error("{why} (attempts: {attempts})")]
pub struct Unknown {
    /// What happened to the last attempt that may have done it.
    pub cause: UnknownCause,
    /// For people.
    pub why: String,
    /// `req_…`, where there was an answer.
    pub request_id: Option<String>,
    /// How many times it was tried.
    pub attempts: u32,
}

/// Why an outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownCause {
    /// Sent, but no whole answer came in time.
    NoAnswer,
    /// An answer that is not Stripe's, or not of the object that was asked for.
    Garbage,
    /// 5xx.
    ServerError,
    /// 409: a call under the same key is still being worked on, or this one collided with another.
    InProgress,
    /// The key was used before with other parameters. What was done then is unknown, and repeating this call never
    /// helps: look at the object.
    KeyReused,
}
