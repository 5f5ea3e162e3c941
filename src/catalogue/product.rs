//! Products: what is sold, whatever it costs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::thing::{Making, metadata};
use crate::api::{Faults, FieldError, Placed};
use crate::stripe::params::NewProduct;

/// The body of `POST /v1/products`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProduct {
    /// What the customer reads.
    #[schema(min_length = 1, max_length = 250)]
    pub name: String,
    /// More of that.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// The merchant's name for the article: what lines of its prices send, where those have no sku of their own.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub sku: Option<String>,
    /// The merchant's own notes, texts; Stripe keeps them too.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
}

/// A product that was made through Packline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Product {
    /// Ours.
    pub id: Uuid,
    /// `prod_…`, once it is made.
    pub stripe_id: Option<String>,
    /// How far its making is.
    pub state: Making,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What the customer reads.
    pub name: String,
    /// More of that.
    pub description: Option<String>,
    /// The merchant's name for the article.
    pub sku: Option<String>,
    /// The merchant's own notes.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed here.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Placed for Product {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}

impl CreateProduct {
    pub(super) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.text("name", Some(&self.name), 250);
        faults.lines_of_text("description", self.description.as_deref(), 1000);
        faults.text("sku", self.sku.as_deref(), 200);
        faults.metadata(&self.metadata);
        faults.finish(Some(()))
    }

    pub(super) fn params(&self) -> NewProduct {
        NewProduct {
            name: self.name.clone(),
            description: self.description.clone(),
            metadata: metadata(&self.metadata, self.sku.as_deref()),
        }
    }
}
