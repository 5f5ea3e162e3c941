//! The price: what one of a product costs, once or each period.

use serde::Deserialize;

use super::{Metadata, null_as_default};
use crate::stripe::Id;

/// A price.
#[derive(Clone, Debug, Deserialize)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// `prod_…`; absent in some places of old versions.
    #[serde(default)]
    pub product: Option<Id>,
    /// Three letters, lower case.
    #[serde(default)]
    pub currency: Option<String>,
    /// Minor units for one; none where it depends on the quantity.
    #[serde(default)]
    pub unit_amount: Option<i64>,
    /// How often it is asked for; none for once.
    #[serde(default)]
    pub recurring: Option<Recurring>,
    /// For the merchant.
    #[serde(default)]
    pub nickname: Option<String>,
    /// The merchant's own name for it.
    #[serde(default)]
    pub lookup_key: Option<String>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How often a price is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// How many of them make a period.
    #[serde(default = "one")]
    pub interval_count: i64,
}

fn one() -> i64 {
    1
}
