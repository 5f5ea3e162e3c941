//! The objects that events and answers carry, a file each, with the fields that we read.

mod account;
mod balance_transaction;
mod charge;
mod checkout_session;
mod dispute;
mod invoice;
mod invoice_payment;
mod payment_intent;
mod payment_method;
mod price;
mod product;
mod quote;
mod radar;
mod refund;
mod subscription;

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::Deserializer;
use time::OffsetDateTime;

pub use account::{Account, AccountLink, OAuthGrant, Requirements};
pub use balance_transaction::BalanceTransaction;
pub use charge::Charge;
pub use checkout_session::{CheckoutSession, CustomerDetails, SessionLine};
pub use dispute::Dispute;
pub use invoice::{Invoice, InvoiceLine, LinePrice, Period};
pub use invoice_payment::InvoicePayment;
pub use payment_intent::{
    ClientSecret, NextAction, PaymentError, PaymentIntent, RedirectToUrl, TransferData,
};
pub use payment_method::{Card, PaymentMethod};
pub use price::{Price, Recurring};
pub use product::{NamedProduct, Product};
pub use quote::{Quote, QuoteLine, QuoteRecurring};
pub use radar::{EarlyFraudWarning, Review};
pub use refund::Refund;
pub use subscription::{
    PauseCollection, Subscription, SubscriptionItem, SubscriptionPrice, SubscriptionRecurring,
    SubscriptionSchedule,
};

use super::Id;

/// The merchant's own keys and values on an object.
pub type Metadata = HashMap<String, String>;

/// A list inside an object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct List<T> {
    #[serde(default = "Vec::new")]
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

/// A postal address; any part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Address {
    /// Street and number.
    pub line1: Option<String>,
    /// Flat, floor, company.
    pub line2: Option<String>,
    /// City or town.
    pub city: Option<String>,
    /// State, province or county.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Two-letter ISO code.
    pub country: Option<String>,
}

/// Recipient and address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ShippingDetails {
    /// Who receives it.
    pub name: Option<String>,
    /// For the carrier.
    pub phone: Option<String>,
    /// Where to.
    pub address: Option<Address>,
}

/// A customer, by id or expanded.
pub type Customer = Id;

/// Stripe writes `null` where a map is empty in some versions; both mean none.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Stripe's times are Unix seconds.
pub(crate) fn unix<'de, D>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error>
where
    D: Deserializer<'de>,
{
    let seconds: Option<i64> = Option::deserialize(deserializer)?;
    // Postgres and sums of times have their bounds further out than this one, the end of the year 2999.
    let seconds = seconds.filter(|seconds| (0..=32_503_680_000).contains(seconds));
    Ok(seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()))
}

/// Tells an absent key from a `null`: `None` is absent, `Some(None)` is `null`.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
