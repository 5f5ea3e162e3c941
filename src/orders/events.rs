//! What Stripe's events say of orders: from an event's object to the references, the news and the seed of an order.

use std::collections::HashSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Line, LookupKind, Origin, Ref, RefKind, Shipping};
use super::state::{MoneyFact, MoneyKind, News};
use crate::money::{Currency, Money, NotACurrency};
use crate::stripe::{Address, CheckoutSession, Event, Id, Invoice, Metadata, PaymentError, ShippingDetails};

mod charge;
mod checkout;
mod dispute;
mod invoice;
mod payment_intent;
mod radar;
mod refund;

pub use charge::{on_charge, on_charge_refunded};
pub use checkout::on_checkout_session;
pub use dispute::on_dispute;
pub(crate) use invoice::read_lines;
pub use invoice::{on_invoice, on_invoice_payment};
pub use payment_intent::on_payment_intent;
pub use radar::{on_early_fraud_warning, on_review};
pub use refund::on_refund;

/// The key of an object's metadata by which it names an order of ours, by id or number.
pub const ORDER_ID: &str = "order_id";

/// The key of a refund's metadata by which it names the request of ours that it was made for.
pub const REFUND_REQUEST: &str = "refund_request";

/// An event, read for what it says of an order.
#[derive(Clone, Debug)]
pub struct OrderEvent {
    /// `evt_…`
    pub event_id: String,
    /// The connected account; none for our own.
    pub account: Option<String>,
    /// Stripe's time, whole seconds.
    pub created_at: Option<OffsetDateTime>,
    /// The objects that it is about, its own first: each stands for the same order.
    pub refs: Vec<Ref>,
    /// The order that its metadata names.
    pub names_order: Option<String>,
    /// What may be an order's name, and may be anything: nobody waits for it.
    pub may_name: Option<String>,
    /// What it tells of the order.
    pub news: News,
    /// What an order would be made of, if this is a success that no order was made for.
    pub seed: Option<Seed>,
    /// Invoices and the PaymentIntents that pay them.
    pub links: Vec<Link>,
    /// Why nothing is made of it and nothing waited for where no order is known: of a draft no order can be made yet.
    pub note: Option<&'static str>,
    /// What it tells of objects that other features keep track of.
    pub told: Vec<Told>,
}

/// What an event tells of an object that other features keep track of: payments of intents and refunds, invoices of
/// invoices and receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A PaymentIntent has this status.
    Intent {
        /// `pi_…`
        id: String,
        /// As Stripe has it.
        status: String,
        /// Why the last try failed, where the event is about that.
        failure: Option<Box<PaymentError>>,
    },
    /// A refund is so far.
    Refund {
        /// `re_…`
        id: String,
        /// Minor units.
        amount: i64,
        /// Of the amount.
        currency: Currency,
        /// As Stripe has it; none in very old versions.
        status: Option<String>,
        /// `duplicate`, `fraudulent`, `requested_by_customer` or `expired_uncaptured_charge`.
        reason: Option<String>,
        /// Why it failed.
        failure: Option<String>,
        /// Whether a connected account pays its part of it.
        reverses_transfer: bool,
        /// The request of ours that it was made for.
        request: Option<Uuid>,
    },
    /// The sum of a charge's refunds changed by a call with this idempotency key.
    ChargeRefunded {
        /// As the caller chose it.
        key: String,
    },
    /// An invoice is as its event shows it.
    Invoice {
        /// Such as `invoice.finalized`.
        event_type: String,
        /// The snapshot.
        invoice: Box<Invoice>,
    },
    /// A Checkout Session is as its event shows it.
    Session(Box<CheckoutSession>),
    /// A charge has a receipt.
    Charge {
        /// `ch_…` or `py_…`
        id: String,
        /// The page that shows it to the customer, once there is one.
        receipt_url: Option<String>,
        /// `pi_…`
        payment_intent: Option<String>,
        /// `in_…`, before 2025-03-31.basil.
        invoice: Option<String>,
    },
}

/// An invoice and a PaymentIntent that pays it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// `in_…`
    pub invoice: String,
    /// `pi_…`
    pub payment_intent: String,
}

/// What an order is made of, where a success or an open invoice belongs to none.
#[derive(Clone, Debug)]
pub struct Seed {
    /// From what.
    pub origin: Origin,
    /// Whether it is a success; an open invoice is none yet, but what it asks is known.
    pub is_paid: bool,
    /// What was asked.
    pub total: Money,
    /// What was bought.
    pub bought: Bought,
    /// The merchant's own.
    pub metadata: Metadata,
    /// Whether this event tells which other objects belong to the purchase, so that nobody need wait to learn it.
    pub is_linked: bool,
}

/// What was bought, as far as an event tells it.
#[derive(Clone, Debug, Default)]
pub struct Bought {
    /// Unknown to a PaymentIntent and to a session.
    pub lines: Vec<Line>,
    /// The prices of lines whose sku the event does not tell.
    pub prices: Vec<String>,
    /// What else of the purchase Stripe has to be asked for, where it can be asked.
    pub wants: Vec<(LookupKind, String)>,
}

/// An object that is not what its event promises.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not the shape.
    #[error("the event's object cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// Not a currency.
    #[error("the event's object has no usable currency: {0}")]
    Currency(#[from] NotACurrency),
}

type Read = Result<OrderEvent, Unreadable>;

fn read(
    event: &Event<'_>,
    refs: impl IntoIterator<Item = Ref>,
    metadata: &Metadata,
    news: News,
) -> OrderEvent {
    let mut seen = HashSet::new();
    let refs = refs.into_iter().filter(|reference| seen.insert(reference.clone())).collect();
    OrderEvent {
        event_id: event.id.to_owned(),
        account: event.account.map(str::to_owned),
        created_at: event.created_at,
        refs,
        names_order: metadata.get(ORDER_ID).and_then(|name| order_name(name)),
        may_name: None,
        news,
        seed: None,
        links: Vec::new(),
        note: None,
        told: Vec::new(),
    }
}

/// What an object calls an order, where an order can be called so: Postgres has no text with a zero in it, and the ledger
/// separates the keys that an event waits for by the other.
fn order_name(text: &str) -> Option<String> {
    let name = text.trim();
    (!name.is_empty() && !name.contains(['\0', '\u{1f}'])).then(|| name.to_owned())
}

fn reference(kind: RefKind, id: Option<&Id>) -> impl Iterator<Item = Ref> {
    id.map(|id| Ref::new(kind, id.as_str())).into_iter()
}

fn link(invoice: &str, payment_intent: &str) -> Link {
    Link { invoice: invoice.to_owned(), payment_intent: payment_intent.to_owned() }
}

fn fact(kind: MoneyKind, stripe_id: &str, amount: i64, currency: Currency) -> MoneyFact {
    MoneyFact { kind, stripe_id: stripe_id.to_owned(), amount, currency }
}

fn shipping(details: &ShippingDetails) -> Option<Shipping> {
    let address = details.address.clone().unwrap_or_default();
    some_shipping(address, details.name.clone(), details.phone.clone())
}

fn some_shipping(address: Address, name: Option<String>, phone: Option<String>) -> Option<Shipping> {
    let Address { line1, line2, city, state, postal_code, country } = address;
    let shipping = Shipping { name, phone, line1, line2, city, state, postal_code, country };
    (shipping != Shipping::default()).then_some(shipping)
}
