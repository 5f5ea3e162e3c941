//! Disputes.

use super::super::order::{HoldKind, RefKind};
use super::super::state::{HoldNews, MoneyKind, News};
use super::{Read, fact, read, reference};
use crate::money::{Currency, Money};
use crate::stripe::{Dispute, Event};

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
