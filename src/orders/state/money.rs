//! Money facts, and what they come to: what arrived, what went back, whether it is what was asked.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{HoldState, OrderFacts, WHOLE_ORDER};
use crate::money::{Currency, Money};
use crate::orders::order::{HoldKind, Origin};

/// How many sums of payments are looked at for one that is what was asked: a bound, far beyond what orders have.
const MOST_SUMS: usize = 1_000;

/// The kinds that tell of arriving money. A purchase shows itself in several of them: they are never added up.
const ARRIVING: [MoneyKind; 3] = [MoneyKind::Captured, MoneyKind::InvoicePaid, MoneyKind::SessionPaid];

/// What a row of `payments` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoneyKind {
    /// A PaymentIntent succeeded.
    Captured,
    /// An invoice was paid, through Stripe or outside.
    InvoicePaid,
    /// A checkout session was paid.
    SessionPaid,
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
        Self::SessionPaid,
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
            Self::SessionPaid => "session_paid",
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

impl fmt::Display for MoneyFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, stripe_id, amount, currency } = self;
        write!(f, "{} {} ({stripe_id})", kind.as_str(), Money { amount: *amount, currency: *currency })
    }
}

impl OrderFacts {
    /// What arrived in the order's currency, in minor units. An invoice and its PaymentIntents tell of the same money.
    pub fn amount_paid(&self) -> i64 {
        clamp(self.arrived_amount())
    }

    /// What went back, in minor units, never more than arrived: the release of what was only reserved can look like a
    /// refund. Refunds count one by one; what a charge tells beyond them is added, since old API versions tell only the
    /// sum.
    pub fn amount_refunded(&self) -> i64 {
        let one_by_one = self.sum(MoneyKind::Refunded);
        let by_charge = self.sum_of_greatest(MoneyKind::ChargeRefunded);
        let back = one_by_one - self.sum(MoneyKind::RefundReversed) + (by_charge - one_by_one).max(0);
        clamp(back.min(self.arrived_amount()))
    }

    /// Whether what was asked has arrived. What more arrives does not undo it.
    pub(super) fn is_covered(&self) -> bool {
        if self.arrived().next().is_none() {
            return false;
        }
        if self.is_mismatch_accepted() {
            return true;
        }
        if self.arrived().all(|fact| fact.currency != self.total.currency) {
            return false;
        }
        if self.is_invoice() {
            return self.arrived_amount() >= self.asked();
        }
        ARRIVING.iter().any(|kind| self.makes_up_total(*kind))
    }

    /// What is wrong with what arrived, if anything is.
    pub(super) fn mismatch(&self) -> Option<String> {
        self.arrived().next()?;
        if let Some(foreign) = self.arrived().find(|fact| fact.currency != self.total.currency) {
            let got = Money { amount: foreign.amount, currency: foreign.currency };
            return Some(format!("{} paid {got}, the order asks {}", foreign.stripe_id, self.total));
        }
        let is_right = match self.arrived_amount().cmp(&self.asked()) {
            Ordering::Equal => true,
            // The rest of the invoice may still come.
            Ordering::Less => self.has_invoice && !self.has_kind(MoneyKind::InvoicePaid),
            Ordering::Greater => self.is_invoice(),
        };
        let got = Money { amount: self.amount_paid(), currency: self.total.currency };
        let asked = Money { amount: clamp(self.asked()), currency: self.total.currency };
        (!is_right).then(|| format!("{got} arrived, the order asks {asked}"))
    }

    /// All the money was to go back, but a refund failed: the customer neither has it nor expects the goods.
    pub(super) fn failed_refund(&self) -> Option<String> {
        let (paid, refunded) = (self.amount_paid(), self.amount_refunded());
        let asked_back = self.sum(MoneyKind::Refunded).max(self.sum_of_greatest(MoneyKind::ChargeRefunded));
        let is_doubtful = paid > 0 && asked_back >= i128::from(paid) && refunded < paid;
        let asked_back = Money { amount: clamp(asked_back), currency: self.total.currency };
        is_doubtful
            .then(|| format!("{asked_back} was to go back, but a refund of it failed or was called off"))
    }

    /// Whether the order is an invoice: that is its own word on what is asked, and it may be paid in parts and beyond.
    /// A shop's order must be paid as the shop asked.
    fn is_invoice(&self) -> bool {
        self.origin != Origin::Api && (self.has_invoice || self.has_kind(MoneyKind::InvoicePaid))
    }

    fn is_mismatch_accepted(&self) -> bool {
        let mismatch = self.holds.get(&(HoldKind::AmountMismatch, WHOLE_ORDER.to_owned()));
        matches!(mismatch, Some(HoldState::Released { by: Some(_), .. }))
    }

    /// Whether some of the payments of a kind are together exactly what was asked: so that one payment too many, heard
    /// early, does not hide that the order is paid.
    fn makes_up_total(&self, kind: MoneyKind) -> bool {
        let asked = self.asked();
        let mut sums = BTreeSet::from([0]);
        for amount in self.greatest(kind).into_values() {
            let more: Vec<i128> =
                sums.iter().map(|sum| sum + amount).filter(|sum| *sum <= asked).take(MOST_SUMS).collect();
            sums.extend(more);
        }
        sums.contains(&asked)
    }

    /// What must arrive: the total, or the part of it that was asked to be captured.
    fn asked(&self) -> i128 {
        i128::from(self.to_capture.unwrap_or(self.total.amount))
    }

    fn sum(&self, kind: MoneyKind) -> i128 {
        self.of_kind(kind).map(|fact| i128::from(fact.amount)).sum()
    }

    /// What arrived in the order's currency: an invoice and its PaymentIntents tell of the same money.
    fn arrived_amount(&self) -> i128 {
        ARRIVING.iter().map(|kind| self.sum_of_greatest(*kind)).max().unwrap_or_default()
    }

    pub(super) fn arrived(&self) -> impl Iterator<Item = &MoneyFact> {
        self.money.iter().filter(|fact| ARRIVING.contains(&fact.kind))
    }

    fn sum_of_greatest(&self, kind: MoneyKind) -> i128 {
        self.greatest(kind).values().sum()
    }

    /// The greatest amount that each of Stripe's objects told: for amounts that grow.
    fn greatest(&self, kind: MoneyKind) -> BTreeMap<&str, i128> {
        let mut greatest = BTreeMap::<&str, i128>::new();
        for fact in self.of_kind(kind) {
            let amount = greatest.entry(&fact.stripe_id).or_default();
            *amount = i128::from(fact.amount).max(*amount);
        }
        greatest
    }

    pub(super) fn has_kind(&self, kind: MoneyKind) -> bool {
        self.of_kind(kind).next().is_some()
    }

    fn of_kind(&self, kind: MoneyKind) -> impl Iterator<Item = &MoneyFact> {
        self.money.iter().filter(move |fact| fact.kind == kind && fact.currency == self.total.currency)
    }
}

fn clamp(amount: i128) -> i64 {
    i64::try_from(amount.max(0)).unwrap_or(i64::MAX)
}
