//! The invoice payment: from 2025-05-28.basil the one thing that says which PaymentIntent pays which invoice.

use serde::Deserialize;

use crate::stripe::Id;

/// One payment of an invoice. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoicePayment {
    /// `open`, `paid` or `canceled`.
    #[serde(default)]
    pub status: Option<String>,
    /// The invoice.
    #[serde(default)]
    pub invoice: Option<Id>,
    /// What pays it.
    #[serde(default)]
    payment: Option<Payment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Payment {
    #[serde(default)]
    payment_intent: Option<Id>,
    #[serde(default)]
    charge: Option<Id>,
}

impl InvoicePayment {
    /// The PaymentIntent that pays; none where a bare charge or an outside payment does.
    pub fn payment_intent(&self) -> Option<&Id> {
        self.payment.as_ref()?.payment_intent.as_ref()
    }

    /// The charge that pays, where no PaymentIntent does.
    pub fn charge(&self) -> Option<&Id> {
        self.payment.as_ref()?.charge.as_ref()
    }
}
