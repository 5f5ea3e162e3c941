//! The product: what is sold, whatever it costs.

use serde::Deserialize;

use super::{Metadata, null_as_default};
use crate::stripe::Id;

/// A product.
#[derive(Clone, Debug, Deserialize)]
pub struct Product {
    /// `prod_…`
    pub id: String,
    /// What the customer reads.
    #[serde(default)]
    pub name: Option<String>,
    /// More of that.
    #[serde(default)]
    pub description: Option<String>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// A product as other objects name it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum NamedProduct {
    /// Where it was expanded.
    Whole(Box<Product>),
    /// `prod_…`
    Id(Id),
}
