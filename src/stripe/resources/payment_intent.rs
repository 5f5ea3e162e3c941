//! The PaymentIntent: one purchase's way to its money.

use serde::Deserialize;

use super::{Charge, Customer, List, Metadata, ShippingDetails, null_as_default, present};
use crate::stripe::{Id, is_id};

/// What lets a browser act on one PaymentIntent. Hidden in `Debug` output.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// The text, for the answer to the browser.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// A PaymentIntent. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// What is asked.
    pub amount: i64,
    /// What arrived.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_received: i64,
    /// What can still be captured.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_capturable: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// Such as `succeeded`.
    pub status: String,
    /// For the browser. Not in answers to a key that may not have it.
    #[serde(default)]
    pub client_secret: Option<ClientSecret>,
    /// What the buyer must do next, in `requires_action`.
    #[serde(default)]
    pub next_action: Option<NextAction>,
    /// `pm_…`, what it is paid with.
    #[serde(default)]
    pub payment_method: Option<Id>,
    /// `automatic`, `automatic_async` or `manual`.
    #[serde(default)]
    pub capture_method: Option<String>,
    /// `automatic` or `manual`.
    #[serde(default)]
    pub confirmation_method: Option<String>,
    /// `off_session` or `on_session`.
    #[serde(default)]
    pub setup_future_usage: Option<String>,
    /// The platform's share.
    #[serde(default)]
    pub application_fee_amount: Option<i64>,
    /// The connected account that gets the rest.
    #[serde(default)]
    pub transfer_data: Option<TransferData>,
    /// The connected account that is the merchant of record.
    #[serde(default)]
    pub on_behalf_of: Option<Id>,
    /// When it was made, Unix seconds.
    #[serde(default)]
    pub created: Option<i64>,
    /// Live or test mode.
    #[serde(default)]
    pub livemode: Option<bool>,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// Where the receipt goes.
    #[serde(default)]
    pub receipt_email: Option<String>,
    /// Where the parcel goes.
    #[serde(default)]
    pub shipping: Option<ShippingDetails>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// The invoice that it pays. The key exists only before 2025-03-31.basil: absent, `null` and an id are three
    /// different answers.
    #[serde(default, deserialize_with = "present")]
    invoice: Option<Option<Id>>,
    /// What it pays for, from 2025-10-29.clover on.
    #[serde(default)]
    payment_details: Option<PaymentDetails>,
    /// The newest charge, from 2022-11-15.
    #[serde(default)]
    pub latest_charge: Option<Id>,
    /// All charges, before 2022-11-15.
    #[serde(default)]
    charges: Option<List<Charge>>,
    /// Why the last try failed.
    #[serde(default)]
    pub last_payment_error: Option<PaymentError>,
    /// Why it was called off.
    #[serde(default)]
    pub cancellation_reason: Option<String>,
}

/// What a payment is for.
#[derive(Debug, Deserialize)]
struct PaymentDetails {
    /// The merchant's own word. Stripe itself writes the invoice here that it made the payment for.
    #[serde(default)]
    order_reference: Option<String>,
}

/// What the buyer must do next.
#[derive(Clone, Debug, Deserialize)]
pub struct NextAction {
    /// Such as `use_stripe_sdk` (a step for Stripe.js) or `redirect_to_url`.
    #[serde(rename = "type")]
    pub action_type: String,
    /// Where to send the buyer.
    #[serde(default)]
    pub redirect_to_url: Option<RedirectToUrl>,
}

/// Where to send the buyer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RedirectToUrl {
    /// The bank's page.
    pub url: Option<String>,
    /// Where the buyer comes back to.
    pub return_url: Option<String>,
}

/// The connected account of a destination charge.
#[derive(Clone, Debug, Deserialize)]
pub struct TransferData {
    /// `acct_…`
    pub destination: Id,
    /// What it gets, where that was fixed.
    #[serde(default)]
    pub amount: Option<i64>,
}

/// Why a try failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PaymentError {
    /// Such as `card_error`: only its message is for the buyer.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Such as `card_declined`.
    pub code: Option<String>,
    /// Such as `insufficient_funds`.
    pub decline_code: Option<String>,
    /// What Stripe advises, such as `try_again_later`.
    pub advice_code: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// `ch_…`, the charge that failed.
    pub charge: Option<Id>,
}

impl PaymentIntent {
    /// The invoice that it pays, as far as this version tells: none where it does not, none inside where it pays none.
    /// A payment that was made without an invoice may have become a part of one later: only the key `invoice` knows.
    pub fn pays_invoice(&self) -> Option<Option<&str>> {
        let reference = self.payment_details.as_ref().and_then(|details| details.order_reference.as_deref());
        match &self.invoice {
            Some(invoice) => Some(invoice.as_ref().map(Id::as_str)),
            None => reference.filter(|reference| is_id(reference, "in_")).map(Some),
        }
    }

    /// The ids of its charges, as far as this version tells them.
    pub fn charge_ids(&self) -> impl Iterator<Item = &str> {
        let listed = self.charges.iter().flat_map(|list| &list.data).map(|charge| charge.id.as_str());
        self.latest_charge.iter().map(Id::as_str).chain(listed)
    }
}
