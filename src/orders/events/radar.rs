//! What a card's issuer or Stripe's fraud prevention suspects.

use super::super::order::{HoldKind, RefKind};
use super::super::state::{HoldNews, News};
use super::{Read, read, reference};
use crate::stripe::{EarlyFraudWarning, Event, Metadata, Review};

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
