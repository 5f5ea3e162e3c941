//! The rules of the payment axis and of holds: pure functions from what is known of an order and what an event tells
//! to what is known afterwards. No clock, no SQL, no HTTP.
//!
//! Knowledge only grows: money facts are a set keyed by Stripe's ids, hints keep the greatest value, holds are opened
//! once each. The payment status is derived from all of it. Therefore any order of arrival, with any repetitions, ends
//! in the same state, and late news never undoes a terminal fact.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::order::{Axis, FulfilmentStatus, HoldKind, Line, Origin, PaymentStatus, Shipping};
use crate::money::{Currency, Money};

/// What a row of `payments` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoneyKind {
    /// A PaymentIntent succeeded.
    Captured,
    /// An invoice was paid, through Stripe or outside.
    InvoicePaid,
    /// A charge's refunds so far, all together: what old API versions tell.
    ChargeRefunded,
    /// One refund.
    Refunded,
    /// That refund failed or was called off.
    RefundReversed,
    /// A dispute took the money away.
    DisputeWithdrawn,
    /// A dispute gave it back.
    DisputeReinstated,
    /// A dispute was lost.
    DisputeLost,
}

impl MoneyKind {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self::Captured,
        Self::InvoicePaid,
        Self::ChargeRefunded,
        Self::Refunded,
        Self::RefundReversed,
        Self::DisputeWithdrawn,
        Self::DisputeReinstated,
        Self::DisputeLost,
    ];

    /// The kind as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::InvoicePaid => "invoice_paid",
            Self::ChargeRefunded => "charge_refunded",
            Self::Refunded => "refunded",
            Self::RefundReversed => "refund_reversed",
            Self::DisputeWithdrawn => "dispute_withdrawn",
            Self::DisputeReinstated => "dispute_reinstated",
            Self::DisputeLost => "dispute_lost",
        }
    }
}

/// One money fact, keyed by the Stripe object that it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoneyFact {
    /// What happened.
    pub kind: MoneyKind,
    /// `pi_…`, `in_…`, `ch_…`, `re_…` or `du_…`
    pub stripe_id: String,
    /// Minor units.
    pub amount: i64,
    /// Of the amount.
    pub currency: Currency,
}

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
        /// Whether a person ended it, and thereby accepted what it was about.
        by_operator: bool,
    },
}

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
    /// Lines learnt from an invoice, for an order that was adopted without.
    pub learnt_lines: Option<Vec<Line>>,
}

/// What an event tells of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// How far the payment is, and why.
    pub hint: Option<(PaymentStatus, Option<String>)>,
    /// Money that moved.
    pub money: Vec<MoneyFact>,
    /// A hold that opens or ends.
    pub hold: Option<HoldNews>,
    /// What a paid invoice says the purchase was.
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
}

/// What a paid invoice says the purchase was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it asked.
    pub total: Money,
    /// What was bought.
    pub lines: Vec<Line>,
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
    /// The order is paid: queue it.
    Queue,
    /// All its money went back: do not send it.
    Cancel,
    /// Nothing holds it any more: go on.
    Wake,
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

/// Whether what arrived covers what was asked.
#[derive(Debug, PartialEq, Eq)]
enum Coverage {
    /// Not (yet).
    Open,
    /// Yes.
    Covered,
    /// Something arrived that is not what was asked.
    Mismatch(String),
}

impl OrderFacts {
    /// What the order is after an event.
    pub fn transition(&self, news: &News) -> Transition {
        let mut after = self.clone();
        after.learn(news);

        let mut moves = after.settle_holds(news);
        let hint = news.hint.as_ref();
        after.payment = after.derive_payment(hint.map(|(status, _)| *status));
        if after.payment != self.payment {
            let reason =
                hint.filter(|(status, _)| *status == after.payment).and_then(|(_, reason)| reason.clone());
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

    /// What arrived in the order's currency, in minor units. An invoice and its PaymentIntents tell of the same money.
    pub fn amount_paid(&self) -> i64 {
        let captured = self.sum(MoneyKind::Captured);
        clamp(captured.max(self.sum_of_greatest(MoneyKind::InvoicePaid)))
    }

    /// What went back, in minor units. Refunds count one by one; what a charge tells beyond them is added, since old
    /// API versions tell only the sum.
    pub fn amount_refunded(&self) -> i64 {
        let one_by_one = self.sum(MoneyKind::Refunded);
        let by_charge = self.sum_of_greatest(MoneyKind::ChargeRefunded);
        clamp(one_by_one - self.sum(MoneyKind::RefundReversed) + (by_charge - one_by_one).max(0))
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.holds.values().filter(|hold| matches!(hold, HoldState::Open { .. })).count()
    }

    fn learn(&mut self, news: &News) {
        self.money.extend(news.money.iter().cloned());
        if self.origin == Origin::Api {
            self.details = std::mem::take(&mut self.details).or(news.details.clone());
            return;
        }
        let known = std::mem::take(&mut self.details);
        let Some(terms) = &news.terms else {
            self.details = known.or(news.details.clone());
            return;
        };
        self.details = news.details.clone().or(known);
        self.total = terms.total;
        self.has_invoice = true;
        if self.origin == Origin::PaymentIntent {
            self.origin = Origin::Invoice;
            self.learnt_lines = Some(terms.lines.clone());
        }
    }

    /// Opens and ends holds: those that the event brings, and the mismatch of what arrived with what was asked.
    fn settle_holds(&mut self, news: &News) -> Vec<Move> {
        let mut moves: Vec<Move> = news.hold.iter().filter_map(|hold| self.settle_hold(hold)).collect();
        let mismatch = HoldNews {
            kind: HoldKind::AmountMismatch,
            source: WHOLE_ORDER.to_owned(),
            reason: String::new(),
            ended: None,
        };
        let key = (mismatch.kind, mismatch.source.clone());
        match self.coverage() {
            Coverage::Mismatch(reason) => moves.extend(self.settle_hold(&HoldNews { reason, ..mismatch })),
            Coverage::Covered if matches!(self.holds.get(&key), Some(HoldState::Open { .. })) => {
                let ended = Some("what arrived now covers what was asked".to_owned());
                moves.extend(self.settle_hold(&HoldNews { ended, ..mismatch }));
            }
            Coverage::Covered | Coverage::Open => {}
        }
        moves
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
            (before @ (None | Some(HoldState::Open { .. })), Some(because)) => {
                let reason = match before {
                    Some(HoldState::Open { reason }) => reason.clone(),
                    _ => news.reason.clone(),
                };
                let from = before.map(|_| news.kind.as_str());
                let released = Move { axis: Axis::Hold, from, to: None, reason: Some(because.clone()) };
                (HoldState::Released { reason, because: because.clone(), by_operator: false }, released)
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
        if self.coverage() == Coverage::Covered {
            return if refunded > 0 { PaymentStatus::PartiallyRefunded } else { PaymentStatus::Paid };
        }
        let known = if self.payment > PaymentStatus::Cancelled {
            PaymentStatus::AwaitingPayment
        } else {
            self.payment
        };
        hint.map_or(known, |hint| hint.max(known))
    }

    fn coverage(&self) -> Coverage {
        let mut arrived = self
            .money
            .iter()
            .filter(|fact| matches!(fact.kind, MoneyKind::Captured | MoneyKind::InvoicePaid))
            .peekable();
        if arrived.peek().is_none() {
            return Coverage::Open;
        }
        let mismatch = self.holds.get(&(HoldKind::AmountMismatch, WHOLE_ORDER.to_owned()));
        if matches!(mismatch, Some(HoldState::Released { by_operator: true, .. })) {
            return Coverage::Covered;
        }
        if let Some(foreign) = arrived.find(|fact| fact.currency != self.total.currency) {
            let got = Money { amount: foreign.amount, currency: foreign.currency };
            return Coverage::Mismatch(format!(
                "{} paid {got}, the order asks {}",
                foreign.stripe_id, self.total
            ));
        }

        let asked = i128::from(self.total.amount);
        let captured = self.sum(MoneyKind::Captured);
        let by_invoice = self.sum_of_greatest(MoneyKind::InvoicePaid);
        let invoice_is_paid = self.money.iter().any(|fact| fact.kind == MoneyKind::InvoicePaid);
        // An invoice may be paid in several parts and beyond what it asked; anything else must be paid exactly.
        let is_covered = if self.has_invoice || invoice_is_paid {
            captured.max(by_invoice) >= asked
        } else {
            captured == asked
        };
        if is_covered {
            Coverage::Covered
        } else if self.has_invoice && !invoice_is_paid {
            Coverage::Open
        } else {
            let got = Money { amount: self.amount_paid(), currency: self.total.currency };
            Coverage::Mismatch(format!("{got} arrived, the order asks {}", self.total))
        }
    }

    fn consequences(&mut self, before: &Self) -> Vec<Consequence> {
        let mut consequences = Vec::new();
        if self.coverage() == Coverage::Covered && self.fulfilment == FulfilmentStatus::None {
            self.fulfilment = FulfilmentStatus::Queued;
            consequences.push(Consequence::Queue);
        }
        if self.payment == PaymentStatus::Refunded && self.fulfilment == FulfilmentStatus::Queued {
            self.fulfilment = FulfilmentStatus::Cancelled;
            consequences.push(Consequence::Cancel);
        }
        if before.open_holds() > 0 && self.open_holds() == 0 && self.fulfilment == FulfilmentStatus::Queued {
            consequences.push(Consequence::Wake);
        }
        consequences
    }

    fn why_unchanged(&self, after: &Self, news: &News) -> String {
        match &news.hint {
            Some((hint, _)) if *hint < after.payment => {
                format!("late news: {hint}, but the order is {}", after.payment)
            }
            _ if after.money.len() > self.money.len() => "the money was noted; it moved nothing".to_owned(),
            _ => "it tells nothing new".to_owned(),
        }
    }

    fn sum(&self, kind: MoneyKind) -> i128 {
        self.of_kind(kind).map(|fact| i128::from(fact.amount)).sum()
    }

    /// The sum over Stripe's objects of the greatest amount that each told: for amounts that grow.
    fn sum_of_greatest(&self, kind: MoneyKind) -> i128 {
        let mut greatest = BTreeMap::<&str, i128>::new();
        for fact in self.of_kind(kind) {
            let amount = greatest.entry(&fact.stripe_id).or_default();
            *amount = i128::from(fact.amount).max(*amount);
        }
        greatest.values().sum()
    }

    fn of_kind(&self, kind: MoneyKind) -> impl Iterator<Item = &MoneyFact> {
        self.money.iter().filter(move |fact| fact.kind == kind && fact.currency == self.total.currency)
    }
}

fn clamp(amount: i128) -> i64 {
    i64::try_from(amount.max(0)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
