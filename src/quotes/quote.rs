//! A quote, as it is read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Placed;

/// How far a quote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuoteState {
    /// Stripe may not know it yet.
    Creating,
    /// Stripe said no, or never made it.
    Refused,
    /// It can be revised; nobody can accept it yet.
    Draft,
    /// It is finalised: it has a number and a PDF, and can be accepted.
    Open,
    /// It was called off, or its time was over.
    Cancelled,
    /// The customer took it.
    Accepted,
}

impl QuoteState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Creating, Self::Refused, Self::Draft, Self::Open, Self::Cancelled, Self::Accepted];

    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Refused => "refused",
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Cancelled => "cancelled",
            Self::Accepted => "accepted",
        }
    }

    /// From Stripe's word; none for one that it did not have when this was written.
    pub(super) fn of_stripe(status: &str) -> Option<Self> {
        match status {
            "draft" => Some(Self::Draft),
            "open" => Some(Self::Open),
            "canceled" => Some(Self::Cancelled),
            "accepted" => Some(Self::Accepted),
            _ => None,
        }
    }
}

impl fmt::Display for QuoteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no state of a quote.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of a quote")]
pub struct UnknownState(String);

impl FromStr for QuoteState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// Where a quote was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `POST /v1/quotes`
    Api,
    /// Elsewhere, for instance in the Dashboard.
    Stripe,
}

/// What is paid again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QuoteRepeats)]
pub struct Repeats {
    /// Minor units, each period.
    pub amount_total: i64,
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// How many of them make a period.
    pub interval_count: i64,
}

/// A line of a quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteLine {
    /// `price_…`
    pub price: Option<String>,
    /// What it sends: the merchant's name for the price or its product; the id of the price stands in where there is none.
    pub sku: Option<String>,
    /// What the customer reads.
    pub description: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Minor units, for one.
    pub unit_amount: Option<i64>,
    /// Minor units, for the line.
    pub amount_total: Option<i64>,
    /// `day`, `week`, `month` or `year`, of what is paid again and again.
    pub interval: Option<String>,
    /// How many of them make a period.
    pub interval_count: Option<i64>,
}

/// An offer to a customer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Quote {
    /// Ours.
    pub id: Uuid,
    /// `qt_…`, once it is made.
    pub stripe_id: Option<String>,
    /// Where it was made.
    pub origin: Origin,
    /// How far it is.
    pub state: QuoteState,
    /// Its time is over, and Stripe has not said yet that it cancelled it: nobody can accept it any more.
    pub expired: bool,
    /// Why it is refused or cancelled.
    pub reason: Option<String>,
    /// What is asked of Stripe now, without an outcome yet.
    pub under_way: Option<String>,
    /// What the customer knows it by; from the moment it is finalised.
    pub number: Option<String>,
    /// `cus_…`
    pub customer: Option<String>,
    /// All that is offered. Null until Stripe was asked for it: its events do not say it, and without a key nobody asks.
    pub lines: Option<Vec<QuoteLine>>,
    /// On the PDF.
    pub description: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Lower case; null while nothing is offered.
    pub currency: Option<String>,
    /// Minor units, before discounts and taxes.
    pub amount_subtotal: Option<i64>,
    /// Minor units: what is to be paid on acceptance.
    pub amount_total: Option<i64>,
    /// What is to be paid each period, where something is.
    pub recurring: Option<Repeats>,
    /// The merchant's own notes.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
    /// Until when it can be accepted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// `in_…` of the first invoice, once accepted: `GET /v1/orders/in_…` shows its order.
    pub invoice: Option<String>,
    /// `sub_…` that the acceptance began.
    pub subscription: Option<String>,
    /// `sub_sched_…` where the subscription begins later.
    pub subscription_schedule: Option<String>,
    /// When it was asked for, or learnt of.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// From when on it could be accepted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finalized_at: Option<OffsetDateTime>,
    /// When the customer took it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub accepted_at: Option<OffsetDateTime>,
    /// When it was called off, or expired.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancelled_at: Option<OffsetDateTime>,
    /// When it last changed here.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Placed for Quote {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}
