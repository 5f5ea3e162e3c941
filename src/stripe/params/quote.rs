//! What is sent about quotes.

use serde::{Deserialize, Serialize};

use super::NewMetadata;

/// `POST /v1/quotes`: a draft. `POST /v1/quotes/{id}`: changes one; what is not sent stays, lines are replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewQuote {
    /// `cus_…`; needed only to finalise it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What is offered; needed only to finalise it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub line_items: Vec<NewQuoteLine>,
    /// On the PDF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// On the PDF, at the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// On the PDF, at the bottom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// Until when it can be accepted, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// How its invoices are paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_method: Option<QuoteCollectionMethod>,
    /// Of its invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice_settings: Option<NewInvoiceSettings>,
    /// Of the subscription that it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<NewSubscriptionData>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// A line of a quote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewQuoteLine {
    /// `price_…`
    pub price: String,
    /// How many.
    pub quantity: i64,
}

/// How a quote's invoices are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteCollectionMethod {
    /// Stripe charges what the customer has saved.
    ChargeAutomatically,
    /// Stripe sends the customer an invoice to pay.
    SendInvoice,
}

/// Of a quote's invoices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewInvoiceSettings {
    /// How long the customer has to pay one that is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_until_due: Option<i64>,
}

/// Of the subscription that a quote begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSubscriptionData {
    /// Days without payment at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_period_days: Option<i64>,
    /// When it begins, Unix seconds; at once if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_date: Option<i64>,
    /// The merchant's own, copied to the subscription.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// `POST /v1/quotes/{id}/finalize`: from then on it can be accepted and has a PDF.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FinalizeQuote {
    /// Until when it can be accepted, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}
