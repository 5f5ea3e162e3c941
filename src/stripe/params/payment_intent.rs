//! What is sent about a PaymentIntent.

use serde::{Deserialize, Serialize};

use super::{NewMetadata, NewShipping};

/// `POST /v1/payment_intents`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewPaymentIntent {
    /// Minor units of `currency`.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// `cus_…`, who pays and for whom the card is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// For the merchant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `pm_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Such as `card`; excludes `automatic_payment_methods`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payment_method_types: Vec<String>,
    /// Stripe chooses the methods that are offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic_payment_methods: Option<AutomaticPaymentMethods>,
    /// For single methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_options: Option<PaymentMethodOptions>,
    /// `true`: tries to pay at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<bool>,
    /// Who may confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_method: Option<ConfirmationMethod>,
    /// When the money is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_method: Option<CaptureMethod>,
    /// Whether the method is kept for later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_future_usage: Option<SetupFutureUsage>,
    /// `true`: the buyer is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_session: Option<bool>,
    /// `true`: a further step is a decline, where nobody could take it. Only together with `payment_method_types`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_on_requires_action: Option<bool>,
    /// `true`: a further step is one for Stripe.js, not an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_stripe_sdk: Option<bool>,
    /// Where the buyer comes back to after a step elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    /// Where the receipt goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_email: Option<String>,
    /// Where the parcel goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping: Option<NewShipping>,
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
    /// Ties transfers to their payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_group: Option<String>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `POST /v1/payment_intents/{id}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdatePaymentIntent {
    /// Minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// Three letters, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// `cus_…`, who pays and for whom the card is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// For the merchant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `pm_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Such as `card`; excludes `automatic_payment_methods`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payment_method_types: Vec<String>,
    /// For single methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_options: Option<PaymentMethodOptions>,
    /// When the money is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_method: Option<CaptureMethod>,
    /// Whether the method is kept for later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_future_usage: Option<SetupFutureUsage>,
    /// Where the receipt goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_email: Option<String>,
    /// Where the parcel goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping: Option<NewShipping>,
    /// On the buyer's statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_descriptor_suffix: Option<String>,
    /// The platform's share, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_fee_amount: Option<i64>,
    /// Ties transfers to their payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_group: Option<String>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `POST /v1/payment_intents/{id}/confirm`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfirmPaymentIntent {
    /// `pm_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Such as `card`; excludes `automatic_payment_methods`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payment_method_types: Vec<String>,
    /// For single methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_options: Option<PaymentMethodOptions>,
    /// When the money is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_method: Option<CaptureMethod>,
    /// Whether the method is kept for later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_future_usage: Option<SetupFutureUsage>,
    /// `true`: the buyer is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_session: Option<bool>,
    /// `true`: a further step is a decline, where nobody could take it. Only together with `payment_method_types`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_on_requires_action: Option<bool>,
    /// `true`: a further step is one for Stripe.js, not an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_stripe_sdk: Option<bool>,
    /// Where the buyer comes back to after a step elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    /// Where the receipt goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_email: Option<String>,
    /// Where the parcel goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping: Option<NewShipping>,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `POST /v1/payment_intents/{id}/capture`; what is not captured is released.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapturePaymentIntent {
    /// Minor units; all that can be captured if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_to_capture: Option<i64>,
    /// The platform's share, in minor units; at most what is captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_fee_amount: Option<i64>,
    /// `false`: more may be captured later, where the card allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_capture: Option<bool>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// On the buyer's statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_descriptor_suffix: Option<String>,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `POST /v1/payment_intents/{id}/cancel`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelPaymentIntent {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_reason: Option<CancellationReason>,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// Why a PaymentIntent is called off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancellationReason {
    /// Made twice.
    Duplicate,
    /// Fraud.
    Fraudulent,
    /// The buyer asked.
    RequestedByCustomer,
    /// The buyer left.
    Abandoned,
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMethod {
    /// At once.
    Automatic,
    /// At once, with some of the answer's figures later.
    AutomaticAsync,
    /// When it is captured, within days.
    Manual,
}

/// Who may confirm a PaymentIntent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationMethod {
    /// The browser with a publishable key, too.
    Automatic,
    /// The server alone; again after each further step, within the hour.
    Manual,
}

/// For what a method is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupFutureUsage {
    /// For payments while the buyer is away, too.
    OffSession,
    /// For payments while the buyer is there.
    OnSession,
}

/// Stripe chooses the methods that are offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutomaticPaymentMethods {
    /// Whether it does.
    pub enabled: bool,
    /// Whether methods that lead elsewhere are among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_redirects: Option<AllowRedirects>,
}

/// Whether methods that lead elsewhere are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowRedirects {
    /// They are; confirming needs a `return_url`.
    Always,
    /// They are not.
    Never,
}

/// Options for single methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentMethodOptions {
    /// For cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<CardOptions>,
}

/// Options for cards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardOptions {
    /// `cvctok_…`, the code on the card asked for anew; can be used once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvc_token: Option<String>,
    /// When the bank's check is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_three_d_secure: Option<RequestThreeDSecure>,
    /// Whether cards are kept, where other methods are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_future_usage: Option<SetupFutureUsage>,
}

/// When 3-D Secure is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestThreeDSecure {
    /// Always where it is possible.
    Any,
    /// When rules or risk call for it.
    Automatic,
    /// Always, with a step of the buyer's.
    Challenge,
}

/// The connected account of a destination charge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewTransferData {
    /// `acct_…`
    pub destination: String,
    /// What it gets, in minor units; instead of a fee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
}
