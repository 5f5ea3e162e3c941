//! The PaymentIntent: one purchase's way to its money.

use serde::Deserialize;

use super::{Charge, Customer, List, Metadata, ShippingDetails, null_as_default, present};
use crate::stripe::Id;

/// A PaymentIntent. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// What is asked.
    pub amount: i64,
    /// What arrived.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_received: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// Such as `succeeded`.
    pub status: String,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// Where the receipt goes.
    #[serde(default)]
    pub receipt_email: Option<String>,
    /// Where the parcel goes.
    #[serde(default)]
    pub shipping: Option<ShippingDetails>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// The invoice that it pays. The key exists only before 2025-03-31.basil: absent, `null` and an id are three
    /// different answers.
    #[serde(default, deserialize_with = "present")]
    pub invoice: Option<Option<Id>>,
    /// The newest charge, from 2022-11-15.
    #[serde(default)]
    pub latest_charge: Option<Id>,
    /// All charges, before 2022-11-15.
    #[serde(default)]
    charges: Option<List<Charge>>,
    /// Why the last try failed.
    #[serde(default)]
    pub last_payment_error: Option<PaymentError>,
    /// Why it was called off.
    #[serde(default)]
    pub cancellation_reason: Option<String>,
}

/// Why a try failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PaymentError {
    /// Such as `card_declined`.
    pub code: Option<String>,
    /// Such as `insufficient_funds`.
    pub decline_code: Option<String>,
}

impl PaymentIntent {
    /// The ids of its charges, as far as this version tells them.
    pub fn charge_ids(&self) -> impl Iterator<Item = &str> {
        let listed = self.charges.iter().flat_map(|list| &list.data).map(|charge| charge.id.as_str());
        self.latest_charge.iter().map(Id::as_str).chain(listed)
    }
}
