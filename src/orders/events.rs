//! What Stripe's events say of orders: from an event's object to the references, the news and the seed of an order.

use std::collections::HashSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{HoldKind, Line, Origin, PaymentStatus, Ref, RefKind, Shipping};
use super::state::{Details, HoldNews, MoneyFact, MoneyKind, News, Terms};
use crate::money::{Currency, Money, NotACurrency};
use crate::stripe::{
    Address, Charge, Dispute, EarlyFraudWarning, Event, Id, Invoice, InvoiceLine, InvoicePayment, Metadata,
    PaymentError, PaymentIntent, Refund, Review, ShippingDetails,
};

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
    /// What it tells of the order.
    pub news: News,
    /// What an order would be made of, if this is a success that no order was made for.
    pub seed: Option<Seed>,
    /// Invoices and the PaymentIntents that pay them.
    pub links: Vec<Link>,
    /// What it tells of objects that payments keep track of.
    pub told: Vec<Told>,
}

/// What an event tells of an object that payments keep track of.
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
        /// The request of ours that it was made for.
        request: Option<Uuid>,
    },
    /// The sum of a charge's refunds changed by a call with this idempotency key.
    ChargeRefunded {
        /// As the caller chose it.
        key: String,
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

/// What an order is made of, where a success belongs to none.
#[derive(Clone, Debug)]
pub struct Seed {
    /// From what.
    pub origin: Origin,
    /// What was asked.
    pub total: Money,
    /// What was bought; unknown to a PaymentIntent.
    pub lines: Vec<Line>,
    /// The merchant's own.
    pub metadata: Metadata,
    /// Whether this event tells which other objects belong to the purchase, so that nobody need wait to learn it.
    pub is_linked: bool,
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

/// `payment_intent.*`: the snapshot's status says how far the payment is.
pub fn on_payment_intent(event: &Event<'_>) -> Read {
    let intent: PaymentIntent = event.object()?;
    let currency = Currency::parse(&intent.currency)?;
    let failed = event.event_type == "payment_intent.payment_failed";
    let hint = match intent.status.as_str() {
        "succeeded" => None,
        _ if failed => Some((PaymentStatus::PaymentFailed, failure(&intent))),
        // The names before 2019-02-11 are requires_source and requires_source_action.
        "requires_action" | "requires_source_action" => Some((PaymentStatus::RequiresAction, None)),
        "processing" => Some((PaymentStatus::Processing, None)),
        "requires_capture" => Some((PaymentStatus::Authorised, None)),
        "canceled" => Some((PaymentStatus::Cancelled, intent.cancellation_reason.clone())),
        _ => Some((PaymentStatus::AwaitingPayment, None)),
    };
    // A PaymentIntent that was captured in part and then called off has received money too.
    let has_money = intent.status == "succeeded" || intent.status == "canceled" && intent.amount_received > 0;
    let money = has_money.then(|| fact(MoneyKind::Captured, &intent.id, intent.amount_received, currency));
    let invoice = intent.invoice.as_ref().and_then(Option::as_ref);
    let seed = (intent.status == "succeeded").then(|| Seed {
        origin: Origin::PaymentIntent,
        total: Money { amount: intent.amount, currency },
        lines: Vec::new(),
        metadata: intent.metadata.clone(),
        is_linked: intent.invoice.is_some(),
    });
    let details = Details {
        stripe_customer: intent.customer.as_ref().map(|id| id.0.clone()),
        email: intent.receipt_email.clone(),
        name: intent.shipping.as_ref().and_then(|shipping| shipping.name.clone()),
        shipping: intent.shipping.as_ref().and_then(shipping),
    };
    let charges = intent.charge_ids().map(|id| Ref::new(RefKind::Charge, id));
    let refs = std::iter::once(Ref::new(RefKind::PaymentIntent, &intent.id))
        .chain(charges)
        .chain(reference(RefKind::Invoice, invoice));
    let links = invoice.map(|invoice| link(invoice, &intent.id)).into_iter().collect();
    let news = News { hint, money: money.into_iter().collect(), details, ..News::default() };
    let told = vec![Told::Intent {
        id: intent.id.clone(),
        status: intent.status.clone(),
        failure: intent.last_payment_error.clone().filter(|_| failed).map(Box::new),
    }];
    Ok(OrderEvent { seed, links, told, ..read(event, refs, &intent.metadata, news) })
}

/// `charge.succeeded` and its like: only which charge belongs to which PaymentIntent, for disputes and refunds that
/// name no more than the charge.
pub fn on_charge(event: &Event<'_>) -> Read {
    let charge: Charge = event.object()?;
    Ok(read(event, charge_refs(&charge), &charge.metadata, News::default()))
}

/// `charge.refunded`: the sum so far, and before 2022-11-15 the refunds one by one. It is sent too when money that was
/// only reserved is let go; nothing went back then.
pub fn on_charge_refunded(event: &Event<'_>) -> Read {
    let charge: Charge = event.object()?;
    let currency = Currency::parse(&charge.currency)?;
    let returned = charge.amount_returned();
    if returned == 0 && charge.amount_refunded > 0 {
        return Ok(read(event, charge_refs(&charge), &charge.metadata, News::default()));
    }
    let mut money = vec![fact(MoneyKind::ChargeRefunded, &charge.id, returned, currency)];
    let refunds = || charge.refunds().iter().filter(|refund| !is_release(refund));
    for refund in refunds() {
        money.extend(refund_facts(refund)?);
    }
    let mut told = refunds().map(told).collect::<Result<Vec<_>, _>>()?;
    told.extend(event.idempotency_key.clone().map(|key| Told::ChargeRefunded { key }));
    let news = News { money, ..News::default() };
    Ok(OrderEvent { told, ..read(event, charge_refs(&charge), &charge.metadata, news) })
}

/// `refund.*` and `charge.refund.updated`: one refund, which may fail even after it succeeded.
pub fn on_refund(event: &Event<'_>) -> Read {
    let refund: Refund = event.object()?;
    let refs = reference(RefKind::PaymentIntent, refund.payment_intent.as_ref())
        .chain(reference(RefKind::Charge, refund.charge.as_ref()));
    if is_release(&refund) {
        return Ok(read(event, refs, &refund.metadata, News::default()));
    }
    let money = refund_facts(&refund)?;
    // Once its money is counted, by whatever status, the refund itself holds nothing up any more.
    let hold = request(&refund).map(|request| HoldNews {
        kind: HoldKind::Refund,
        source: request.to_string(),
        reason: "a refund was asked for".to_owned(),
        ended: Some("Stripe has told of it".to_owned()),
        is_final: false,
    });
    let told = vec![told(&refund)?];
    Ok(OrderEvent { told, ..read(event, refs, &refund.metadata, News { money, hold, ..News::default() }) })
}

/// `charge.dispute.*`: a hold from the first word to the last, and the money that moved.
pub fn on_dispute(event: &Event<'_>) -> Read {
    let dispute: Dispute = event.object()?;
    let currency = Currency::parse(&dispute.currency)?;
    let money_kind = match (event.event_type, dispute.status.as_str()) {
        ("charge.dispute.funds_withdrawn", _) => Some(MoneyKind::DisputeWithdrawn),
        ("charge.dispute.funds_reinstated", _) => Some(MoneyKind::DisputeReinstated),
        (_, "lost") => Some(MoneyKind::DisputeLost),
        _ => None,
    };
    // A lost dispute never lets go: the money is gone. charge_refunded is how old API versions end one by refund.
    let ended = matches!(dispute.status.as_str(), "won" | "warning_closed" | "prevented" | "charge_refunded");
    let is_lost = dispute.status == "lost";
    let hold = HoldNews {
        kind: HoldKind::Dispute,
        source: dispute.key().to_owned(),
        reason: format!(
            "{} {}: {}",
            Money { amount: dispute.amount, currency },
            if is_lost { "was disputed, and the dispute is lost" } else { "is disputed" },
            dispute.reason.as_deref().unwrap_or("no reason given")
        ),
        is_final: is_lost,
        ended: ended.then(|| format!("the dispute ended: {}", dispute.status)),
    };
    let refs = reference(RefKind::PaymentIntent, dispute.payment_intent.as_ref())
        .chain(reference(RefKind::Charge, dispute.charge.as_ref()));
    let money =
        money_kind.map(|kind| fact(kind, dispute.key(), dispute.amount, currency)).into_iter().collect();
    Ok(read(event, refs, &dispute.metadata, News { hold: Some(hold), money, ..News::default() }))
}

/// `radar.early_fraud_warning.*`: the issuer suspects fraud. Nothing but a person ends that hold: a warning that can no
/// longer be acted upon is no all-clear.
pub fn on_early_fraud_warning(event: &Event<'_>) -> Read {
    let warning: EarlyFraudWarning = event.object()?;
    let fraud = warning.fraud_type.as_deref().unwrap_or("no type given");
    let hold = HoldNews {
        kind: HoldKind::EarlyFraudWarning,
        source: warning.id,
        reason: format!("the card's issuer warns of fraud: {fraud}"),
        ended: None,
        is_final: false,
    };
    let refs = reference(RefKind::PaymentIntent, warning.payment_intent.as_ref())
        .chain(reference(RefKind::Charge, warning.charge.as_ref()));
    Ok(read(event, refs, &Metadata::default(), News { hold: Some(hold), ..News::default() }))
}

/// `review.*`: a person is to look at the payment. Approved, it goes on; closed in any other way it stays held, and what
/// closed it, such as a refund, tells the rest.
pub fn on_review(event: &Event<'_>) -> Read {
    let review: Review = event.object()?;
    let closed = review.closed_reason.or(review.reason.clone()).filter(|_| !review.open);
    let ended = matches!(closed.as_deref(), Some("approved" | "acknowledged"));
    let hold = HoldNews {
        kind: HoldKind::Review,
        source: review.id,
        reason: match &closed {
            Some(how) => format!("its review was closed: {how}"),
            None => {
                format!("Stripe wants it reviewed: {}", review.reason.as_deref().unwrap_or("no reason given"))
            }
        },
        is_final: closed.is_some(),
        ended: closed.filter(|_| ended).map(|how| format!("its review was closed: {how}")),
    };
    let refs = reference(RefKind::PaymentIntent, review.payment_intent.as_ref())
        .chain(reference(RefKind::Charge, review.charge.as_ref()));
    Ok(read(event, refs, &Metadata::default(), News { hold: Some(hold), ..News::default() }))
}

/// `invoice.*`: the snapshot's status says whether it is paid, the event's type what else happened.
pub fn on_invoice(event: &Event<'_>) -> Read {
    let invoice: Invoice = event.object()?;
    let currency = Currency::parse(&invoice.currency)?;
    let Some(id) = invoice.id.clone() else {
        return Ok(read(event, [], &invoice.metadata, News::default()));
    };
    let hint = match (event.event_type, invoice.status.as_deref()) {
        (_, Some("paid")) => None,
        (_, Some("void")) => Some((PaymentStatus::Cancelled, Some("the invoice is void".to_owned()))),
        ("invoice.payment_failed", _) => Some((PaymentStatus::PaymentFailed, None)),
        (_, Some("uncollectible")) => {
            Some((PaymentStatus::PaymentFailed, Some("the invoice is uncollectible".to_owned())))
        }
        ("invoice.payment_action_required", _) => Some((PaymentStatus::RequiresAction, None)),
        _ => Some((PaymentStatus::AwaitingPayment, None)),
    };
    let lines: Vec<Line> = invoice.lines().iter().filter_map(line).collect();
    let total = Money { amount: invoice.amount_due, currency };
    let paid = invoice.is_paid();
    let money = paid.then(|| fact(MoneyKind::InvoicePaid, &id, invoice.amount_received(), currency));
    let shipping_details = invoice.customer_shipping.as_ref().and_then(shipping);
    let details = Details {
        stripe_customer: invoice.customer.as_ref().map(|id| id.0.clone()),
        email: invoice.customer_email.clone(),
        name: invoice.customer_name.clone(),
        shipping: shipping_details.or_else(|| postal(&invoice, invoice.customer_address.as_ref()?)),
    };
    let seed = paid.then(|| Seed {
        origin: Origin::Invoice,
        total,
        lines: lines.clone(),
        metadata: invoice.metadata.clone(),
        is_linked: invoice.tells_what_paid(),
    });
    let terms = paid.then(|| Terms { total, lines, metadata: invoice.metadata.clone() });
    let intents = invoice.payment_intents().map(|id| Ref::new(RefKind::PaymentIntent, id.as_str()));
    let refs: Vec<Ref> = std::iter::once(Ref::new(RefKind::Invoice, &id))
        .chain(intents)
        .chain(reference(RefKind::Charge, invoice.charge.as_ref()))
        .collect();
    let links = invoice
        .payment_intents()
        .map(|intent| Link { invoice: id.clone(), payment_intent: intent.0.clone() })
        .collect();
    let news = News { hint, money: money.into_iter().collect(), terms, details, hold: None };
    Ok(OrderEvent { seed, links, ..read(event, refs, &invoice.metadata, news) })
}

/// `invoice_payment.paid`: from 2025-05-28.basil the only word on which PaymentIntent pays which invoice.
pub fn on_invoice_payment(event: &Event<'_>) -> Read {
    let payment: InvoicePayment = event.object()?;
    let refs = reference(RefKind::Invoice, payment.invoice.as_ref())
        .chain(reference(RefKind::PaymentIntent, payment.payment_intent()))
        .chain(reference(RefKind::Charge, payment.charge()));
    let links = payment
        .invoice
        .iter()
        .zip(payment.payment_intent())
        .map(|(invoice, intent)| link(invoice, &intent.0))
        .collect();
    Ok(OrderEvent { links, ..read(event, refs, &Metadata::default(), News::default()) })
}

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
        names_order: metadata
            .get(ORDER_ID)
            .map(|name| name.trim().to_owned())
            // No order is called so, and the ledger separates the keys that an event waits for by it.
            .filter(|name| !name.is_empty() && !name.contains('\u{1f}')),
        news,
        seed: None,
        links: Vec::new(),
        told: Vec::new(),
    }
}

fn reference(kind: RefKind, id: Option<&Id>) -> impl Iterator<Item = Ref> {
    id.map(|id| Ref::new(kind, id.as_str())).into_iter()
}

fn charge_refs(charge: &Charge) -> Vec<Ref> {
    std::iter::once(Ref::new(RefKind::Charge, &charge.id))
        .chain(reference(RefKind::PaymentIntent, charge.payment_intent.as_ref()))
        .chain(reference(RefKind::Invoice, charge.invoice.as_ref()))
        .collect()
}

fn link(invoice: &Id, payment_intent: &str) -> Link {
    Link { invoice: invoice.0.clone(), payment_intent: payment_intent.to_owned() }
}

fn fact(kind: MoneyKind, stripe_id: &str, amount: i64, currency: Currency) -> MoneyFact {
    MoneyFact { kind, stripe_id: stripe_id.to_owned(), amount, currency }
}

/// A reversed refund is told by two facts, so that it sums to nothing whichever was heard first.
fn refund_facts(refund: &Refund) -> Result<Vec<MoneyFact>, NotACurrency> {
    let currency = Currency::parse(&refund.currency)?;
    let mut facts = vec![fact(MoneyKind::Refunded, &refund.id, refund.amount, currency)];
    if refund.is_reversed() {
        facts.push(fact(MoneyKind::RefundReversed, &refund.id, refund.amount, currency));
    }
    Ok(facts)
}

/// Whether it is how Stripe tells that money which was only reserved was let go.
fn is_release(refund: &Refund) -> bool {
    refund.reason.as_deref() == Some("expired_uncaptured_charge")
}

fn request(refund: &Refund) -> Option<Uuid> {
    refund.metadata.get(REFUND_REQUEST)?.parse().ok()
}

fn told(refund: &Refund) -> Result<Told, NotACurrency> {
    Ok(Told::Refund {
        id: refund.id.clone(),
        amount: refund.amount,
        currency: Currency::parse(&refund.currency)?,
        status: refund.status.clone(),
        reason: refund.reason.clone(),
        failure: refund.failure_reason.clone(),
        request: request(refund),
    })
}

fn failure(intent: &PaymentIntent) -> Option<String> {
    let error = intent.last_payment_error.as_ref()?;
    let parts: Vec<&str> =
        [&error.code, &error.decline_code].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

fn shipping(details: &ShippingDetails) -> Option<Shipping> {
    let address = details.address.clone().unwrap_or_default();
    some_shipping(address, details.name.clone(), details.phone.clone())
}

fn postal(invoice: &Invoice, address: &Address) -> Option<Shipping> {
    some_shipping(address.clone(), invoice.customer_name.clone(), None)
}

fn some_shipping(address: Address, name: Option<String>, phone: Option<String>) -> Option<Shipping> {
    let Address { line1, line2, city, state, postal_code, country } = address;
    let shipping = Shipping { name, phone, line1, line2, city, state, postal_code, country };
    (shipping != Shipping::default()).then_some(shipping)
}

/// A line to send; credits and discounts are none. The sku is the merchant's own where the line's metadata has one,
/// else Stripe's price.
fn line(line: &InvoiceLine) -> Option<Line> {
    let quantity = line.quantity.unwrap_or(1);
    if line.amount < 0 || quantity < 1 {
        return None;
    }
    let price = line.price().map(|id| id.0.clone());
    Some(Line {
        sku: line
            .metadata
            .get("sku")
            .cloned()
            .or(price)
            .or_else(|| line.description.clone())
            .unwrap_or_else(|| "unnamed".to_owned()),
        description: line.description.clone(),
        quantity,
        unit_amount: line.amount / quantity,
        amount: line.amount,
        refunded: 0,
    })
}
