//! Charges: which PaymentIntent one belongs to, and the sum of what went back.

use super::super::order::{Ref, RefKind};
use super::super::state::{MoneyKind, News};
use super::refund::{is_release, refund_facts, told};
use super::{OrderEvent, Read, Told, fact, read, reference};
use crate::money::Currency;
use crate::stripe::{Charge, Event};

/// `charge.succeeded` and its like: only which charge belongs to which PaymentIntent, for disputes and refunds that
/// name no more than the charge.
pub fn on_charge(event: &Event<'_>) -> Read {
    let charge: Charge = event.object()?;
    let told = vec![Told::Charge {
        id: charge.id.clone(),
        receipt_url: charge.receipt_url.clone(),
        payment_intent: charge.payment_intent.as_ref().map(|id| id.0.clone()),
        invoice: charge.invoice.as_ref().map(|id| id.0.clone()),
    }];
    Ok(OrderEvent { told, ..read(event, charge_refs(&charge), &charge.metadata, News::default()) })
}

/// `charge.refunded`: the sum so far, and before 2022-11-15 the refunds one by one. It is sent too when money that was
/// only reserved is let go; nothing went back then.
pub fn on_charge_refunded(event: &Event<'_>) -> Read {
    let (charge, key): (Charge, _) = event.object_and_key()?;
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
    told.extend(key.map(|key| Told::ChargeRefunded { key }));
    let news = News { money, ..News::default() };
    Ok(OrderEvent { told, ..read(event, charge_refs(&charge), &charge.metadata, news) })
}

fn charge_refs(charge: &Charge) -> Vec<Ref> {
    std::iter::once(Ref::new(RefKind::Charge, &charge.id))
        .chain(reference(RefKind::PaymentIntent, charge.payment_intent.as_ref()))
        .chain(reference(RefKind::Invoice, charge.invoice.as_ref()))
        .collect()
}
