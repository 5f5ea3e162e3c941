//! The words for a payment: how an order is paid, the calls that change it, refunds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::money::Commission;

/// A text in a table that this version of Packline does not know.
#[derive(Debug, thiserror::Error)]
#[error("{value:?} is no {what} that this version knows; was the database written by a newer one?")]
pub struct UnknownValue {
    what: &'static str,
    value: String,
}

// A text is a `tt`: around a `literal` the compiler puts a group that the derived schema does not look into.
macro_rules! stored_as_text {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:tt,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// All values, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The value as tables and JSON have it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownValue;

            fn from_str(text: &str) -> Result<Self, UnknownValue> {
                let known = Self::ALL.iter().find(|value| value.as_str() == text).copied();
                known.ok_or_else(|| UnknownValue { what: stringify!($name), value: text.to_owned() })
            }
        }
    };
}

stored_as_text! {
    /// Who confirms the PaymentIntent, and where.
    Mode {
        /// The browser, with the client secret.
        Client = "client",
        /// `POST /pay`.
        Server = "server",
        /// A page of Stripe's, opened by a Checkout Session.
        Checkout = "checkout",
    }
}

stored_as_text! {
    /// When the money moves.
    Capture {
        /// At once.
        Automatic = "automatic",
        /// It is reserved; `POST /v1/orders/{id}/capture` moves it, within about a week.
        Manual = "manual",
    }
}

stored_as_text! {
    /// What a call does.
    Operation {
        /// Makes the PaymentIntent, and for off-session charges confirms it.
        Create = "create",
        /// Confirms it.
        Confirm = "confirm",
        /// Captures it.
        Capture = "capture",
        /// Calls it off.
        Cancel = "cancel",
        /// Gives money back.
        Refund = "refund",
        /// Opens the Checkout Session.
        OpenSession = "open_session",
        /// Closes it before anybody has paid.
        ExpireSession = "expire_session",
    }
}

stored_as_text! {
    /// How far a call is.
    CallState {
        /// Under way, or its outcome is not known.
        Open = "open",
        /// Stripe did it.
        Done = "done",
        /// Stripe said no.
        Refused = "refused",
        /// Stripe surely did nothing.
        NotDone = "not_done",
    }
}

stored_as_text! {
    /// How far a refund is.
    RefundState {
        /// Asked for here; Stripe may not know it yet.
        Requested = "requested",
        /// Stripe has it; the money is on its way.
        Pending = "pending",
        /// It went back.
        Succeeded = "succeeded",
        /// It did not arrive and came back to us.
        Failed = "failed",
        /// Called off.
        Cancelled = "cancelled",
        /// Stripe said no; nothing went back.
        Refused = "refused",
    }
}

/// How an order is paid. Amounts are minor units of the order's currency.
#[derive(Clone, Debug)]
pub(super) struct OrderPayment {
    pub order_id: Uuid,
    pub mode: Mode,
    pub capture: Capture,
    pub off_session: bool,
    pub save_for_later: bool,
    pub payment_method: Option<String>,
    pub receipt_email: Option<String>,
    pub statement_suffix: Option<String>,
    pub stripe_customer: Option<String>,
    pub destination: Option<String>,
    pub commission: Commission,
    pub on_behalf_of: bool,
    pub application_fee: i64,
    pub payment_intent: Option<String>,
    pub client_secret: Option<String>,
    pub intent_status: Option<String>,
    pub problem: Option<String>,
    pub problem_code: Option<String>,
    /// What of the last failure that an event told may be shown.
    pub declined: Option<Shown>,
    /// In mode `checkout`: its page.
    pub checkout: Option<Checkout>,
}

impl OrderPayment {
    /// The Checkout Session, once Stripe has opened it.
    pub(super) fn session(&self) -> Option<&Session> {
        self.checkout.as_ref()?.session.as_ref()
    }

    /// What makes what the customer pays through.
    pub(super) fn making(&self, now: OffsetDateTime) -> Ask {
        let expires_in = self.checkout.as_ref().map(|checkout| checkout.expires_in);
        let until = |seconds: i32| now.unix_timestamp() + i64::from(seconds);
        expires_in.map_or(Ask::Create, |seconds| Ask::OpenSession { expires_at: seconds.map(until) })
    }

    /// Whether Stripe has made what the customer pays through.
    pub(super) fn is_ready(&self) -> bool {
        match self.mode {
            Mode::Checkout => self.session().is_some(),
            Mode::Client | Mode::Server => self.payment_intent.is_some() && self.client_secret.is_some(),
        }
    }
}

/// How a page of Stripe's takes a payment.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    pub success_url: String,
    pub cancel_url: Option<String>,
    /// Seconds from when it is asked for; none: Stripe's own.
    pub expires_in: Option<i32>,
    pub session: Option<Session>,
}

/// A Checkout Session, as Stripe told of it last.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub id: String,
    /// The page, while it is open.
    pub url: Option<String>,
    /// `open`, `complete` or `expired`.
    pub status: Option<String>,
    pub expires_at: Option<OffsetDateTime>,
}

impl Session {
    /// Whether somebody may still pay there, as far as we were told.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.status.as_deref(), Some("complete" | "expired"))
    }
}

/// What a call asks, so that each try of it asks the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// Make the PaymentIntent. All else is in the order and its payment, which do not change until it is there.
    Create,
    /// Confirm with a payment method.
    Confirm {
        payment_method: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cvc_token: Option<String>,
        #[serde(default)]
        save_for_later: bool,
    },
    /// Confirm again, after the customer did what was required.
    ConfirmAgain,
    /// Capture this much, of which the platform keeps the fee.
    Capture { amount: i64, application_fee: Option<i64> },
    /// Call it off.
    Cancel { reason: Option<String> },
    /// Give back what a refund request says.
    Refund { request: Uuid },
    /// Open the Checkout Session, which can be paid until then, Unix seconds. All else is in the order and its payment.
    OpenSession { expires_at: Option<i64> },
    /// Close it.
    ExpireSession,
}

impl Operation {
    /// Those of which one at a time changes an order's payment.
    pub(super) const CHANGING: [Self; 6] =
        [Self::Create, Self::Confirm, Self::Capture, Self::Cancel, Self::OpenSession, Self::ExpireSession];
}

impl Ask {
    /// Of which operation it is.
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Create => Operation::Create,
            Self::Confirm { .. } | Self::ConfirmAgain => Operation::Confirm,
            Self::Capture { .. } => Operation::Capture,
            Self::Cancel { .. } => Operation::Cancel,
            Self::Refund { .. } => Operation::Refund,
            Self::OpenSession { .. } => Operation::OpenSession,
            Self::ExpireSession => Operation::ExpireSession,
        }
    }
}

/// A call that was written down before it is made.
#[derive(Clone, Debug)]
pub(super) struct StoredCall {
    pub id: Uuid,
    pub order_id: Uuid,
    pub attempt: i32,
    pub idempotency_key: String,
    pub ask: Ask,
    pub state: CallState,
    pub reason: Option<String>,
    pub code: Option<String>,
    /// What of a refusal the customer may be told.
    pub shown: Option<Shown>,
    pub tries: i32,
    pub clear_tries: i32,
    pub opened_at: OffsetDateTime,
}

/// A reason that may be shown to a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shown {
    /// For the customer.
    pub message: String,
    /// Such as `card_declined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Such as `insufficient_funds`; never one that only a thief would learn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
}

/// The idempotency key of a call: a function of order, operation and attempt.
pub(super) fn idempotency_key(order_id: Uuid, operation: Operation, attempt: i32) -> String {
    format!("packline-{}-{operation}-{attempt}", order_id.simple())
}

/// A refund, wherever it was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefundRequest {
    /// Ours.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// `api` or `stripe`.
    pub origin: String,
    /// Minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: String,
    /// Stripe's word for why.
    pub reason: Option<String>,
    /// What was taken back, where it was by line.
    pub lines: Option<Vec<RefundedLine>>,
    /// Whether the connected account pays its part.
    pub reverse_transfer: bool,
    /// Whether the commission goes back to the connected account in proportion. Of a refund that was made elsewhere, no
    /// event of it tells that: false.
    pub refund_application_fee: bool,
    /// How far it is.
    pub state: RefundState,
    /// Why it failed, was refused, or is not known yet.
    pub problem: Option<String>,
    /// `re_…`
    pub stripe_id: Option<String>,
    /// When it was asked for or heard of.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When anything of it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Pieces of a line that are taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundedLine {
    /// Which line, from 1.
    pub position: i32,
    /// How many.
    pub quantity: i64,
}
