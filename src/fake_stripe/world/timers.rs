//! What happens by itself when its time has come.

use super::World;
use crate::fake_stripe::resources::{
    checkout, invoices, payment_intents, quotes, refunds, settlement, subscription_schedules, subscriptions,
};

/// Something that is still to happen.
#[derive(Clone, Debug)]
pub(in crate::fake_stripe) enum Timer {
    /// The money of a charge reaches the balance.
    Settle {
        /// `ch_…`.
        charge: String,
    },
    /// A bank says what became of a debit.
    SettleDebit {
        /// `pi_…`.
        intent: String,
        /// `py_…`.
        charge: String,
        /// Why it fails, if it does.
        failure: Option<&'static str>,
    },
    /// The hour in which to confirm after 3-D Secure is over.
    ConfirmExpires {
        /// `pi_…`.
        intent: String,
        /// The method that was authenticated.
        method: String,
    },
    /// The days in which to capture are over.
    AutoCancel {
        /// `pi_…`.
        intent: String,
    },
    /// A refund takes another status.
    RefundTurns {
        /// `re_…`.
        refund: String,
        /// The new one.
        status: &'static str,
    },
    /// The time in which a Checkout Session can be paid is over.
    SessionExpires {
        /// `cs_…`.
        session: String,
    },
    /// A draft that advances by itself is finalised, if its event was taken.
    InvoiceFinalizes {
        /// `in_…`.
        invoice: String,
    },
    /// An invoice is charged, for the first time or again.
    InvoiceCharges {
        /// `in_…`.
        invoice: String,
        /// When that was planned for.
        at: i64,
    },
    /// Something of a subscription has its time.
    Subscription {
        /// `sub_…`.
        subscription: String,
        /// What.
        turn: subscriptions::Turn,
        /// When that was planned for.
        at: i64,
    },
    /// A schedule begins or lets go of its subscription.
    Schedule {
        /// `sub_sched_…`.
        schedule: String,
    },
    /// A quote is no longer offered.
    QuoteExpires {
        /// `qt_…`.
        quote: String,
    },
    /// The day by which an invoice is to be paid has passed.
    InvoiceOverdue {
        /// `in_…`.
        invoice: String,
    },
}

/// Does it, if it still fits what has become of the object meanwhile.
pub(super) fn run(world: &mut World, timer: Timer) {
    match timer {
        Timer::Settle { charge } => settlement::settle(world, &charge, true),
        Timer::SettleDebit { intent, charge, failure } => {
            payment_intents::settle_debit(world, &intent, &charge, failure);
        }
        Timer::ConfirmExpires { intent, method } => payment_intents::confirm_expired(world, &intent, &method),
        Timer::AutoCancel { intent } => payment_intents::auto_cancel(world, &intent),
        Timer::RefundTurns { refund, status } => refunds::turn(world, &refund, status),
        Timer::SessionExpires { session } => checkout::expired(world, &session),
        Timer::InvoiceFinalizes { invoice } => invoices::finalize_when_due(world, &invoice),
        Timer::InvoiceCharges { invoice, at } => invoices::charge_when_due(world, &invoice, at),
        Timer::Subscription { subscription, turn, at } => subscriptions::turn(world, &subscription, turn, at),
        Timer::Schedule { schedule } => subscription_schedules::turn(world, &schedule),
        Timer::QuoteExpires { quote } => quotes::expire(world, &quote),
        Timer::InvoiceOverdue { invoice } => invoices::overdue(world, &invoice),
    }
}
