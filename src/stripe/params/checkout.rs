//! What is sent about a Checkout Session.

use serde::{Deserialize, Serialize};

use super::{CaptureMethod, CreatedAfter, NewMetadata, NewTransferData, SetupFutureUsage};

/// `POST /v1/checkout/sessions`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCheckoutSession {
    /// What it is for.
    pub mode: CheckoutMode,
    /// What is bought; at most 100.
    pub line_items: Vec<NewSessionLine>,
    /// Where the page leads after the payment; `{CHECKOUT_SESSION_ID}` in it becomes the session's id.
    pub success_url: String,
    /// Where the page leads whoever does not want to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_url: Option<String>,
    /// Until when it can be paid, Unix seconds, from 30 minutes to 24 hours from now; 24 hours if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// What the merchant calls the purchase; at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_reference_id: Option<String>,
    /// `cus_…`, who pays. Excludes `customer_email` and `customer_creation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Filled in for the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    /// Whether a customer is made of the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_creation: Option<CustomerCreation>,
    /// What the PaymentIntent is made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent_data: Option<PaymentIntentData>,
    /// The merchant's own, on the session alone.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// What a session is for, as far as we open them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutMode {
    /// One payment.
    #[default]
    Payment,
}

/// Whether a customer is made of the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerCreation {
    /// Of each.
    Always,
    /// Only where something is kept for them.
    IfRequired,
}

/// A line of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSessionLine {
    /// How many.
    pub quantity: i64,
    /// What one costs.
    pub price_data: PriceData,
}

/// A price that is described on the spot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceData {
    /// Three letters, lower case.
    pub currency: String,
    /// Minor units for one.
    pub unit_amount: i64,
    /// What it is.
    pub product_data: ProductData,
}

/// A product that is described on the spot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductData {
    /// For people.
    pub name: String,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// What a session's PaymentIntent is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentIntentData {
    /// For the merchant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When the money is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_method: Option<CaptureMethod>,
    /// Whether the method is kept for later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_future_usage: Option<SetupFutureUsage>,
    /// Where the receipt goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_email: Option<String>,
    /// On the buyer's statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_descriptor_suffix: Option<String>,
    /// The platform's share, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_fee_amount: Option<i64>,
    /// The connected account that gets the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_data: Option<NewTransferData>,
    /// `acct_…`, the merchant of record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// `POST /v1/checkout/sessions/{id}/expire`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExpireCheckoutSession {
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `GET /v1/checkout/sessions`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListCheckoutSessions {
    /// `pi_…`, whose session it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// When they were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<CreatedAfter>,
}
