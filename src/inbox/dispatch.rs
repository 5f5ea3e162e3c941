//! The table: which feature handles which type of event. The README's list of events to subscribe to is checked
//! against it.

use crate::orders::events::{
    OrderEvent, Unreadable, on_charge, on_charge_refunded, on_dispute, on_invoice, on_invoice_payment,
    on_payment_intent, on_refund,
};
use crate::stripe::Event;

/// Reads an event for what it says of an order.
pub type Handler = fn(&Event<'_>) -> Result<OrderEvent, Unreadable>;

/// All types of events that have an effect, sorted.
pub const TABLE: &[(&str, Handler)] = &[
    ("charge.captured", on_charge),
    ("charge.dispute.closed", on_dispute),
    ("charge.dispute.created", on_dispute),
    ("charge.dispute.funds_reinstated", on_dispute),
    ("charge.dispute.funds_withdrawn", on_dispute),
    ("charge.dispute.updated", on_dispute),
    ("charge.refund.updated", on_refund),
    ("charge.refunded", on_charge_refunded),
    ("charge.succeeded", on_charge),
    ("charge.updated", on_charge),
    ("invoice.created", on_invoice),
    ("invoice.finalized", on_invoice),
    ("invoice.marked_uncollectible", on_invoice),
    ("invoice.overdue", on_invoice),
    ("invoice.overpaid", on_invoice),
    ("invoice.paid", on_invoice),
    ("invoice.payment_action_required", on_invoice),
    ("invoice.payment_attempt_required", on_invoice),
    ("invoice.payment_failed", on_invoice),
    ("invoice.payment_succeeded", on_invoice),
    ("invoice.sent", on_invoice),
    ("invoice.updated", on_invoice),
    ("invoice.voided", on_invoice),
    ("invoice_payment.paid", on_invoice_payment),
    ("payment_intent.amount_capturable_updated", on_payment_intent),
    ("payment_intent.canceled", on_payment_intent),
    ("payment_intent.created", on_payment_intent),
    ("payment_intent.partially_funded", on_payment_intent),
    ("payment_intent.payment_failed", on_payment_intent),
    ("payment_intent.processing", on_payment_intent),
    ("payment_intent.requires_action", on_payment_intent),
    ("payment_intent.succeeded", on_payment_intent),
    ("refund.created", on_refund),
    ("refund.failed", on_refund),
    ("refund.updated", on_refund),
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
