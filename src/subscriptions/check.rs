//! What a new subscription is asked to be, and whether that can be.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::FieldError;
use crate::stripe::is_payment_method_id;
use crate::stripe::params::PaymentBehavior;

const MOST_ITEMS: usize = 20;
const LONGEST_TRIAL: i32 = 730;
/// Stripe takes 50 entries, and some are ours.
const MOST_METADATA: usize = 48;

/// The body of `POST /v1/subscriptions`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateSubscription {
    /// Who subscribes: the id that `POST /v1/customers` answered, or Stripe's, `cus_…`.
    pub customer: String,
    /// To what; all prices of one currency and one interval.
    pub items: Vec<NewItem>,
    /// Days before the first period is billed.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 730)]
    pub trial_days: Option<i32>,
    /// What happens where the first payment does not succeed at once; `default_incomplete` if absent: the subscription
    /// waits until the customer has paid its first invoice.
    #[serde(default)]
    #[schema(inline)]
    pub payment_behavior: Option<PaymentBehavior>,
    /// `charge_automatically`, as if absent, or `send_invoice`.
    #[serde(default)]
    pub collection_method: Option<String>,
    /// Within how many days an invoice that is sent is to be paid.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 365)]
    pub days_until_due: Option<i32>,
    /// `pm_…` for this subscription; the customer's own if absent.
    #[serde(default)]
    pub default_payment_method: Option<String>,
    /// The merchant's own.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What is subscribed to.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewItem {
    /// One that recurs: the id that `POST /v1/prices` answered, or Stripe's, `price_…`.
    pub price: String,
    /// How many; 1 if absent.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub quantity: Option<i64>,
}

impl CreateSubscription {
    pub fn is_sent(&self) -> bool {
        self.collection_method.as_deref() == Some("send_invoice")
    }

    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: &str| faults.push(FieldError::new(field, message));
        if self.items.is_empty() || self.items.len() > MOST_ITEMS {
            fault("items", "give 1 to 20 items, each with a price");
        }
        for (position, item) in self.items.iter().enumerate() {
            if item.quantity.is_some_and(|quantity| !(1..=999_999).contains(&quantity)) {
                fault(&format!("items[{position}].quantity"), "give 1 to 999999");
            }
        }
        if self.trial_days.is_some_and(|days| !(1..=LONGEST_TRIAL).contains(&days)) {
            fault("trial_days", "give 1 to 730 days, or leave it out for no trial");
        }
        match self.collection_method.as_deref() {
            None | Some("charge_automatically") if self.days_until_due.is_some() => {
                fault(
                    "days_until_due",
                    "only invoices that are sent have a due date: set collection_method to send_invoice",
                );
            }
            None | Some("charge_automatically") => {}
            Some("send_invoice") if self.days_until_due.is_none() => {
                fault("days_until_due", "say within how many days an invoice that is sent is to be paid");
            }
            Some("send_invoice") => {}
            Some(_) => fault("collection_method", "give charge_automatically or send_invoice"),
        }
        if self.days_until_due.is_some_and(|days| !(0..=365).contains(&days)) {
            fault("days_until_due", "give 0 to 365 days");
        }
        if self.default_payment_method.as_deref().is_some_and(|id| !is_payment_method_id(id)) {
            fault("default_payment_method", "give a payment method of the customer's, pm_…");
        }
        if self.is_sent() && self.payment_behavior.is_some() {
            fault(
                "payment_behavior",
                "an invoice that is sent is not charged, so there is nothing that could fail at once",
            );
        }
        faults.extend(check_metadata(&self.metadata));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// What is wrong with the merchant's own keys and values.
pub(super) fn check_metadata(metadata: &BTreeMap<String, String>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if metadata.len() > MOST_METADATA {
        faults.push(FieldError::new("metadata", format!("give at most {MOST_METADATA} entries")));
    }
    for (key, value) in metadata {
        let mut fault = |message: &str| faults.push(FieldError::new(format!("metadata.{key}"), message));
        if key.is_empty() || key.chars().count() > 40 || key.contains(['\0', '[', ']']) {
            fault("give keys of 1 to 40 characters, without brackets");
        } else if key.starts_with("packline_") {
            fault("Packline writes this itself");
        } else if value.chars().count() > 500 || value.contains('\0') {
            fault("give a text of at most 500 characters");
        }
    }
    faults
}
