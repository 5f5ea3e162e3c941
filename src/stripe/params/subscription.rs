//! What is sent about a subscription.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::NewMetadata;

/// `POST /v1/subscriptions`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSubscription {
    /// `cus_…`, who subscribes.
    pub customer: String,
    /// To what.
    pub items: Vec<NewSubscriptionItem>,
    /// What happens where the first payment does not succeed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_behavior: Option<PaymentBehavior>,
    /// `charge_automatically` or `send_invoice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_method: Option<String>,
    /// Within how many days an invoice that is sent is to be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_until_due: Option<i32>,
    /// `pm_…` for this subscription; the customer's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_payment_method: Option<String>,
    /// Days before the first period is billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_period_days: Option<i32>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// What is subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewSubscriptionItem {
    /// `price_…`
    pub price: String,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
}

/// `POST /v1/subscriptions/{id}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeSubscription {
    /// What changes of what is subscribed to; the rest stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemChange>,
    /// What a change in the middle of a period costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proration_behavior: Option<ProrationBehavior>,
    /// What happens where its payment does not succeed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_behavior: Option<PaymentBehavior>,
    /// Whether it ends with the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_at_period_end: Option<bool>,
    /// Whether its invoices are collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_collection: Option<PauseWish>,
    /// `pm_…`, what renewals are charged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_payment_method: Option<String>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// What changes of what is subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemChange {
    /// `si_…`, what is there; another is added if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `price_…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// `true`: it is taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
}

/// Whether invoices are collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PauseWish {
    /// Not for a while.
    Pause(PauseInvoices),
    /// Again: an empty text.
    Unset(String),
}

/// What becomes of invoices for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseInvoices {
    /// What becomes of them.
    pub behavior: PauseBehavior,
    /// Until when, Unix seconds; until somebody resumes it if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes_at: Option<i64>,
}

/// What becomes of the invoices of a subscription that is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseBehavior {
    /// They stay drafts, to be collected later.
    KeepAsDraft,
    /// Nobody expects their money.
    MarkUncollectible,
    /// They never were.
    Void,
}

/// What happens where a payment does not succeed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentBehavior {
    /// It is made all the same, and past due.
    AllowIncomplete,
    /// It is made and waits for the customer to pay.
    DefaultIncomplete,
    /// Nothing is made or changed.
    ErrorIfIncomplete,
    /// The change waits for its payment.
    PendingIfIncomplete,
}

/// What a change in the middle of a period costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProrationBehavior {
    /// The difference is on the next invoice.
    CreateProrations,
    /// The difference is invoiced at once.
    AlwaysInvoice,
    /// Nothing until the next period.
    None,
}

/// `POST /v1/subscriptions/{id}/resume`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResumeSubscription {
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// `DELETE /v1/subscriptions/{id}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelSubscription {
    /// `true`: what is owed is billed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice_now: Option<bool>,
    /// `true`: the rest of the period is credited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prorate: Option<bool>,
}
