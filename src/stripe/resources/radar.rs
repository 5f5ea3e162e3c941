//! What Stripe's fraud prevention tells of a payment: the issuer's warning, and the review by a person.

use serde::Deserialize;

use crate::stripe::Id;

/// The card's issuer suspects fraud, before any dispute.
#[derive(Debug, Deserialize)]
pub struct EarlyFraudWarning {
    /// `issfr_…`
    pub id: String,
    /// Such as `unauthorized_use_of_card`.
    #[serde(default)]
    pub fraud_type: Option<String>,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<Id>,
    /// Of which PaymentIntent.
    #[serde(default)]
    pub payment_intent: Option<Id>,
}

/// A payment that a person is to look at.
#[derive(Debug, Deserialize)]
pub struct Review {
    /// `prv_…`
    pub id: String,
    /// Whether nobody has decided yet.
    pub open: bool,
    /// `rule` or `manual` while it is open; how it was closed in old versions.
    #[serde(default)]
    pub reason: Option<String>,
    /// How it was closed, such as `approved` or `refunded_as_fraud`.
    #[serde(default)]
    pub closed_reason: Option<String>,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<Id>,
    /// Of which PaymentIntent.
    #[serde(default)]
    pub payment_intent: Option<Id>,
}
