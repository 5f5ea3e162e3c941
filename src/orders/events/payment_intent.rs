//! PaymentIntents: how far a payment is, and the money that it brought.

use super::super::order::{LookupKind, Origin, PaymentStatus, Ref, RefKind};
use super::super::state::{Details, MoneyKind, News};
use super::{Bought, OrderEvent, Read, Seed, Told, fact, link, read, shipping};
use crate::money::{Currency, Money};
use crate::stripe::{Event, PaymentIntent};

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
    let told_of = intent.pays_invoice();
    let invoice = told_of.flatten();
    let seed = (intent.status == "succeeded").then(|| Seed {
        origin: Origin::PaymentIntent,
        is_paid: true,
        total: Money { amount: intent.amount, currency },
        metadata: intent.metadata.clone(),
        is_linked: told_of.is_some(),
        // Invoices are customers': without one nothing can be linked with it.
        bought: Bought {
            wants: match (told_of, &intent.customer) {
                (None, Some(_)) => vec![(LookupKind::PaymentIntentInvoice, intent.id.clone())],
                _ => Vec::new(),
            },
            ..Bought::default()
        },
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
        .chain(invoice.map(|invoice| Ref::new(RefKind::Invoice, invoice)));
    let links = invoice.map(|invoice| link(invoice, &intent.id)).into_iter().collect();
    let money = money.into_iter().collect();
    let news = News { hint, is_of_try: true, money, details, ..News::default() };
    let told = vec![Told::Intent {
        id: intent.id.clone(),
        status: intent.status.clone(),
        failure: intent.last_payment_error.clone().filter(|_| failed).map(Box::new),
    }];
    Ok(OrderEvent { seed, links, told, ..read(event, refs, &intent.metadata, news) })
}

fn failure(intent: &PaymentIntent) -> Option<String> {
    let error = intent.last_payment_error.as_ref()?;
    let parts: Vec<&str> =
        [&error.code, &error.decline_code].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}
