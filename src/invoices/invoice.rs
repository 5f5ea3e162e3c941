//! An invoice, as Stripe tells it and as people read it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Placed;
use crate::money::Currency;
use crate::stripe;

/// How far an invoice is; Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = InvoiceStatus)]
pub enum Status {
    /// It can be changed; nobody is asked to pay. Stripe finalises it by itself where `auto_advance` is set.
    Draft,
    /// The customer is to pay.
    Open,
    /// Nobody expects the money any more; it can be paid all the same.
    Uncollectible,
    /// It never was.
    Void,
    /// Paid, or nothing was to be paid.
    Paid,
}

impl Status {
    /// All of them, in the order in which they can follow each other.
    pub const ALL: [Self; 5] = [Self::Draft, Self::Open, Self::Uncollectible, Self::Void, Self::Paid];

    /// As Stripe and the table have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
            Self::Paid => "paid",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no status of an invoice.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no status of an invoice")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// What one snapshot says of an invoice. Amounts in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InvoiceFacts)]
pub struct Facts {
    /// How far it is.
    pub status: Status,
    /// What the customer knows it by; none for a draft.
    pub number: Option<String>,
    /// Why it was made, such as `manual`, `subscription_create`, `subscription_cycle` or `subscription_update`.
    pub billing_reason: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// `cus_…`, who pays.
    pub customer: Option<String>,
    /// Where Stripe writes to.
    pub customer_email: Option<String>,
    /// `sub_…`, of whose period it is.
    pub subscription: Option<String>,
    /// `qt_…`, whose acceptance made it.
    pub quote: Option<String>,
    /// Of all amounts.
    pub currency: Currency,
    /// What is asked.
    pub amount_due: i64,
    /// What arrived.
    pub amount_paid: i64,
    /// What is still to come.
    pub amount_remaining: i64,
    /// How many lines it has, at most ten counted.
    #[serde(skip)]
    pub lines: Option<i32>,
    /// Whether Stripe moves it on by itself.
    pub auto_advance: Option<bool>,
    /// When Stripe finalises a draft by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    pub automatically_finalizes_at: Option<OffsetDateTime>,
    /// How often Stripe tried to collect it.
    pub attempt_count: i64,
    /// When Stripe tries again; none where it does not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_payment_attempt: Option<OffsetDateTime>,
    /// Until when it is to be paid, where it was sent.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_date: Option<OffsetDateTime>,
    /// The begin of the period that it is for.
    #[serde(with = "time::serde::rfc3339::option")]
    pub period_start: Option<OffsetDateTime>,
    /// Its end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub period_end: Option<OffsetDateTime>,
    /// The page on which the customer pays it; from when it is finalised.
    pub hosted_invoice_url: Option<String>,
    /// The invoice as a PDF; from when it is finalised.
    pub invoice_pdf: Option<String>,
    /// When Stripe made it.
    #[serde(skip)]
    pub created: Option<OffsetDateTime>,
}

impl Facts {
    /// Reads a snapshot; none where it has no status or currency that we know.
    pub fn of(invoice: &stripe::Invoice) -> Option<Self> {
        let id = |id: Option<&stripe::Id>| id.map(|id| id.0.clone());
        let remaining = invoice.amount_due - invoice.amount_received();
        let (period_start, period_end) = period(invoice);
        Some(Self {
            status: invoice.status.as_deref()?.parse().ok()?,
            number: invoice.number.clone(),
            billing_reason: invoice.billing_reason.clone(),
            collection_method: invoice.collection_method.clone(),
            customer: id(invoice.customer.as_ref()),
            customer_email: invoice.customer_email.clone(),
            subscription: id(invoice.subscription()),
            quote: id(invoice.quote()),
            currency: Currency::parse(&invoice.currency).ok()?,
            amount_due: invoice.amount_due,
            amount_paid: invoice.amount_received(),
            amount_remaining: invoice.amount_remaining.unwrap_or(remaining),
            lines: i32::try_from(invoice.lines().len()).ok().filter(|_| invoice.tells_lines()),
            auto_advance: invoice.auto_advance,
            automatically_finalizes_at: invoice.automatically_finalizes_at,
            attempt_count: invoice.attempt_count,
            next_payment_attempt: invoice.next_payment_attempt,
            due_date: invoice.due_date,
            period_start,
            period_end,
            hosted_invoice_url: invoice.hosted_invoice_url.clone(),
            invoice_pdf: invoice.invoice_pdf.clone(),
            created: invoice.created,
        })
    }
}

/// The period that is billed: that of the lines of a subscription, whose invoice's own period is the one before.
fn period(invoice: &stripe::Invoice) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
    let bills_periods = invoice.subscription().is_some();
    let lines = || invoice.lines().iter().filter(|line| bills_periods && !line.is_proration());
    let starts = lines().filter_map(|line| line.period.as_ref()?.start);
    let ends = lines().filter_map(|line| line.period.as_ref()?.end);
    let (start, end) = (starts.min(), ends.max());
    if start.is_some() && end.is_some() {
        return (start, end);
    }
    (invoice.period_start, invoice.period_end)
}

/// An invoice, as the API and the command line show it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Invoice {
    /// Ours.
    pub id: Uuid,
    /// `in_…`
    pub stripe_id: String,
    /// `acct_…` where it is a connected account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The order that it became, from when it was finalised.
    pub order_id: Option<Uuid>,
    /// What Stripe says of it.
    #[serde(flatten)]
    pub facts: Facts,
    /// What a form in the shop's own page needs to take its payment, while there is something to pay.
    pub client_secret: Option<String>,
    /// Whether the bank wants the customer to do something first: send them to `hosted_invoice_url`.
    pub action_required: bool,
    /// Why the last try to collect it failed, while it is not paid.
    pub problem: Option<String>,
    /// The PaymentIntents that pay it.
    pub payment_intents: Vec<String>,
    /// The page that shows the customer what was paid.
    pub receipt_url: Option<String>,
    /// When a draft of it was deleted.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<OffsetDateTime>,
    /// As of when Stripe told this.
    #[serde(with = "time::serde::rfc3339")]
    pub told_at: OffsetDateTime,
    /// When Stripe made it.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When we last learnt something of it.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Placed for Invoice {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}
