//! Refunds, one by one.

use uuid::Uuid;

use super::super::order::{HoldKind, RefKind};
use super::super::state::{HoldNews, MoneyFact, MoneyKind, News};
use super::{OrderEvent, REFUND_REQUEST, Read, Told, fact, read, reference};
use crate::money::{Currency, NotACurrency};
use crate::stripe::{Event, Refund};

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

/// A reversed refund is told by two facts, so that it sums to nothing whichever was heard first.
pub(super) fn refund_facts(refund: &Refund) -> Result<Vec<MoneyFact>, NotACurrency> {
    let currency = Currency::parse(&refund.currency)?;
    let mut facts = vec![fact(MoneyKind::Refunded, &refund.id, refund.amount, currency)];
    if refund.is_reversed() {
        facts.push(fact(MoneyKind::RefundReversed, &refund.id, refund.amount, currency));
    }
    Ok(facts)
}

/// Whether it is how Stripe tells that money which was only reserved was let go.
pub(super) fn is_release(refund: &Refund) -> bool {
    refund.reason.as_deref() == Some("expired_uncaptured_charge")
}

fn request(refund: &Refund) -> Option<Uuid> {
    refund.metadata.get(REFUND_REQUEST)?.parse().ok()
}

pub(super) fn told(refund: &Refund) -> Result<Told, NotACurrency> {
    Ok(Told::Refund {
        id: refund.id.clone(),
        amount: refund.amount,
        currency: Currency::parse(&refund.currency)?,
        status: refund.status.clone(),
        reason: refund.reason.clone(),
        failure: refund.failure_reason.clone(),
        reverses_transfer: refund.transfer_reversal.is_some(),
        request: request(refund),
    })
}
