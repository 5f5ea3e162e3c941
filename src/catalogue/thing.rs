//! What customers, products and prices have in common.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::stripe::params::NewMetadata;

/// How far the making of a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Making {
    /// Stripe may not know it yet.
    Creating,
    /// It is there.
    Created,
    /// Stripe said no, or never made it.
    Refused,
}

impl Making {
    /// As the tables have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that says not how far a making is.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of a customer, product or price")]
pub struct UnknownMaking(String);

impl FromStr for Making {
    type Err = UnknownMaking;

    fn from_str(text: &str) -> Result<Self, UnknownMaking> {
        [Self::Creating, Self::Created, Self::Refused]
            .into_iter()
            .find(|making| making.as_str() == text)
            .ok_or_else(|| UnknownMaking(text.to_owned()))
    }
}

/// The caller's metadata and the sku, for Stripe.
pub(super) fn metadata(own: &Map<String, Value>, sku: Option<&str>) -> NewMetadata {
    let own = own.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    own.chain(sku.map(|sku| ("sku".to_owned(), sku.to_owned()))).collect()
}
