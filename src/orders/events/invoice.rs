//! Invoices, and what pays them.

use std::collections::BTreeSet;

use super::super::order::{Line, LineKind, LookupKind, Origin, PaymentStatus, Ref, RefKind, Shipping};
use super::super::state::{Details, MoneyKind, News, Terms};
use super::{
    Bought, Link, OrderEvent, Read, Seed, Told, fact, link, read, reference, shipping, some_shipping,
};
use crate::money::{Currency, Money};
use crate::stripe::{Address, Event, Invoice, InvoiceLine, InvoicePayment, Metadata};

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
    let (lines, prices) = read_lines(invoice.lines());
    let mut wants = Vec::new();
    wants.extend(invoice.has_more_lines().then(|| (LookupKind::InvoiceLines, id.clone())));
    // What will pay an open one is told by the look at it, which brings what its payment form needs.
    let is_paid_by = invoice.is_paid() && !invoice.names_payment_intent();
    wants.extend(is_paid_by.then(|| (LookupKind::Invoice, id.clone())));
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
    // From when it is finalised it can be paid, and is an order: what it asks does not change any more.
    let is_asked = matches!(invoice.status.as_deref(), Some("open" | "paid" | "uncollectible"));
    let seed = is_asked.then(|| Seed {
        origin: Origin::Invoice,
        is_paid: paid,
        total,
        bought: Bought { lines, prices, wants },
        metadata: invoice.metadata.clone(),
        is_linked: invoice.tells_what_paid(),
    });
    let terms = is_asked.then(|| Terms {
        origin: Origin::Invoice,
        is_paid: paid,
        total,
        metadata: invoice.metadata.clone(),
    });
    let note = (invoice.status.as_deref() == Some("draft")).then_some(match event.event_type {
        "invoice.deleted" => "the draft was deleted: no order will come of it",
        _ => "a draft: its order appears when it is finalised",
    });
    let intents = invoice.payment_intents().map(|id| Ref::new(RefKind::PaymentIntent, id.as_str()));
    let refs: Vec<Ref> = std::iter::once(Ref::new(RefKind::Invoice, &id))
        .chain(intents)
        .chain(reference(RefKind::Charge, invoice.charge.as_ref()))
        .collect();
    let links = invoice
        .payment_intents()
        .map(|intent| Link { invoice: id.clone(), payment_intent: intent.0.clone() })
        .collect();
    let news = News { hint, money: money.into_iter().collect(), terms, details, ..News::default() };
    let metadata = invoice.metadata.clone();
    let told = vec![Told::Invoice { event_type: event.event_type.to_owned(), invoice: Box::new(invoice) }];
    Ok(OrderEvent { seed, links, note, told, ..read(event, refs, &metadata, news) })
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
        .map(|(invoice, intent)| link(invoice.as_str(), &intent.0))
        .collect();
    Ok(OrderEvent { links, ..read(event, refs, &Metadata::default(), News::default()) })
}

fn postal(invoice: &Invoice, address: &Address) -> Option<Shipping> {
    some_shipping(address.clone(), invoice.customer_name.clone(), None)
}

/// Lines as an order keeps them, and the prices whose skus they do not tell: those stand in for them.
pub(crate) fn read_lines(lines: &[InvoiceLine]) -> (Vec<Line>, Vec<String>) {
    let prices: BTreeSet<String> = lines
        .iter()
        .filter(|line| !line.metadata.contains_key("sku"))
        .filter_map(InvoiceLine::price)
        .filter(|price| price.sku().is_none())
        .map(|price| price.id.0.clone())
        .collect();
    (lines.iter().map(line).collect(), prices.into_iter().collect())
}

/// A line as an order keeps it. The sku is the merchant's own where the line or its price has one, else Stripe's price.
fn line(line: &InvoiceLine) -> Line {
    let quantity = line.quantity.unwrap_or(1).max(0);
    let kind = match () {
        () if line.is_proration() => LineKind::Proration,
        () if line.amount < 0 || quantity == 0 => LineKind::Credit,
        () => LineKind::Goods,
    };
    let price = line.price().map(|price| price.sku().unwrap_or(price.id.as_str()).to_owned());
    Line {
        kind,
        sku: line
            .metadata
            .get("sku")
            .cloned()
            .or(price)
            .or_else(|| line.description.clone())
            .unwrap_or_else(|| "unnamed".to_owned()),
        description: line.description.clone(),
        quantity,
        unit_amount: line.amount / quantity.max(1),
        amount: line.amount,
        refunded: 0,
    }
}
