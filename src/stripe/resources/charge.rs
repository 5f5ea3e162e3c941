//! The charge: one try at moving money.

use serde::Deserialize;

use super::payment_intent::TransferData;
use super::{List, Metadata, Refund, null_as_default};
use crate::stripe::Id;

/// A charge. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct Charge {
    /// `ch_…` or `py_…`
    pub id: String,
    /// What was asked.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount: i64,
    /// Whether any of it was taken; until then it is only reserved. None where the version does not tell.
    #[serde(default)]
    pub captured: Option<bool>,
    /// What was taken.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_captured: i64,
    /// What went back so far, all refunds together, and what was reserved and let go: see [`Charge::amount_returned`].
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_refunded: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// `pending`, `succeeded` or `failed`.
    #[serde(default)]
    pub status: Option<String>,
    /// The platform's share.
    #[serde(default)]
    pub application_fee_amount: Option<i64>,
    /// `fee_…`, the object that keeps how much of the share went back.
    #[serde(default)]
    pub application_fee: Option<Id>,
    /// The connected account that gets the rest.
    #[serde(default)]
    pub transfer_data: Option<TransferData>,
    /// `tr_…`, how it got it.
    #[serde(default)]
    pub transfer: Option<Id>,
    /// `txn_…`, what it did to the balance.
    #[serde(default)]
    pub balance_transaction: Option<Id>,
    /// The PaymentIntent that made it; none for charges that were made directly.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// The invoice that it pays; before 2025-03-31.basil.
    #[serde(default)]
    pub invoice: Option<Id>,
    /// The page that shows the customer what was paid.
    #[serde(default)]
    pub receipt_url: Option<String>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Its refunds, newest first; before 2022-11-15, and at most ten.
    #[serde(default)]
    refunds: Option<List<Refund>>,
}

impl Charge {
    /// What was taken and went back so far. Stripe counts what was only reserved and let go, all of it or what a capture
    /// left, among `amount_refunded`.
    pub fn amount_returned(&self) -> i64 {
        if self.captured == Some(false) {
            return 0;
        }
        let taken = if self.amount_captured > 0 { self.amount_captured } else { self.amount };
        (self.amount_refunded - (self.amount - taken).max(0)).max(0)
    }

    /// The refunds that this version tells one by one.
    pub fn refunds(&self) -> &[Refund] {
        self.refunds.as_ref().map_or(&[], |list| &list.data)
    }
}
