//! The charge: one try at moving money.

use serde::Deserialize;

use super::{List, Metadata, Refund, null_as_default};
use crate::stripe::Id;

/// A charge. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct Charge {
    /// `ch_…` or `py_…`
    pub id: String,
    /// What went back so far, all refunds together.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_refunded: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// The PaymentIntent that made it; none for charges that were made directly.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// The invoice that it pays; before 2025-03-31.basil.
    #[serde(default)]
    pub invoice: Option<Id>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Its refunds, newest first; before 2022-11-15, and at most ten.
    #[serde(default)]
    refunds: Option<List<Refund>>,
}

impl Charge {
    /// The refunds that this version tells one by one.
    pub fn refunds(&self) -> &[Refund] {
        self.refunds.as_ref().map_or(&[], |list| &list.data)
    }
}
