//! Two orders that turn out to be one purchase.

use super::*;

const WHY: &str = "they are the same purchase";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// What an order is after events.
fn after(order: OrderFacts, news: &[News]) -> OrderFacts {
    news.iter().fold(order, |order, news| order.transition(news).after)
}

fn doubt() -> News {
    let hold = HoldNews {
        kind: HoldKind::PossibleDuplicate,
        source: WHOLE_ORDER.to_owned(),
        reason: "another may be it".to_owned(),
        ended: None,
        is_final: false,
    };
    News { hold: Some(hold), ..News::default() }
}

fn is_open(order: &OrderFacts, kind: HoldKind) -> bool {
    order
        .holds
        .iter()
        .any(|((held_for, _), state)| *held_for == kind && matches!(state, HoldState::Open { .. }))
}

#[test]
fn the_parts_of_an_invoice_that_became_orders_pay_its_order_together() {
    let invoice = OrderFacts { id: id(1), ..order(Origin::Invoice) };
    let part = |n, amount| {
        let bare = OrderFacts { id: id(n), total: usd(amount), ..order(Origin::PaymentIntent) };
        after(bare, &[captured(&format!("pi_{n}"), amount)])
    };

    let first = invoice.absorb(&part(2, 1200), WHY);
    assert_eq!(first.after.payment, PaymentStatus::AwaitingPayment);
    assert_eq!((first.after.amount_paid(), &first.consequences), (1200, &vec![]));
    let second = first.after.absorb(&part(3, 800), WHY);

    assert_eq!((second.after.payment, second.after.amount_paid()), (PaymentStatus::Paid, ASKED));
    assert_eq!((second.after.origin, second.after.total), (Origin::Invoice, usd(ASKED)));
    assert_eq!(second.consequences, [Consequence::Queue]);
    assert!(second.after.holds.is_empty());
    assert_eq!(second.moves[0].reason.as_deref(), Some(WHY));
}

#[test]
fn an_order_that_another_took_over_has_no_money_and_sends_nothing() {
    let bare = after(order(Origin::PaymentIntent), &[captured("pi_1", ASKED), doubt()]);
    assert_eq!(bare.fulfilment, FulfilmentStatus::Queued);

    let ended = bare.end_in(id(7), WHY);

    assert_eq!((ended.after.payment, ended.after.amount_paid()), (PaymentStatus::Cancelled, 0));
    assert_eq!((ended.after.fulfilment, ended.after.open_holds()), (FulfilmentStatus::Cancelled, 0));
    assert_eq!(
        (ended.after.merged_into, ended.consequences),
        (Some(id(7)), vec![Consequence::GiveUp { to: id(7) }])
    );
}

#[test]
fn a_doubt_ends_where_its_orders_become_one_and_what_stripe_holds_a_payment_for_stays() {
    let dispute = HoldNews { kind: HoldKind::Dispute, source: "du_1".to_owned(), ..doubt().hold.unwrap() };
    let disputed = News { hold: Some(dispute), ..News::default() };
    let invoice = after(order(Origin::Invoice), &[doubt()]);
    let bare = after(order(Origin::PaymentIntent), &[captured("pi_1", ASKED), disputed, doubt()]);

    let united = invoice.absorb(&bare, WHY);

    assert!(!is_open(&united.after, HoldKind::PossibleDuplicate));
    assert!(is_open(&united.after, HoldKind::Dispute));
    assert_eq!(united.after.open_holds(), 1);
}

#[test]
fn an_order_that_was_handed_over_learns_of_the_invoice_that_it_turns_out_to_pay() {
    let bare = OrderFacts { total: usd(1200), ..order(Origin::PaymentIntent) };
    let mut sent = after(bare, &[captured("pi_1", 1200)]);
    sent.fulfilment = FulfilmentStatus::Fulfilled;
    let invoice = after(order(Origin::Invoice), &[captured("pi_2", 800), doubt()]);

    let united = sent.absorb(&invoice, WHY);

    assert_eq!((united.after.origin, united.after.total), (Origin::Invoice, usd(ASKED)));
    assert_eq!((united.after.payment, united.after.amount_paid()), (PaymentStatus::Paid, ASKED));
    assert_eq!((united.after.fulfilment, united.consequences), (FulfilmentStatus::Fulfilled, vec![]));
}

#[test]
fn a_shops_own_order_what_a_person_decided_and_what_was_refunded_by_a_call_are_not_taken_over() {
    let bare = || after(order(Origin::PaymentIntent), &[captured("pi_1", ASKED), doubt()]);
    assert!(bare().can_be_merged());
    assert!(!order(Origin::Api).can_be_merged());
    let told_apart = bare().release(HoldKind::PossibleDuplicate, "ada", "they bought twice").unwrap();
    assert!(!told_apart.after.can_be_merged());
    let refund = HoldNews { kind: HoldKind::Refund, source: "re_1".to_owned(), ..doubt().hold.unwrap() };
    let refund = News { hold: Some(refund), ..News::default() };
    assert!(!after(bare(), &[refund]).can_be_merged());
}
