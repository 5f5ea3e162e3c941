//! The refund: money going back.

use serde::Deserialize;

use super::{Metadata, null_as_default};
use crate::stripe::Id;

/// A refund. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct Refund {
    /// `re_…` or `pyr_…`
    pub id: String,
    /// What goes back.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`; absent in very old versions.
    #[serde(default)]
    pub status: Option<String>,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<Id>,
    /// Of which PaymentIntent.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// Such as `requested_by_customer`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Why it failed, such as `expired_or_canceled_card`.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// `trr_…`, what the connected account gave back.
    #[serde(default)]
    pub transfer_reversal: Option<Id>,
    /// When it was made, Unix seconds.
    #[serde(default)]
    pub created: Option<i64>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

impl Refund {
    /// Whether the money stays after all: the refund failed, possibly after it had succeeded, or was called off.
    pub fn is_reversed(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}
