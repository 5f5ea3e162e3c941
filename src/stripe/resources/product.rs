//! The product: what is sold, whatever it costs.

use serde::Deserialize;

use super::{Metadata, null_as_default};

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
