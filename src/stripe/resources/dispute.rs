//! The dispute: a customer asks the bank for the money back.

use serde::Deserialize;

use super::{Metadata, null_as_default};
use crate::stripe::Id;

/// A dispute, or an inquiry before one. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    /// `du_…` or `dp_…`; absent in very old versions.
    #[serde(default)]
    id: Option<String>,
    /// What is disputed.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// Such as `needs_response` or `won`.
    pub status: String,
    /// What the customer says, such as `product_not_received`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<Id>,
    /// Of which PaymentIntent.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

impl Dispute {
    /// What tells it from other disputes: its id, else what is disputed, which in the versions without ids has only one.
    pub fn key(&self) -> &str {
        let disputed = self.charge.as_ref().or(self.payment_intent.as_ref()).map(Id::as_str);
        self.id.as_deref().or(disputed).unwrap_or_default()
    }
}
