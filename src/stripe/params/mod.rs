//! What is sent, as far as we send it. Named as Stripe names it; what is `None` or empty is not sent, and an empty text
//! unsets what it names.
//!
//! They can be stored and sent again: under one idempotency key Stripe takes only the parameters that it saw first.

mod account;
mod catalogue;
mod checkout;
mod invoice;
mod list;
mod payment_intent;
mod quote;
mod refund;
mod subscription;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use account::{
    AccountLinkType, AccountType, BusinessType, CapabilityRequest, NewAccount, NewAccountLink,
    NewCapabilities,
};
pub use catalogue::{NewPrice, NewProduct, NewRecurring, RecurringInterval};
pub use checkout::{
    CheckoutMode, CustomerCreation, ExpireCheckoutSession, ListCheckoutSessions, NewCheckoutSession,
    NewSessionLine, PaymentIntentData, PriceData, ProductData,
};
pub use invoice::{FinalizeInvoice, MoveInvoice, PayInvoice};
pub use list::{CreatedAfter, ListAccounts, ListEvents, ListPaymentIntents, ListPaymentMethods, ListRefunds};
pub use payment_intent::{
    AllowRedirects, AutomaticPaymentMethods, CancelPaymentIntent, CancellationReason, CaptureMethod,
    CapturePaymentIntent, CardOptions, ConfirmPaymentIntent, ConfirmationMethod, NewPaymentIntent,
    NewTransferData, PaymentMethodOptions, RequestThreeDSecure, SetupFutureUsage, UpdatePaymentIntent,
};
pub use quote::{
    FinalizeQuote, NewInvoiceSettings, NewQuote, NewQuoteLine, NewSubscriptionData, QuoteCollectionMethod,
};
pub use refund::{NewRefund, RefundReason};
pub use subscription::{
    CancelSubscription, ChangeSubscription, ItemChange, NewSubscription, NewSubscriptionItem, PauseBehavior,
    PauseInvoices, PauseWish, PaymentBehavior, ProrationBehavior, ResumeSubscription,
};

/// Keys and values to be written on an object; an empty value takes a key away.
pub type NewMetadata = BTreeMap<String, String>;

/// A customer to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCustomer {
    /// Where receipts go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For carriers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// For the merchant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where parcels go; copied to invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping: Option<NewCustomerShipping>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// Where a customer's parcels go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCustomerShipping {
    /// Who receives them; Stripe demands it.
    pub name: String,
    /// For the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Where to; Stripe demands it.
    pub address: NewAddress,
}

/// Where a parcel goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewShipping {
    /// Who receives it; Stripe demands it.
    pub name: String,
    /// For the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Who brings it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The number of the parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// Where to; Stripe demands it.
    pub address: NewAddress,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewAddress {
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line1: Option<String>,
    /// Flat, floor, company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// City or town.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or county.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Two-letter ISO code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}
