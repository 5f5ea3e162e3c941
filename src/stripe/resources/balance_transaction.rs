//! The balance transaction: what a payment or a refund did to the platform's balance.

use serde::Deserialize;

/// A balance transaction. Amounts are in minor units of `currency`, which may be another than the payment's.
#[derive(Clone, Debug, Deserialize)]
pub struct BalanceTransaction {
    /// `txn_…`
    pub id: String,
    /// Before fees; negative where money went away.
    pub amount: i64,
    /// What Stripe took.
    pub fee: i64,
    /// `amount` less `fee`.
    pub net: i64,
    /// Three letters, lower case.
    pub currency: String,
}
