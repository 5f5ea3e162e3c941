//! Which objects are listed.

use serde::{Deserialize, Serialize};

/// `GET /v1/payment_intents`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListPaymentIntents {
    /// `cus_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// When they were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<CreatedAfter>,
}

/// `GET /v1/refunds`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListRefunds {
    /// `pi_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// `ch_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    /// When they were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<CreatedAfter>,
}

/// `GET /v1/payment_methods`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListPaymentMethods {
    /// `cus_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Such as `card`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub method_type: Option<String>,
}

/// `GET /v1/accounts`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListAccounts {
    /// When they were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<CreatedAfter>,
}

/// `GET /v1/events`: those of the last 30 days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListEvents {
    /// At most 20 types; `invoice.*` is no type here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// When they were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<CreatedAfter>,
    /// `false`: those that some endpoint has not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_success: Option<bool>,
}

/// Bounds of a time, Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreatedAfter {
    /// From this second on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<i64>,
    /// Before this second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<i64>,
}
