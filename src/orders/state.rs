//! The rules of the payment axis and of holds: pure functions from what is known of an order and what an event tells
//! to what is known afterwards. No clock, no SQL, no HTTP.
//!
//! Knowledge only grows: money facts are a set keyed by Stripe's ids, and hints keep the greatest value until money
//! arrives; from then on only money counts. The payment status and the holds that are about money are derived from
//! what is known, other holds are opened once each. Therefore any order of arrival, with any repetitions, ends in the
//! same state, and late news never undoes a terminal fact.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Axis, FulfilmentStatus, HoldKind, Origin, PaymentStatus, Shipping};
use crate::money::Money;
use crate::stripe::Metadata;

mod merge;
mod money;

pub use money::{MoneyFact, MoneyKind};

/// What is known of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// Nothing may be sent.
    Open {
        /// Why.
        reason: String,
    },
    /// It ended.
    Released {
        /// Why it had been opened.
        reason: String,
        /// Why it ended.
        because: String,
        /// The person who ended it, and thereby accepted what it was about; none where an event did.
        by: Option<String>,
    },
}

/// Why an event moved nothing that told only what was known.
pub(super) const NOTHING_NEW: &str = "it tells nothing new";
/// The source of holds that are about the order as a whole.
pub const WHOLE_ORDER: &str = "order";

/// Who bought and where to send; a shop's own words win over Stripe's, an invoice's over a PaymentIntent's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// `cus_…`
    pub stripe_customer: Option<String>,
    /// Where to write to.
    pub email: Option<String>,
    /// Who bought.
    pub name: Option<String>,
    /// Where to send.
    pub shipping: Option<Shipping>,
}

impl Details {
    /// `self`, with what it lacks taken from `other`.
    pub fn or(self, other: Self) -> Self {
        Self {
            stripe_customer: self.stripe_customer.or(other.stripe_customer),
            email: self.email.or(other.email),
            name: self.name.or(other.name),
            shipping: self.shipping.or(other.shipping),
        }
    }
}

/// All that is known of an order that the rules need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Our id.
    pub id: Uuid,
    /// Where it came from.
    pub origin: Origin,
    /// What is asked.
    pub total: Money,
    /// What was asked to be captured, where that is less than the total; minor units.
    pub to_capture: Option<i64>,
    /// The payment axis.
    pub payment: PaymentStatus,
    /// The fulfilment axis.
    pub fulfilment: FulfilmentStatus,
    /// All money facts.
    pub money: BTreeSet<MoneyFact>,
    /// All holds, by kind and source.
    pub holds: BTreeMap<(HoldKind, String), HoldState>,
    /// Whether an invoice stands for the order: then it may be paid in parts.
    pub has_invoice: bool,
    /// Who and where.
    pub details: Details,
    /// What an invoice or a session taught of an order that had been adopted without it.
    pub learnt: Option<Terms>,
    /// The order that took it over: nothing moves it any more.
    pub merged_into: Option<Uuid>,
}

/// What an event tells of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// How far the payment is, and why.
    pub hint: Option<(PaymentStatus, Option<String>)>,
    /// Whether it is about one try at paying, of which an invoice can see several: that one is called off then calls
    /// off nothing else.
    pub is_of_try: bool,
    /// Money that moved.
    pub money: Vec<MoneyFact>,
    /// A hold that opens or ends.
    pub hold: Option<HoldNews>,
    /// What an invoice says the purchase is.
    pub terms: Option<Terms>,
    /// Who and where.
    pub details: Details,
}

/// A hold that opens or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldNews {
    /// Of which kind.
    pub kind: HoldKind,
    /// About what, such as the dispute's id.
    pub source: String,
    /// Why it was opened.
    pub reason: String,
    /// Why it ended, if it did.
    pub ended: Option<String>,
    /// Whether its reason is the last word: it replaces one that was given before.
    pub is_final: bool,
}

/// What an invoice says the purchase is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose terms they are: an invoice's win over a session's, a session's over a payment's.
    pub origin: Origin,
    /// Whether it is paid: then this is its last word.
    pub is_paid: bool,
    /// What it asked.
    pub total: Money,
    /// The merchant's own.
    pub metadata: Metadata,
}

/// One move of one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which axis.
    pub axis: Axis,
    /// From where.
    pub from: Option<&'static str>,
    /// To where.
    pub to: Option<&'static str>,
    /// Why, where it does not go without saying.
    pub reason: Option<String>,
}

/// What fulfilment must do because of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// The order is paid, or paid again because its refund failed: queue it.
    Queue,
    /// All its money went back: do not send it.
    Cancel,
    /// Another order took it over: nothing of it is sent, and what belongs to it belongs to that one.
    GiveUp {
        /// That one.
        to: Uuid,
    },
    /// More is known of what was bought than when it was queued, and nothing was handed over: split it anew.
    Replan {
        /// When it may be handed over: later where Stripe is being asked for more.
        due: OffsetDateTime,
    },
    /// Nothing holds it any more, or less of it is to be sent: go on.
    Wake,
    /// It is held for a reason that counts for parcels on their way too: ask for what was sent not to leave.
    Recall,
}

/// What an event did to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What is known afterwards.
    pub after: OrderFacts,
    /// The moves; none where `unchanged` says why.
    pub moves: Vec<Move>,
    /// What follows for fulfilment, in this order.
    pub consequences: Vec<Consequence>,
    /// Why the event moved nothing.
    pub unchanged: Option<String>,
}

impl OrderFacts {
    /// What the order is after an event.
    pub fn transition(&self, news: &News) -> Transition {
        let mut after = self.clone();
        after.learn(news);

        let mut moves = after.settle_holds(news.hold.as_ref());
        let hint = news.hint.as_ref().filter(|(status, _)| !self.outlives(*status, news));
        after.payment = after.derive_payment(hint.map(|(status, _)| *status));
        if after.payment != self.payment {
            let told = hint.filter(|(status, _)| *status == after.payment);
            let asks_more = self.payment.is_covered() && after.payment == PaymentStatus::AwaitingPayment;
            let reason = match asks_more {
                true => Some(format!("its invoice asks {}, and not all of it has arrived", after.total)),
                false => told.and_then(|(_, reason)| reason.clone()),
            };
            moves.insert(
                0,
                Move {
                    axis: Axis::Payment,
                    from: Some(self.payment.as_str()),
                    to: Some(after.payment.as_str()),
                    reason,
                },
            );
        }

        let consequences = after.consequences(self);
        let unchanged = moves.is_empty().then(|| self.why_unchanged(&after, news));
        Transition { after, moves, consequences, unchanged }
    }

    /// What the order is after a person has ended its open holds of a kind, and thereby accepted what they were about.
    /// None where none is open.
    pub fn release(&self, kind: HoldKind, by: &str, because: &str) -> Option<Transition> {
        let mut after = self.clone();
        let mut moves = Vec::new();
        for (_, hold) in after.holds.iter_mut().filter(|((held_for, _), _)| *held_for == kind) {
            let HoldState::Open { reason } = hold else { continue };
            let (reason, because) = (std::mem::take(reason), because.to_owned());
            let why = Some(because.clone());
            moves.push(Move { axis: Axis::Hold, from: Some(kind.as_str()), to: None, reason: why });
            *hold = HoldState::Released { reason, because, by: Some(by.to_owned()) };
        }
        if moves.is_empty() {
            return None;
        }
        after.payment = after.derive_payment(None);
        if after.payment != self.payment {
            let (from, to) = (Some(self.payment.as_str()), Some(after.payment.as_str()));
            moves.push(Move {
                axis: Axis::Payment,
                from,
                to,
                reason: Some("accepted by a person".to_owned()),
            });
        }
        let consequences = after.consequences(self);
        Some(Transition { after, moves, consequences, unchanged: None })
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.holds.values().filter(|hold| matches!(hold, HoldState::Open { .. })).count()
    }

    /// Whether a try at paying was called off, and the invoice that it was for can still be paid by another.
    fn outlives(&self, hint: PaymentStatus, news: &News) -> bool {
        news.is_of_try && hint == PaymentStatus::Cancelled && self.origin == Origin::Invoice
    }

    /// Who and where is learnt from money only: what a failed try said of it may have been mended since. What was bought
    /// is learnt from an invoice as soon as it asks for it.
    fn learn(&mut self, news: &News) {
        self.money.extend(news.money.iter().cloned());
        match news.terms.as_ref().filter(|_| self.origin != Origin::Api) {
            Some(terms) => self.learn_terms(terms, &news.details),
            None if news.money.is_empty() => {}
            None => self.details = std::mem::take(&mut self.details).or(news.details.clone()),
        }
    }

    fn learn_terms(&mut self, terms: &Terms, details: &Details) {
        self.has_invoice |= terms.origin == Origin::Invoice;
        if terms.origin != self.origin && !self.origin.may_learn_from(terms.origin) {
            self.details = std::mem::take(&mut self.details).or(details.clone());
            return;
        }
        let is_new = self.origin != terms.origin;
        if is_new || terms.is_paid {
            self.details = details.clone().or(std::mem::take(&mut self.details));
        }
        let is_told_paid = self.has_kind(MoneyKind::InvoicePaid);
        if is_new {
            self.origin = terms.origin;
            self.learnt = Some(terms.clone());
            self.total = terms.total;
        } else if terms.is_paid {
            self.total = terms.total;
        } else if !is_told_paid && terms.total.currency == self.total.currency {
            // From when it is finalised an invoice can only ask less, by credit notes.
            self.total.amount = self.total.amount.min(terms.total.amount);
        }
    }

    /// Opens and ends holds: those that the event brings, and those that are about the money as a whole.
    fn settle_holds(&mut self, news: Option<&HoldNews>) -> Vec<Move> {
        let mut moves: Vec<Move> = news.and_then(|hold| self.settle_hold(hold)).into_iter().collect();
        let (mismatch, failed_refund) = (self.mismatch(), self.failed_refund());
        moves.extend(self.settle_money_hold(HoldKind::AmountMismatch, mismatch));
        moves.extend(self.settle_money_hold(HoldKind::RefundFailed, failed_refund));
        moves
    }

    /// A hold that is open while there is a reason for it, until a person accepts it.
    fn settle_money_hold(&mut self, kind: HoldKind, reason: Option<String>) -> Option<Move> {
        let key = (kind, WHOLE_ORDER.to_owned());
        let (state, moved) = match (self.holds.get(&key), reason) {
            (Some(HoldState::Released { by: Some(_), .. }), _) => return None,
            (Some(HoldState::Open { .. }), Some(reason)) => (HoldState::Open { reason }, None),
            (None | Some(HoldState::Released { .. }), Some(reason)) => {
                let moved = Move {
                    axis: Axis::Hold,
                    from: None,
                    to: Some(kind.as_str()),
                    reason: Some(reason.clone()),
                };
                (HoldState::Open { reason }, Some(moved))
            }
            (Some(HoldState::Open { reason }), None) => {
                let because = "the money is as it should be now".to_owned();
                let (from, why) = (Some(kind.as_str()), Some(because.clone()));
                let moved = Move { axis: Axis::Hold, from, to: None, reason: why };
                let reason = reason.clone();
                (HoldState::Released { reason, because, by: None }, Some(moved))
            }
            (None | Some(HoldState::Released { .. }), None) => return None,
        };
        self.holds.insert(key, state);
        moved
    }

    fn settle_hold(&mut self, news: &HoldNews) -> Option<Move> {
        let key = (news.kind, news.source.clone());
        let (state, moved) = match (self.holds.get(&key), &news.ended) {
            (None, None) => {
                let opened = Move {
                    axis: Axis::Hold,
                    from: None,
                    to: Some(news.kind.as_str()),
                    reason: Some(news.reason.clone()),
                };
                (HoldState::Open { reason: news.reason.clone() }, opened)
            }
            // A refund's hold is opened when it is asked for here; one that was asked for elsewhere has none to end.
            (None, Some(_)) if news.kind == HoldKind::Refund => return None,
            (before @ (None | Some(HoldState::Open { .. })), Some(because)) => {
                let reason = match before {
                    Some(HoldState::Open { reason }) => reason.clone(),
                    _ => news.reason.clone(),
                };
                let from = before.map(|_| news.kind.as_str());
                let released = Move { axis: Axis::Hold, from, to: None, reason: Some(because.clone()) };
                (HoldState::Released { reason, because: because.clone(), by: None }, released)
            }
            (Some(HoldState::Open { reason }), None) if news.is_final && *reason != news.reason => {
                let kind = Some(news.kind.as_str());
                let stays =
                    Move { axis: Axis::Hold, from: kind, to: kind, reason: Some(news.reason.clone()) };
                (HoldState::Open { reason: news.reason.clone() }, stays)
            }
            (Some(_), _) => return None,
        };
        self.holds.insert(key, state);
        Some(moved)
    }

    fn derive_payment(&self, hint: Option<PaymentStatus>) -> PaymentStatus {
        let (paid, refunded) = (self.amount_paid(), self.amount_refunded());
        if paid > 0 && refunded >= paid {
            return PaymentStatus::Refunded;
        }
        if self.is_covered() {
            return if refunded > 0 { PaymentStatus::PartiallyRefunded } else { PaymentStatus::Paid };
        }
        // Money that does not cover the order is explained by a hold or by the rest of the invoice, not by a try.
        if self.arrived().next().is_some() {
            return PaymentStatus::AwaitingPayment;
        }
        hint.map_or(self.payment, |hint| hint.max(self.payment))
    }

    /// The open holds that count for parcels on their way too. A refund's own hold does not: what it takes back is
    /// known only when it has gone through.
    fn recalling_holds(&self) -> usize {
        let open = self.holds.iter().filter(|(_, state)| matches!(state, HoldState::Open { .. }));
        open.filter(|((kind, _), _)| !matches!(kind, HoldKind::Refund | HoldKind::RefundFailed)).count()
    }

    fn consequences(&mut self, before: &Self) -> Vec<Consequence> {
        let mut consequences = Vec::new();
        if self.is_covered() && self.fulfilment == FulfilmentStatus::None {
            self.fulfilment = FulfilmentStatus::Queued;
            consequences.push(Consequence::Queue);
        } else if self.payment.is_covered()
            && !before.payment.is_covered()
            && (before.payment == PaymentStatus::Refunded || self.fulfilment == FulfilmentStatus::Cancelled)
        {
            // One part may have left, and others been called off: which, is known where the parts are.
            if self.fulfilment == FulfilmentStatus::Cancelled {
                self.fulfilment = FulfilmentStatus::Queued;
            }
            consequences.push(Consequence::Queue);
        }
        let is_begun = |at| !matches!(at, FulfilmentStatus::None | FulfilmentStatus::Cancelled);
        if self.payment == PaymentStatus::Refunded && self.fulfilment == FulfilmentStatus::Queued {
            self.fulfilment = FulfilmentStatus::Cancelled;
            consequences.push(Consequence::Cancel);
        } else if self.payment == PaymentStatus::Refunded
            && before.payment != self.payment
            && is_begun(self.fulfilment)
        {
            consequences.push(Consequence::Cancel);
        }
        let is_free = before.open_holds() > 0 && self.open_holds() == 0;
        // What was queued when a part of an invoice looked like the whole goes on when the rest is there.
        let is_paid_again = before.payment == PaymentStatus::AwaitingPayment && self.payment.is_covered();
        if (is_free || is_paid_again && is_begun(before.fulfilment)) && is_begun(self.fulfilment) {
            consequences.push(Consequence::Wake);
        }
        if self.recalling_holds() > before.recalling_holds() && is_begun(self.fulfilment) {
            consequences.push(Consequence::Recall);
        }
        consequences
    }

    fn why_unchanged(&self, after: &Self, news: &News) -> String {
        match &news.hint {
            Some((hint, _)) if *hint < after.payment => {
                format!("late news: {hint}, but the order is {}", after.payment)
            }
            _ if after.money.len() > self.money.len() => {
                let noted = after.money.difference(&self.money).map(MoneyFact::to_string);
                format!("noted: {}; it moved nothing", noted.collect::<Vec<_>>().join(", "))
            }
            _ => NOTHING_NEW.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
