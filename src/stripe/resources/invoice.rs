//! The invoice, in both of its shapes: before and after 2025-03-31.basil.

use serde::Deserialize;

use super::{Address, Customer, InvoicePayment, List, Metadata, ShippingDetails, null_as_default, present};
use crate::stripe::Id;

/// An invoice. Amounts are in minor units of `currency`.
#[derive(Debug, Deserialize)]
pub struct Invoice {
    /// `in_…`; absent in previews (`invoice.upcoming`).
    #[serde(default)]
    pub id: Option<String>,
    /// `draft`, `open`, `paid`, `void` or `uncollectible`.
    #[serde(default)]
    pub status: Option<String>,
    /// What is asked, after discounts, tax and credit balance.
    pub amount_due: i64,
    /// What arrived; before 2025-03-31.basil without what was paid outside of Stripe.
    #[serde(default, deserialize_with = "null_as_default")]
    pub amount_paid: i64,
    /// Three letters, lower case.
    pub currency: String,
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
    /// Old shape: what pays it. Absent, `null` and an id are three different answers.
    #[serde(default, deserialize_with = "present")]
    payment_intent: Option<Option<Id>>,
    /// Old shape: the charge that paid it.
    #[serde(default)]
    pub charge: Option<Id>,
    /// Old shape: paid, but not through Stripe.
    #[serde(default, deserialize_with = "null_as_default")]
    paid_out_of_band: bool,
    /// New shape, only where the sender expanded it: what pays it.
    #[serde(default)]
    payments: Option<List<InvoicePayment>>,
    /// The first ten lines.
    #[serde(default)]
    lines: Option<List<InvoiceLine>>,
}

/// A line of an invoice.
#[derive(Debug, Deserialize)]
pub struct InvoiceLine {
    /// Minor units for the whole line; negative for credits.
    pub amount: i64,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// How many; none means one.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Old shape.
    #[serde(default)]
    price: Option<Id>,
    /// New shape.
    #[serde(default)]
    pricing: Option<Pricing>,
}

#[derive(Debug, Deserialize)]
struct Pricing {
    #[serde(default)]
    price_details: Option<PriceDetails>,
}

#[derive(Debug, Deserialize)]
struct PriceDetails {
    #[serde(default)]
    price: Option<Id>,
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

    /// Whether this event tells what paid it, if only that nothing had to: then nobody need wait to learn it.
    pub fn tells_what_paid(&self) -> bool {
        self.payment_intent.is_some()
            || self.payments.as_ref().is_some_and(|list| !list.data.is_empty())
            || self.amount_paid == 0
    }

    /// Its lines, the first ten.
    pub fn lines(&self) -> &[InvoiceLine] {
        self.lines.as_ref().map_or(&[], |list| &list.data)
    }
}

impl InvoiceLine {
    /// The price that was bought, in either shape.
    pub fn price(&self) -> Option<&Id> {
        let new = || self.pricing.as_ref()?.price_details.as_ref()?.price.as_ref();
        self.price.as_ref().or_else(new)
    }
}
