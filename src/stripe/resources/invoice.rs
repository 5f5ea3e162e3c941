//! The invoice, in both of its shapes: before and after 2025-03-31.basil.

use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    Address, Customer, InvoicePayment, List, Metadata, ShippingDetails, null_as_default, present, unix,
};
use crate::stripe::Id;

mod line;

pub use line::{InvoiceLine, LinePrice, Period};

/// An invoice. Amounts are in minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// `in_…`; absent in previews (`invoice.upcoming`).
    #[serde(default)]
    pub id: Option<String>,
    /// `draft`, `open`, `paid`, `void` or `uncollectible`.
    #[serde(default)]
    pub status: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "unix")]
    pub created: Option<OffsetDateTime>,
    /// What the customer knows it by; given when it is finalised.
    #[serde(default)]
    pub number: Option<String>,
    /// Why it was made, such as `manual`, `subscription_create`, `subscription_cycle` or `subscription_update`.
    #[serde(default)]
    pub billing_reason: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    #[serde(default)]
    pub collection_method: Option<String>,
    /// What is asked, after discounts, tax and credit balance.
    pub amount_due: i64,
    /// What arrived; before 2025-03-31.basil without what was paid outside of Stripe.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_paid: i64,
    /// What is still to come.
    #[serde(default)]
    pub amount_remaining: Option<i64>,
    /// The sum of the lines after discounts and tax, before credit balance; negative where credits outweigh.
    #[serde(default)]
    pub total: Option<i64>,
    /// Three letters, lower case.
    pub currency: String,
    /// Whether Stripe moves it on by itself: finalises it an hour after it was made, and collects it.
    #[serde(default)]
    pub auto_advance: Option<bool>,
    /// When Stripe finalises a draft by itself.
    #[serde(default, deserialize_with = "unix")]
    pub automatically_finalizes_at: Option<OffsetDateTime>,
    /// How often Stripe tried to collect it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub attempt_count: i64,
    /// When Stripe tries again.
    #[serde(default, deserialize_with = "unix")]
    pub next_payment_attempt: Option<OffsetDateTime>,
    /// Until when it is to be paid, where it was sent.
    #[serde(default, deserialize_with = "unix")]
    pub due_date: Option<OffsetDateTime>,
    /// The begin of the time in which its items came together; a subscription's own period is on its lines.
    #[serde(default, deserialize_with = "unix")]
    pub period_start: Option<OffsetDateTime>,
    /// The end of that time.
    #[serde(default, deserialize_with = "unix")]
    pub period_end: Option<OffsetDateTime>,
    /// The page on which the customer pays it; from when it is finalised.
    #[serde(default)]
    pub hosted_invoice_url: Option<String>,
    /// The invoice as a PDF; from when it is finalised.
    #[serde(default)]
    pub invoice_pdf: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// Frozen when the invoice was finalised.
    #[serde(default)]
    pub customer_email: Option<String>,
    /// Frozen when the invoice was finalised.
    #[serde(default)]
    pub customer_name: Option<String>,
    /// Frozen when the invoice was finalised.
    #[serde(default)]
    pub customer_address: Option<Address>,
    /// Frozen when the invoice was finalised.
    #[serde(default)]
    pub customer_shipping: Option<ShippingDetails>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Old shape: the charge that paid it.
    #[serde(default)]
    pub charge: Option<Id>,
    /// Old shape: what pays it. Absent, `null` and an id are three different answers.
    #[serde(default, deserialize_with = "present")]
    payment_intent: Option<Option<Id>>,
    /// Old shape: paid, but not through Stripe.
    #[serde(default, deserialize_with = "null_as_default")]
    paid_out_of_band: bool,
    /// Old shape.
    #[serde(default)]
    subscription: Option<Id>,
    /// Old shape.
    #[serde(default)]
    quote: Option<Id>,
    /// New shape: what made it.
    #[serde(default)]
    parent: Option<Parent>,
    /// New shape, only where the sender expanded it: what pays it.
    #[serde(default)]
    payments: Option<List<InvoicePayment>>,
    /// New shape, only where the sender expanded it.
    #[serde(default)]
    confirmation_secret: Option<ConfirmationSecret>,
    /// The first ten lines.
    #[serde(default)]
    lines: Option<List<InvoiceLine>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Parent {
    #[serde(default)]
    subscription_details: Option<SubscriptionDetails>,
    #[serde(default)]
    quote_details: Option<QuoteDetails>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct SubscriptionDetails {
    #[serde(default)]
    subscription: Option<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct QuoteDetails {
    #[serde(default)]
    quote: Option<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ConfirmationSecret {
    #[serde(default)]
    client_secret: Option<String>,
}

impl Invoice {
    /// Whether it is paid, however. The old boolean `paid` is gone; the status says it in every version.
    pub fn is_paid(&self) -> bool {
        self.status.as_deref() == Some("paid")
    }

    /// What arrived, in every version: before 2025-03-31.basil `amount_paid` leaves out what came outside of Stripe.
    pub fn amount_received(&self) -> i64 {
        if self.paid_out_of_band { self.amount_due.max(self.amount_paid) } else { self.amount_paid }
    }

    /// The PaymentIntents that pay it, as far as this event tells.
    pub fn payment_intents(&self) -> impl Iterator<Item = &Id> {
        let listed =
            self.payments.iter().flat_map(|list| &list.data).filter_map(InvoicePayment::payment_intent);
        self.payment_intent.iter().flatten().chain(listed)
    }

    /// Whether it names the PaymentIntent that pays it, or says that none does.
    pub fn names_payment_intent(&self) -> bool {
        self.payment_intent.is_some() || self.payments.as_ref().is_some_and(|list| !list.data.is_empty())
    }

    /// Whether this event tells what paid it, if only that nothing had to: then nobody need wait to learn it.
    pub fn tells_what_paid(&self) -> bool {
        self.payment_intent.is_some()
            || self.payments.as_ref().is_some_and(|list| !list.data.is_empty())
            || self.amount_paid == 0
    }

    /// `sub_…`, the subscription that it bills.
    pub fn subscription(&self) -> Option<&Id> {
        let new = || self.parent.as_ref()?.subscription_details.as_ref()?.subscription.as_ref();
        self.subscription.as_ref().or_else(new)
    }

    /// `qt_…`, the quote that it was made of.
    pub fn quote(&self) -> Option<&Id> {
        let new = || self.parent.as_ref()?.quote_details.as_ref()?.quote.as_ref();
        self.quote.as_ref().or_else(new)
    }

    /// What a page needs to take its payment, where this answer was asked for it.
    pub fn client_secret(&self) -> Option<&str> {
        self.confirmation_secret.as_ref()?.client_secret.as_deref()
    }

    /// Its lines, the first ten.
    pub fn lines(&self) -> &[InvoiceLine] {
        self.lines.as_ref().map_or(&[], |list| &list.data)
    }

    /// Whether it says which lines it has.
    pub fn tells_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// Whether it has more lines than it shows.
    pub fn has_more_lines(&self) -> bool {
        self.lines.as_ref().is_some_and(|list| list.has_more)
    }
}

#[cfg(test)]
mod tests;
