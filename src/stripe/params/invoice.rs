//! What is sent about an invoice.

use serde::{Deserialize, Serialize};

/// `POST /v1/invoices/{id}/finalize`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FinalizeInvoice {
    /// Whether Stripe collects it by itself from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_advance: Option<bool>,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `POST /v1/invoices/{id}/pay`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PayInvoice {
    /// `pm_…` of the customer; what they keep for invoices if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// `true`: it was paid elsewhere, nothing is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_out_of_band: Option<bool>,
    /// `false`: the customer is there and can do what the bank wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_session: Option<bool>,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `POST /v1/invoices/{id}/send`, `/void` and `/mark_uncollectible`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MoveInvoice {
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}
