//! What is sent about a refund.

use serde::{Deserialize, Serialize};

use super::NewMetadata;

/// `POST /v1/refunds`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewRefund {
    /// `pi_…`, whose money goes back; or a charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// `ch_…`, whose money goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    /// Minor units; all that is left if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RefundReason>,
    /// `true`: the connected account gives back its part. Otherwise the platform bears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_transfer: Option<bool>,
    /// `true`: the platform gives back its fee, in proportion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_application_fee: Option<bool>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// Paid twice.
    Duplicate,
    /// Fraud; the card is blocked.
    Fraudulent,
    /// The buyer asked.
    RequestedByCustomer,
}
