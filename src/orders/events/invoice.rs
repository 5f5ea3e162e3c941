//! Invoices, and what pays them.

use super::super::order::{Line, Origin, PaymentStatus, Ref, RefKind, Shipping};
use super::super::state::{Details, MoneyKind, News, Terms};
use super::{Link, OrderEvent, Read, Seed, Told, fact, link, read, reference, shipping, some_shipping};
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
    let metadata = invoice.metadata.clone();
    let told = vec![Told::Invoice { event_type: event.event_type.to_owned(), invoice: Box::new(invoice) }];
    Ok(OrderEvent { seed, links, told, ..read(event, refs, &metadata, news) })
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

fn postal(invoice: &Invoice, address: &Address) -> Option<Shipping> {
    some_shipping(address.clone(), invoice.customer_name.clone(), None)
}

/// A line to send; credits and discounts are none. The sku is the merchant's own where the line's metadata has one,
/// else Stripe's price.
fn line(line: &InvoiceLine) -> Option<Line> {
    let quantity = line.quantity.unwrap_or(1);
    if line.amount < 0 || quantity < 1 {
        return None;
    }
    let price = line.price().map(|price| price.id.0.clone());
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
