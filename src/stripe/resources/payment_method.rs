//! The payment method: what a buyer pays with.

use serde::Deserialize;

use super::Customer;

/// A payment method.
#[derive(Clone, Debug, Deserialize)]
pub struct PaymentMethod {
    /// `pm_…`
    pub id: String,
    /// Such as `card`.
    #[serde(rename = "type")]
    pub method_type: String,
    /// For whom it is kept.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// What may be shown of a card.
    #[serde(default)]
    pub card: Option<Card>,
}

/// What may be shown of a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Card {
    /// Such as `visa`.
    pub brand: Option<String>,
    /// The last four digits.
    pub last4: Option<String>,
    /// 1 to 12.
    pub exp_month: Option<i64>,
    /// Four digits.
    pub exp_year: Option<i64>,
}
