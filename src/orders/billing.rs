//! The seam between an order and what it was billed by: the quote, the subscription and the invoice behind it. Orders do
//! not know those features: the app hands in what describes them.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::Order;

/// What an order was billed by, from the offer on; each part is absent where there is none.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Billing {
    /// The quote that the customer accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<BillingQuote>,
    /// The subscription whose period it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription: Option<BillingSubscription>,
    /// The invoice that asks for the money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<BillingInvoice>,
}

/// A quote, as an order shows it.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct BillingQuote {
    /// Our id; none for a quote that was made in the Dashboard and is not known here.
    pub id: Option<Uuid>,
    /// `qt_…`
    pub stripe_id: Option<String>,
    /// What the customer knows it by.
    pub number: Option<String>,
    /// Such as `accepted`.
    pub status: Option<String>,
}

/// A subscription, as an order shows it.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct BillingSubscription {
    /// `sub_…`
    pub stripe_id: String,
    /// As Stripe has it, such as `active` or `past_due`.
    pub status: Option<String>,
    /// Whether the customer has what was subscribed to: `granted` or `revoked`.
    pub access: Option<String>,
    /// The begin of the period that this order is for.
    #[serde(with = "time::serde::rfc3339::option")]
    pub period_start: Option<OffsetDateTime>,
    /// Its end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub period_end: Option<OffsetDateTime>,
}

/// An invoice, as an order shows it. Amounts in minor units of the order's currency.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct BillingInvoice {
    /// `in_…`
    pub stripe_id: String,
    /// What the customer knows it by.
    pub number: Option<String>,
    /// `open`, `paid`, `void` or `uncollectible`.
    pub status: Option<String>,
    /// What is still to come.
    pub amount_remaining: Option<i64>,
    /// The page on which the customer pays it.
    pub hosted_invoice_url: Option<String>,
    /// The invoice as a PDF.
    pub invoice_pdf: Option<String>,
    /// What a form in the shop's own page needs to take the payment. A secret of that customer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Until when it is to be paid, where it was sent.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_date: Option<OffsetDateTime>,
    /// How often Stripe tried to collect it.
    pub attempt_count: i64,
    /// When Stripe tries again.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_payment_attempt: Option<OffsetDateTime>,
    /// The page that shows the customer what was paid.
    pub receipt_url: Option<String>,
    /// Why it is not paid yet, where a try failed.
    pub problem: Option<String>,
}

/// Describes what orders were billed by.
pub trait DescribeBilling: Send + Sync {
    /// What is known of the quotes, subscriptions and invoices behind orders; nothing of orders that have none.
    fn describe<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        orders: &'a [Order],
    ) -> BoxFuture<'a, sqlx::Result<HashMap<Uuid, Billing>>>;
}
