//! The table: which feature handles which type of event. The README's list of events to subscribe to is checked
//! against it.

use crate::connect::events::{AccountEvent, on_account_updated, on_deauthorized};
use crate::orders::events::{
    OrderEvent, Unreadable, on_charge, on_charge_refunded, on_checkout_session, on_dispute,
    on_early_fraud_warning, on_invoice, on_invoice_payment, on_payment_intent, on_refund, on_review,
};
use crate::quotes::events::{QuoteEvent, on_quote};
use crate::stripe::Event;
use crate::subscriptions::events::{SubscriptionEvent, on_schedule, on_subscription};

/// Whose an event is, and how it is read for what it says.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// It moves an order.
    Order(fn(&Event<'_>) -> Result<OrderEvent, Unreadable>),
    /// It moves a connected account.
    Account(fn(&Event<'_>) -> Result<AccountEvent, serde_json::Error>),
    /// It moves a subscription, or the schedule of one.
    Subscription(fn(&Event<'_>) -> Result<SubscriptionEvent, serde_json::Error>),
    /// It moves a quote.
    Quote(fn(&Event<'_>) -> Result<QuoteEvent, serde_json::Error>),
}

use Handler::{Account, Order, Quote, Subscription};

/// All types of events that have an effect, sorted.
pub const TABLE: &[(&str, Handler)] = &[
    ("account.application.deauthorized", Account(on_deauthorized)),
    ("account.updated", Account(on_account_updated)),
    ("charge.captured", Order(on_charge)),
    ("charge.dispute.closed", Order(on_dispute)),
    ("charge.dispute.created", Order(on_dispute)),
    ("charge.dispute.funds_reinstated", Order(on_dispute)),
    ("charge.dispute.funds_withdrawn", Order(on_dispute)),
    ("charge.dispute.updated", Order(on_dispute)),
    ("charge.refund.updated", Order(on_refund)),
    ("charge.refunded", Order(on_charge_refunded)),
    ("charge.succeeded", Order(on_charge)),
    ("charge.updated", Order(on_charge)),
    ("checkout.session.async_payment_failed", Order(on_checkout_session)),
    ("checkout.session.async_payment_succeeded", Order(on_checkout_session)),
    ("checkout.session.completed", Order(on_checkout_session)),
    ("checkout.session.expired", Order(on_checkout_session)),
    ("customer.subscription.created", Subscription(on_subscription)),
    ("customer.subscription.deleted", Subscription(on_subscription)),
    ("customer.subscription.paused", Subscription(on_subscription)),
    ("customer.subscription.pending_update_applied", Subscription(on_subscription)),
    ("customer.subscription.pending_update_expired", Subscription(on_subscription)),
    ("customer.subscription.resumed", Subscription(on_subscription)),
    ("customer.subscription.trial_will_end", Subscription(on_subscription)),
    ("customer.subscription.updated", Subscription(on_subscription)),
    ("invoice.created", Order(on_invoice)),
    ("invoice.deleted", Order(on_invoice)),
    ("invoice.finalization_failed", Order(on_invoice)),
    ("invoice.finalized", Order(on_invoice)),
    ("invoice.marked_uncollectible", Order(on_invoice)),
    ("invoice.overdue", Order(on_invoice)),
    ("invoice.overpaid", Order(on_invoice)),
    ("invoice.paid", Order(on_invoice)),
    ("invoice.payment_action_required", Order(on_invoice)),
    ("invoice.payment_attempt_required", Order(on_invoice)),
    ("invoice.payment_failed", Order(on_invoice)),
    ("invoice.payment_succeeded", Order(on_invoice)),
    ("invoice.sent", Order(on_invoice)),
    ("invoice.updated", Order(on_invoice)),
    ("invoice.voided", Order(on_invoice)),
    ("invoice_payment.paid", Order(on_invoice_payment)),
    ("payment_intent.amount_capturable_updated", Order(on_payment_intent)),
    ("payment_intent.canceled", Order(on_payment_intent)),
    ("payment_intent.created", Order(on_payment_intent)),
    ("payment_intent.partially_funded", Order(on_payment_intent)),
    ("payment_intent.payment_failed", Order(on_payment_intent)),
    ("payment_intent.processing", Order(on_payment_intent)),
    ("payment_intent.requires_action", Order(on_payment_intent)),
    ("payment_intent.succeeded", Order(on_payment_intent)),
    ("quote.accepted", Quote(on_quote)),
    ("quote.canceled", Quote(on_quote)),
    ("quote.created", Quote(on_quote)),
    ("quote.finalized", Quote(on_quote)),
    ("radar.early_fraud_warning.created", Order(on_early_fraud_warning)),
    ("radar.early_fraud_warning.updated", Order(on_early_fraud_warning)),
    ("refund.created", Order(on_refund)),
    ("refund.failed", Order(on_refund)),
    ("refund.updated", Order(on_refund)),
    ("review.closed", Order(on_review)),
    ("review.opened", Order(on_review)),
    ("subscription_schedule.aborted", Subscription(on_schedule)),
    ("subscription_schedule.canceled", Subscription(on_schedule)),
    ("subscription_schedule.completed", Subscription(on_schedule)),
    ("subscription_schedule.created", Subscription(on_schedule)),
    ("subscription_schedule.expiring", Subscription(on_schedule)),
    ("subscription_schedule.released", Subscription(on_schedule)),
    ("subscription_schedule.updated", Subscription(on_schedule)),
];

/// Who handles a type.
pub fn handler(event_type: &str) -> Option<Handler> {
    let position = TABLE.binary_search_by_key(&event_type, |(handled, _)| *handled).ok()?;
    Some(TABLE[position].1)
}

/// Whether a type has an effect.
pub fn is_handled(event_type: &str) -> bool {
    handler(event_type).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_entry_is_found() {
        assert!(TABLE.is_sorted_by_key(|(event_type, _)| *event_type));
        assert!(TABLE.iter().all(|(event_type, _)| is_handled(event_type)));
        assert!(!is_handled("invoice.upcoming"));
    }
}
