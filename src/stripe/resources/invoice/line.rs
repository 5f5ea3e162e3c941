//! A line of an invoice, in both shapes.

use serde::Deserialize;
use time::OffsetDateTime;

use super::super::{Metadata, null_as_default, unix};
use crate::stripe::Id;

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoiceLine {
    /// `il_…`
    #[serde(default)]
    pub id: Option<String>,
    /// Minor units for the whole line; negative for credits.
    pub amount: i64,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// How many; none means one.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// The time that it is for.
    #[serde(default)]
    pub period: Option<Period>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Old shape: the price with all that is known of it.
    #[serde(default)]
    price: Option<LinePrice>,
    /// New shape.
    #[serde(default)]
    pricing: Option<Pricing>,
    /// Old shape.
    #[serde(default)]
    proration: Option<bool>,
    /// New shape: what made it.
    #[serde(default)]
    parent: Option<Parent>,
}

/// A time that a line is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Period {
    /// From when.
    #[serde(default, deserialize_with = "unix")]
    pub start: Option<OffsetDateTime>,
    /// Until when.
    #[serde(default, deserialize_with = "unix")]
    pub end: Option<OffsetDateTime>,
}

/// A price as a line shows it: its id alone, or the price itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WirePrice")]
pub struct LinePrice {
    /// `price_…`
    pub id: Id,
    /// The merchant's own; empty where only the id is told.
    pub metadata: Metadata,
    /// The merchant's own name for it.
    pub lookup_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WirePrice {
    Id(String),
    Price {
        id: String,
        #[serde(default, deserialize_with = "null_as_default")]
        metadata: Metadata,
        #[serde(default)]
        lookup_key: Option<String>,
    },
}

impl From<WirePrice> for LinePrice {
    fn from(wire: WirePrice) -> Self {
        match wire {
            WirePrice::Id(id) => Self { id: Id(id), metadata: Metadata::default(), lookup_key: None },
            WirePrice::Price { id, metadata, lookup_key } => Self { id: Id(id), metadata, lookup_key },
        }
    }
}

impl LinePrice {
    /// The merchant's name for the article, where the price says it.
    pub fn sku(&self) -> Option<&str> {
        self.metadata.get("sku").or(self.lookup_key.as_ref()).map(String::as_str)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Pricing {
    #[serde(default)]
    price_details: Option<PriceDetails>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct PriceDetails {
    #[serde(default)]
    price: Option<LinePrice>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Parent {
    #[serde(default)]
    invoice_item_details: Option<ParentDetails>,
    #[serde(default)]
    subscription_item_details: Option<ParentDetails>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ParentDetails {
    #[serde(default)]
    proration: Option<bool>,
}

impl InvoiceLine {
    /// The price that was bought, in either shape.
    pub fn price(&self) -> Option<&LinePrice> {
        let new = || self.pricing.as_ref()?.price_details.as_ref()?.price.as_ref();
        self.price.as_ref().or_else(new)
    }

    /// Whether it only adjusts what a change in the middle of a period costs: nothing is bought by it.
    pub fn is_proration(&self) -> bool {
        let details = self.parent.iter().flat_map(|parent| {
            [&parent.invoice_item_details, &parent.subscription_item_details].into_iter().flatten()
        });
        self.proration == Some(true) || details.into_iter().any(|details| details.proration == Some(true))
    }
}
