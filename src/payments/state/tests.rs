use uuid::Uuid;

use super::*;
use crate::money::Commission;
use crate::payments::payment::Shown;
use crate::payments::payment::{Capture, RefundedLine};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn payment(status: Option<&str>) -> OrderPayment {
    OrderPayment {
        order_id: Uuid::nil(),
        mode: Mode::Server,
        capture: Capture::Automatic,
        off_session: false,
        save_for_later: false,
        payment_method: None,
        receipt_email: None,
        statement_suffix: None,
        stripe_customer: None,
        destination: None,
        commission: Commission::default(),
        on_behalf_of: false,
        application_fee: 0,
        payment_intent: Some("pi_1".to_owned()),
        client_secret: Some("pi_1_secret_1".to_owned()),
        intent_status: status.map(str::to_owned),
        problem: None,
        problem_code: None,
        declined: None,
        checkout: None,
    }
}

fn confirm(method: &str) -> Ask {
    Ask::Confirm { payment_method: method.to_owned(), cvc_token: None, save_for_later: false }
}

fn call(ask: Ask, state: CallState) -> StoredCall {
    StoredCall {
        id: Uuid::nil(),
        order_id: Uuid::nil(),
        attempt: 1,
        idempotency_key: "key".to_owned(),
        ask,
        state,
        reason: None,
        code: None,
        shown: None,
        tries: 1,
        clear_tries: 0,
        opened_at: NOW,
    }
}

fn with(method: &str) -> PayAsk {
    PayAsk::With { payment_method: method.to_owned(), cvc_token: None, save_for_later: false }
}

fn decide(order: PaymentStatus, status: Option<&str>, calls: &[StoredCall], ask: &PayAsk) -> PayDecision {
    let payment = payment(status);
    on_pay(&PayFacts { order, payment: &payment, calls, has_looked: false, now: NOW }, ask)
}

#[test]
fn what_is_paid_is_not_paid_again() {
    for order in [PaymentStatus::Paid, PaymentStatus::PartiallyRefunded, PaymentStatus::Authorised] {
        let decision = decide(order, None, &[], &with("pm_1"));
        assert_eq!(decision, PayDecision::Answer(PayAnswer::Success), "{order}");
    }
    let waiting = PaymentStatus::AwaitingPayment;
    let decision = decide(waiting, Some("succeeded"), &[], &with("pm_1"));
    assert_eq!(decision, PayDecision::Answer(PayAnswer::Success));
    for status in ["processing", "requires_capture"] {
        assert_eq!(decide(waiting, Some(status), &[], &with("pm_1")), PayDecision::Look, "{status}");
        let payment = payment(Some(status));
        let looked = PayFacts { order: waiting, payment: &payment, calls: &[], has_looked: true, now: NOW };
        assert_eq!(on_pay(&looked, &with("pm_1")), PayDecision::Answer(PayAnswer::Success), "{status}");
    }
}

#[test]
fn a_second_click_joins_the_first_and_another_card_waits_for_it() {
    let open = [call(confirm("pm_1"), CallState::Open)];
    let waiting = PaymentStatus::AwaitingPayment;

    assert_eq!(decide(waiting, None, &open, &with("pm_1")), PayDecision::Join);
    let other = decide(waiting, None, &open, &with("pm_2"));
    assert_eq!(other, PayDecision::Answer(PayAnswer::Error(Shown::processing())));
    let again = decide(waiting, None, &open, &PayAsk::Again { payment_intent: "pi_1".to_owned() });
    assert_eq!(again, PayDecision::Answer(PayAnswer::Error(Shown::processing())));
}

#[test]
fn after_a_decline_the_next_try_is_a_new_one() {
    let declined = [call(confirm("pm_1"), CallState::Refused)];
    let failed = PaymentStatus::PaymentFailed;

    let again = decide(failed, Some("requires_payment_method"), &declined, &with("pm_1"));

    assert_eq!(again, PayDecision::Try(confirm("pm_1")));
}

#[test]
fn the_same_card_while_a_step_is_required_is_looked_at_before_it_is_tried_again() {
    let done = [call(confirm("pm_1"), CallState::Done)];
    let order = PaymentStatus::RequiresAction;
    let payment = payment(Some("requires_action"));
    let looked = PayFacts { order, payment: &payment, calls: &done, has_looked: true, now: NOW };

    assert_eq!(decide(order, Some("requires_action"), &done, &with("pm_1")), PayDecision::Look);
    let secret = "pi_1_secret_1".to_owned();
    let told = PayDecision::Answer(PayAnswer::RequiresAction { client_secret: secret });
    assert_eq!(on_pay(&looked, &with("pm_1")), told);
    assert_eq!(
        decide(order, Some("requires_action"), &done, &with("pm_2")),
        PayDecision::Try(confirm("pm_2"))
    );
    let again = PayAsk::Again { payment_intent: "pi_1".to_owned() };
    assert_eq!(decide(order, Some("requires_action"), &done, &again), PayDecision::Try(Ask::ConfirmAgain));
}

#[test]
fn an_intent_of_another_order_confirms_nothing() {
    let other = PayAsk::Again { payment_intent: "pi_2".to_owned() };

    let decision = decide(PaymentStatus::RequiresAction, Some("requires_action"), &[], &other);

    assert!(matches!(decision, PayDecision::Answer(PayAnswer::Error(_))));
}

#[test]
fn nobody_tests_cards_on_one_order() {
    let tries: Vec<_> = (0..20).map(|_| call(confirm("pm_1"), CallState::Refused)).collect();

    let decision = decide(PaymentStatus::PaymentFailed, None, &tries, &with("pm_2"));

    let PayDecision::Answer(PayAnswer::Error(shown)) = decision else { panic!("{decision:?}") };
    assert_eq!(shown.code.as_deref(), Some("too_many_tries"));
}

#[test]
fn a_thief_does_not_learn_that_the_card_is_known_to_be_stolen() {
    let told =
        shown(true, Some("card_declined"), Some("stolen_card"), Some("Your card was reported stolen."));

    assert_eq!(told.message, "Your card was declined.");
    assert_eq!(told.decline_code.as_deref(), Some("generic_decline"));

    let poor = shown(true, Some("card_declined"), Some("insufficient_funds"), Some("Insufficient funds."));
    assert_eq!(
        (poor.message.as_str(), poor.decline_code.as_deref()),
        ("Insufficient funds.", Some("insufficient_funds"))
    );

    let ours = shown(false, Some("parameter_invalid"), None, Some("Invalid API parameter x"));
    assert!(!ours.message.contains("parameter"));
}

#[test]
fn a_call_is_closed_only_when_it_is_known_what_stripe_did() {
    let first = call(confirm("pm_1"), CallState::Open);
    let second = StoredCall { tries: 2, ..first.clone() };
    let second_after_clear = StoredCall { tries: 2, clear_tries: 1, ..first.clone() };

    for (call, ended, state) in [
        (&first, Ended::Done, CallState::Done),
        (&first, Ended::Refused, CallState::Refused),
        (&first, Ended::NotDone, CallState::NotDone),
        (&first, Ended::Unknown, CallState::Open),
        (&second, Ended::NotDone, CallState::Open),
        (&second_after_clear, Ended::NotDone, CallState::NotDone),
        (&call(Ask::Create, CallState::Open), Ended::NotDone, CallState::Open),
    ] {
        assert_eq!(after_try(call, ended), state, "{call:?} {ended:?}");
    }
    assert_eq!((wait(1), wait(2), wait(100)), (FIRST_WAIT, FIRST_WAIT * 2, Duration::hours(1)));
}

#[test]
fn never_more_goes_back_than_arrived() {
    let refundable = Refundable { captured: 2000, refunded: 500, in_flight: 300 };

    assert_eq!(refundable.amount(None), Ok(1200));
    assert_eq!(refundable.amount(Some(1200)), Ok(1200));
    assert_eq!(refundable.amount(Some(1201)), Err(RefundFault::TooMuch { left: 1200 }));
    assert_eq!(Refundable { captured: 0, refunded: 0, in_flight: 0 }.amount(None), Err(RefundFault::NotPaid));
    let all = Refundable { captured: 2000, refunded: 2000, in_flight: 0 };
    assert_eq!(all.amount(Some(1)), Err(RefundFault::NothingLeft));
}

#[test]
fn lines_are_taken_back_piece_by_piece() {
    let tea = crate::orders::Line {
        kind: crate::orders::LineKind::Goods,
        sku: "TEA".to_owned(),
        description: None,
        quantity: 3,
        unit_amount: 700,
        amount: 2100,
        refunded: 1,
    };
    let piece = |position, quantity| RefundedLine { position, quantity };
    let lines = [tea];

    assert_eq!(check_lines(&lines, &[piece(1, 2)]), Ok(1400));
    for wrong in [
        vec![piece(1, 3)],
        vec![piece(1, 0)],
        vec![piece(2, 1)],
        vec![piece(0, 1)],
        vec![piece(1, 1), piece(1, 1)],
    ] {
        assert!(matches!(check_lines(&lines, &wrong), Err(RefundFault::Lines(_))), "{wrong:?}");
    }
}

#[test]
fn it_is_plain_who_bears_a_refund() {
    let of = |amount, fee, reverse, refund_fee| {
        let bearing = Shared { captured: 2000, refunded: 0, fee }.bearing(amount, reverse, refund_fee);
        assert_eq!(bearing.platform_bears + bearing.account_bears, bearing.customer_gets);
        (bearing.platform_bears, bearing.account_bears)
    };

    assert_eq!(of(2000, 240, false, false), (2000, 0));
    assert_eq!(of(2000, 240, true, false), (0, 2000));
    assert_eq!(of(2000, 240, true, true), (240, 1760));
    assert_eq!(of(2000, 240, false, true), (2240, -240));
    assert_eq!(of(500, 240, true, true), (60, 440));
    assert_eq!(of(500, 0, true, true), (0, 500));
    assert_eq!(of(500, 0, true, false), (0, 500));
}

#[test]
fn a_call_is_looked_for_only_when_no_try_of_it_can_be_under_way() {
    let confirmation = call(confirm("pm_1"), CallState::Open);
    let refund = call(Ask::Refund { request: Uuid::nil() }, CallState::Open);
    let reused = StoredCall { code: Some(KEY_REUSED.to_owned()), ..refund.clone() };
    for (call, minutes, expected) in [
        (&confirmation, 10, Way::Ask),
        (&confirmation, 12, Way::Wait),
        (&confirmation, 14, Way::Look),
        (&refund, 23 * 60, Way::Ask),
        (&refund, 23 * 60 + 2, Way::Wait),
        (&refund, 23 * 60 + 4, Way::Look),
        (&reused, 1, Way::Look),
    ] {
        let way = way(call, call.opened_at + Duration::minutes(minutes));
        assert_eq!(way, expected, "{:?} after {minutes} minutes", call.ask);
    }
}
