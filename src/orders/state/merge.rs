//! Two orders that turned out to be one purchase: one takes over what is known of the other, which ends.

use uuid::Uuid;

use super::{Consequence, HoldNews, HoldState, Move, OrderFacts, Transition, WHOLE_ORDER};
use crate::orders::order::{Axis, FulfilmentStatus, HoldKind, Origin, PaymentStatus};

impl OrderFacts {
    /// Whether the order can end in another that is the same purchase, as long as nothing of it was handed over. A shop's
    /// own order stays, and so does one that a person said is none of two, or took money back of.
    pub fn can_be_merged(&self) -> bool {
        let is_kept = |(kind, state): (&HoldKind, &HoldState)| match kind {
            HoldKind::Refund => true,
            HoldKind::PossibleDuplicate => matches!(state, HoldState::Released { by: Some(_), .. }),
            _ => false,
        };
        self.origin != Origin::Api && !self.holds.iter().any(|((kind, _), state)| is_kept((kind, state)))
    }

    /// What the order is after it has taken over another that is the same purchase. `why` is for its history.
    pub fn absorb(&self, other: &Self, why: &str) -> Transition {
        let mut after = self.clone();
        after.money.extend(other.money.iter().cloned());
        after.has_invoice |= other.has_invoice;
        let (own, others) = (std::mem::take(&mut after.details), other.details.clone());
        if self.origin.may_learn_from(other.origin) {
            (after.origin, after.total, after.details) = (other.origin, other.total, others.or(own));
        } else {
            after.details = own.or(others);
        }

        let mut moves = after.take_over_holds(other);
        let doubt = (HoldKind::PossibleDuplicate, WHOLE_ORDER.to_owned());
        let hold = matches!(self.holds.get(&doubt), Some(HoldState::Open { .. })).then(|| HoldNews {
            kind: HoldKind::PossibleDuplicate,
            source: WHOLE_ORDER.to_owned(),
            reason: String::new(),
            ended: Some(why.to_owned()),
            is_final: false,
        });
        moves.extend(after.settle_holds(hold.as_ref()));
        after.payment = after.derive_payment(None);
        let (from, to) = (Some(self.payment.as_str()), Some(after.payment.as_str()));
        moves.insert(0, Move { axis: Axis::Payment, from, to, reason: Some(why.to_owned()) });
        let consequences = after.consequences(self);
        Transition { after, moves, consequences, unchanged: None }
    }

    /// What is left of an order that another, `keeper`, took over: nothing is paid by it, and nothing sent.
    pub fn end_in(&self, keeper: Uuid, why: &str) -> Transition {
        let mut after = self.clone();
        after.merged_into = Some(keeper);
        after.money.clear();
        after.payment = PaymentStatus::Cancelled;
        let (from, to) = (Some(self.payment.as_str()), Some(after.payment.as_str()));
        let mut moves = vec![Move { axis: Axis::Payment, from, to, reason: Some(why.to_owned()) }];
        for ((kind, _), hold) in &mut after.holds {
            let HoldState::Open { reason } = hold else { continue };
            let (reason, because) = (std::mem::take(reason), why.to_owned());
            moves.push(Move {
                axis: Axis::Hold,
                from: Some(kind.as_str()),
                to: None,
                reason: Some(because.clone()),
            });
            *hold = HoldState::Released { reason, because, by: None };
        }
        if self.fulfilment == FulfilmentStatus::Queued {
            after.fulfilment = FulfilmentStatus::Cancelled;
        }
        let consequences = vec![Consequence::GiveUp { to: keeper }];
        Transition { after, moves, consequences, unchanged: None }
    }

    /// What Stripe or a person holds a purchase for holds it wherever it is kept. What is derived from money is derived
    /// anew, and a doubt that another order ends is none.
    fn take_over_holds(&mut self, other: &Self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (key, state) in &other.holds {
            let is_of_purchase = matches!(
                key.0,
                HoldKind::Dispute | HoldKind::EarlyFraudWarning | HoldKind::Review | HoldKind::Operator
            );
            if !is_of_purchase || self.holds.contains_key(key) {
                continue;
            }
            if let HoldState::Open { reason } = state {
                let to = Some(key.0.as_str());
                moves.push(Move { axis: Axis::Hold, from: None, to, reason: Some(reason.clone()) });
            }
            self.holds.insert(key.clone(), state.clone());
        }
        moves
    }
}
