//! The words for an order: its axes, its references, its holds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::money::{Currency, Money};

/// Declares an enum whose values are stored as text, with the text beside each.
macro_rules! stored_as_text {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[schema(rename_all = "snake_case")]
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
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(UnknownValue { what: stringify!($name), value: other.to_owned() }),
                }
            }
        }
    };
}

/// A text in a table that this version of Packline does not know.
#[derive(Debug, thiserror::Error)]
#[error("{value:?} is no {what} that this version knows; was the database written by a newer one?")]
pub struct UnknownValue {
    what: &'static str,
    value: String,
}

stored_as_text! {
    /// The payment axis, moved by Stripe events only. Until the order is covered the greater value wins: see `state`.
    PaymentStatus {
        /// Nothing was tried yet.
        AwaitingPayment = "awaiting_payment",
        /// The customer must do something, such as 3-D Secure.
        RequiresAction = "requires_action",
        /// The payment is under way, for days with some methods.
        Processing = "processing",
        /// A try failed; another may still succeed.
        PaymentFailed = "payment_failed",
        /// The money is reserved and waits for its capture.
        Authorised = "authorised",
        /// The payment or invoice was called off.
        Cancelled = "cancelled",
        /// What arrived covers what was asked.
        Paid = "paid",
        /// Paid, and a part went back.
        PartiallyRefunded = "partially_refunded",
        /// All that arrived went back.
        Refunded = "refunded",
    }
}

impl PaymentStatus {
    /// Whether the order's money is there, all or the part that was not given back.
    pub fn is_covered(self) -> bool {
        matches!(self, Self::Paid | Self::PartiallyRefunded)
    }
}

stored_as_text! {
    /// The fulfilment axis, moved by the fulfilment worker, by refunds before it began, and by operators.
    FulfilmentStatus {
        /// Nothing is to be sent yet.
        None = "none",
        /// A fulfilment waits for a worker.
        Queued = "queued",
        /// A worker or the provider is at it.
        InProgress = "in_progress",
        /// A part was sent.
        PartiallyFulfilled = "partially_fulfilled",
        /// All was sent.
        Fulfilled = "fulfilled",
        /// A person must act: rejected, or tries used up.
        Failed = "failed",
        /// Nothing will be sent.
        Cancelled = "cancelled",
    }
}

stored_as_text! {
    /// Why an order must not be sent now.
    HoldKind {
        /// A customer disputes the payment.
        Dispute = "dispute",
        /// The card's issuer warns of fraud.
        EarlyFraudWarning = "early_fraud_warning",
        /// Stripe wants the payment reviewed.
        Review = "review",
        /// What arrived is not what was asked.
        AmountMismatch = "amount_mismatch",
        /// A refund was asked for, and its news is not there yet.
        Refund = "refund",
        /// All the money was to go back, but a refund failed: a person says whether the goods still go out.
        RefundFailed = "refund_failed",
        /// Another order seems to be the same purchase.
        PossibleDuplicate = "possible_duplicate",
        /// The payment names an order that never appeared.
        UnknownOrder = "unknown_order",
        /// What its invoice asks for is not known wholly: Stripe did not tell all lines.
        IncompleteLines = "incomplete_lines",
        /// A person said so.
        Operator = "operator",
    }
}

stored_as_text! {
    /// What events do not say and Stripe is asked for.
    LookupKind {
        /// The sku of a price.
        Price = "price",
        /// The lines of an invoice beyond the ten of its event.
        InvoiceLines = "invoice_lines",
        /// What paid an invoice that was not heard of before it was paid.
        Invoice = "invoice",
        /// Which invoice a PaymentIntent pays.
        PaymentIntentInvoice = "payment_intent_invoice",
        /// The lines of a checkout session.
        SessionLines = "session_lines",
    }
}

stored_as_text! {
    /// The kinds of Stripe objects that can stand for an order.
    RefKind {
        /// `pi_…`
        PaymentIntent = "payment_intent",
        /// `ch_…` or `py_…`
        Charge = "charge",
        /// `in_…`
        Invoice = "invoice",
        /// `cs_…`
        CheckoutSession = "checkout_session",
        /// `qt_…`
        Quote = "quote",
        /// `sub_…` and the start of the period
        SubscriptionPeriod = "subscription_period",
    }
}

stored_as_text! {
    /// Where an order came from.
    Origin {
        /// `POST /v1/orders`.
        Api = "api",
        /// Adopted from a PaymentIntent that no order was made for.
        PaymentIntent = "payment_intent",
        /// Made of an invoice when it was finalised.
        Invoice = "invoice",
        /// Adopted from a checkout session that no order was made for.
        CheckoutSession = "checkout_session",
    }
}

impl Origin {
    /// Whether an order of this origin learns from an object of that one what was bought: an invoice knows best, a payment
    /// nothing, and a shop's own order is as the shop said.
    pub(super) fn may_learn_from(self, other: Self) -> bool {
        other != Self::Api && other.rank() > self.rank()
    }

    /// Who knows best what was bought.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::PaymentIntent => 0,
            Self::CheckoutSession => 1,
            Self::Invoice => 2,
            Self::Api => 3,
        }
    }
}

stored_as_text! {
    /// What a line of an order is.
    LineKind {
        /// The parcel must hold it.
        Goods = "goods",
        /// What a change in the middle of a period costs or gives back.
        Proration = "proration",
        /// Money back, or a line without pieces.
        Credit = "credit",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro gives no variant attributes")]
impl Default for LineKind {
    fn default() -> Self {
        Self::Goods
    }
}

stored_as_text! {
    /// The axes on which an order moves.
    Axis {
        /// [`PaymentStatus`].
        Payment = "payment",
        /// [`FulfilmentStatus`].
        Fulfilment = "fulfilment",
        /// [`HoldKind`].
        Hold = "hold",
    }
}

/// A Stripe object that stands for an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub struct Ref {
    /// What it is.
    pub kind: RefKind,
    /// Its id.
    pub stripe_id: String,
}

impl Ref {
    /// Names an object.
    pub fn new(kind: RefKind, stripe_id: impl Into<String>) -> Self {
        Self { kind, stripe_id: stripe_id.into() }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.stripe_id)
    }
}

/// Who or what moved an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A merchant's call, by API key.
    Api(Uuid),
    /// A Stripe event.
    Event(String),
    /// A try at a fulfilment.
    Attempt {
        /// The fulfilment.
        fulfilment: Uuid,
        /// Which try, from 1.
        attempt: i32,
    },
    /// A person.
    Operator(String),
    /// A call to Stripe that a merchant or a browser asked for, by its idempotency key.
    Call(String),
    /// What Stripe answered when it was asked for what events do not say; what was asked.
    Lookup(String),
    /// What a fulfilment provider told by call-back.
    Provider {
        /// Which provider.
        provider: String,
        /// Its event.
        event: String,
    },
}

impl Cause {
    /// The kind as the tables have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Api(_) => "api",
            Self::Event(_) => "event",
            Self::Attempt { .. } => "attempt",
            Self::Operator(_) => "operator",
            Self::Call(_) => "call",
            Self::Lookup(_) => "lookup",
            Self::Provider { .. } => "provider",
        }
    }

    /// The id as the tables have it.
    pub fn id(&self) -> String {
        match self {
            Self::Api(key) => key.to_string(),
            Self::Event(id) | Self::Operator(id) | Self::Call(id) | Self::Lookup(id) => id.clone(),
            Self::Attempt { fulfilment, attempt } => format!("{fulfilment}/{attempt}"),
            Self::Provider { provider, event } => format!("{provider}/{event}"),
        }
    }
}

/// Who bought. Any part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Customer {
    /// Where to write to.
    pub email: Option<String>,
    /// For people.
    pub name: Option<String>,
    /// `cus_…`
    pub stripe_customer: Option<String>,
}

/// What was bought, or adjusts what it costs; only goods are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Whether the parcel must hold it.
    #[serde(default)]
    pub kind: LineKind,
    /// The merchant's name for the article.
    pub sku: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Minor units for one.
    pub unit_amount: i64,
    /// Minor units for the line; negative where it gives money back.
    pub amount: i64,
    /// How many of them were taken back by refunds by line; those are not sent any more.
    #[serde(default, skip_serializing_if = "is_none")]
    pub refunded: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(pieces: &i64) -> bool {
    *pieces == 0
}

/// Recipient and address, as Stripe and most shops have them. Any part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shipping {
    /// Who receives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line1: Option<String>,
    /// Flat, floor, company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// City or town.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or county.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Two-letter ISO 3166-1 code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// What a provider must know of an order to send it, but for its lines.
#[derive(Clone, Debug)]
pub struct OrderHead {
    /// Our id.
    pub id: Uuid,
    /// The name that people use.
    pub number: String,
    /// The connected account; none for our own.
    pub account: Option<String>,
    /// Of all amounts.
    pub currency: Currency,
    /// What was asked, in minor units.
    pub amount_total: i64,
    /// Who bought.
    pub customer: Customer,
    /// Where to send.
    pub shipping: Option<Shipping>,
    /// The merchant's own notes.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// When the order was made or adopted.
    pub created_at: OffsetDateTime,
}

/// An order as it is read: by the API and the command line.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Order {
    /// Our id.
    pub id: Uuid,
    /// The name that people use.
    pub number: String,
    /// One word from the three axes; Postgres derives it.
    pub status: String,
    /// The payment axis.
    pub payment_status: PaymentStatus,
    /// The fulfilment axis.
    pub fulfilment_status: FulfilmentStatus,
    /// The kinds of open holds.
    pub holds: Vec<HoldKind>,
    /// Of all amounts.
    pub currency: Currency,
    /// What was asked, in minor units.
    pub amount_total: i64,
    /// What arrived, in minor units.
    pub amount_paid: i64,
    /// What went back, in minor units.
    pub amount_refunded: i64,
    /// Where it came from.
    pub origin: Origin,
    /// The order that took this one over, where the two turned out to be one purchase: see that one.
    pub merged_into: Option<Uuid>,
    /// The connected account; none for our own.
    pub account: Option<String>,
    /// Who bought.
    pub customer: Customer,
    /// Where to send.
    pub shipping: Option<Shipping>,
    /// The merchant's own notes.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What was bought.
    pub lines: Vec<Line>,
    /// The Stripe objects that stand for it.
    pub refs: Vec<Ref>,
    /// When the order was made or adopted.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When anything of it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When it was found paid.
    #[serde(with = "time::serde::rfc3339::option")]
    pub paid_at: Option<OffsetDateTime>,
    /// When all was sent.
    #[serde(with = "time::serde::rfc3339::option")]
    pub fulfilled_at: Option<OffsetDateTime>,
}

impl Order {
    /// The values of `status`, as the table derives them.
    pub const STATUSES: &[&str] = &[
        "pending",
        "payment_failed",
        "paid",
        "on_hold",
        "fulfilling",
        "fulfilled",
        "fulfilment_failed",
        "refunded",
        "cancelled",
    ];

    /// What was asked, with its currency.
    pub fn total(&self) -> Money {
        Money { amount: self.amount_total, currency: self.currency }
    }
}
