//! What is sent about products and prices.

use serde::{Deserialize, Serialize};

use super::NewMetadata;

/// `POST /v1/products`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewProduct {
    /// What the customer reads.
    pub name: String,
    /// More of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// `POST /v1/prices`: what one of a product costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPrice {
    /// `prod_…`
    pub product: String,
    /// Three letters, lower case.
    pub currency: String,
    /// Minor units.
    pub unit_amount: i64,
    /// How often it is asked for; once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring: Option<NewRecurring>,
    /// For the merchant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// The merchant's own.
    #[serde(default, skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// How often a price is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRecurring {
    /// What is counted.
    pub interval: RecurringInterval,
    /// How many of them make a period; three years at most.
    pub interval_count: i64,
}

/// What a period is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecurringInterval {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}
