use super::*;

const POLICY: RetryPolicy = RetryPolicy { base: Duration::from_secs(10), max_attempts: 12 };

fn order(payment_status: PaymentStatus, holds: &[&str]) -> OrderFacts {
    let open_holds = i32::try_from(holds.len()).unwrap();
    OrderFacts { payment_status, open_holds, holds: holds.iter().map(ToString::to_string).collect() }
}

fn due(order: OrderFacts, attempts: i32, in_doubt: bool, died: bool) -> DueFacts {
    DueFacts { order, attempts, in_doubt, died }
}

#[test]
fn an_order_is_ready_when_its_money_is_there_and_nothing_holds_it() {
    for status in PaymentStatus::ALL {
        let expected = match status {
            PaymentStatus::Paid | PaymentStatus::PartiallyRefunded => Readiness::Ready,
            PaymentStatus::Refunded => Readiness::CalledOff("refunded".into()),
            other => Readiness::NotReady(format!("not paid: {other}")),
        };
        assert_eq!(readiness(&order(*status, &[])), expected, "{status}");
    }
}

#[test]
fn a_hold_is_named_and_only_a_whole_refund_beats_it() {
    for status in PaymentStatus::ALL {
        let expected = match status {
            PaymentStatus::Refunded => Readiness::CalledOff("refunded".into()),
            _ => Readiness::NotReady("on hold: amount_mismatch, dispute".into()),
        };
        assert_eq!(readiness(&order(*status, &["amount_mismatch", "dispute"])), expected, "{status}");
    }
    let unnamed = OrderFacts { payment_status: PaymentStatus::Paid, open_holds: 1, holds: Vec::new() };
    assert_eq!(readiness(&unnamed), Readiness::NotReady("on hold".into()));
}

#[test]
fn the_claim_decides_by_readiness_doubt_and_attempts_left() {
    let ready = || order(PaymentStatus::Paid, &[]);
    let held = || order(PaymentStatus::Paid, &["review"]);
    let refunded = || order(PaymentStatus::Refunded, &[]);
    let send = Verdict::Attempt { may_send: true };
    let only_ask = Verdict::Attempt { may_send: false };
    let wait = Verdict::Wait { reason: "on hold: review".into() };
    let cancel = Verdict::Cancel { reason: "refunded".into() };

    for (facts, expected) in [
        (due(ready(), 0, false, false), &send),
        (due(ready(), 3, true, false), &send),
        (due(ready(), 3, true, true), &send),
        // A redriven one: its attempts are used up, yet it was queued again.
        (due(ready(), 12, false, false), &send),
        (due(held(), 0, false, false), &wait),
        (due(held(), 3, true, true), &wait),
        (due(refunded(), 0, false, false), &cancel),
        (due(refunded(), 3, true, false), &only_ask),
        (due(refunded(), 3, true, true), &only_ask),
    ] {
        assert_eq!(&judge(&facts, &POLICY), expected, "{facts:?}");
    }
    for order in [ready(), held(), refunded()] {
        let facts = due(order, 12, true, true);
        assert!(matches!(judge(&facts, &POLICY), Verdict::GiveUp { .. }), "{facts:?}");
    }
}

#[test]
fn business_answers_end_it_and_technical_ones_are_retried_until_attempts_are_used_up() {
    let now = OffsetDateTime::UNIX_EPOCH;
    let after = |outcome: &Outcome, attempt| after(outcome, attempt, &POLICY, 1.0, now);
    let not_done = Outcome::NotDone { why: "refused".into(), retry_after: None };
    let unknown = Outcome::Unknown { why: "timed out".into(), retry_after: None };

    for attempt in [1, 11, 12, 13] {
        let reference = Some("W-1".to_owned());
        let fulfilled = Outcome::Fulfilled { reference: reference.clone() };
        assert_eq!(after(&fulfilled, attempt), Next::Fulfilled { reference });
        let rejected = Outcome::Rejected { why: "bad address".into() };
        assert_eq!(after(&rejected, attempt), Next::Rejected { reason: "bad address".into() });
    }
    let at = now + Duration::from_secs(20);
    assert_eq!(after(&not_done, 2), Next::Queued { at, reason: "refused".into() });
    assert_eq!(after(&unknown, 2), Next::Queued { at, reason: "timed out".into() });
    for attempt in [12, 13] {
        let reason = format!("gave up after {attempt} attempts; the last: refused");
        assert_eq!(after(&not_done, attempt), Next::Failed { reason });
        let reason =
            format!("gave up after {attempt} attempts; the last: the provider may have it; timed out");
        assert_eq!(after(&unknown, attempt), Next::Failed { reason });
    }
}

#[test]
fn each_end_moves_the_orders_axis_and_says_why_unless_it_is_good() {
    let reason = || "because".to_owned();
    for (next, axis) in [
        (Next::Fulfilled { reference: None }, FulfilmentStatus::Fulfilled),
        (Next::Rejected { reason: reason() }, FulfilmentStatus::Failed),
        (Next::Failed { reason: reason() }, FulfilmentStatus::Failed),
        (Next::Cancelled { reason: reason() }, FulfilmentStatus::Cancelled),
    ] {
        assert!(next.is_end());
        assert_eq!(next.axis(), axis);
        assert_eq!(next.reason().is_none(), axis == FulfilmentStatus::Fulfilled);
    }
}

#[test]
fn waits_double_within_half_of_chance_up_to_a_limit() {
    let seconds = |attempt, spread| wait(POLICY.base, attempt, None, spread).as_secs();

    assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (5, 10));
    assert_eq!((seconds(2, 0.0), seconds(2, 1.0)), (10, 20));
    assert_eq!((seconds(11, 0.0), seconds(11, 1.0)), (5_120, 10_240));
    assert_eq!((seconds(13, 0.0), seconds(13, 1.0)), (10_800, 21_600));
    assert_eq!((seconds(i32::MAX, 1.0), seconds(-1, 1.0)), (21_600, 10));
}

#[test]
fn a_providers_wish_is_heeded_within_an_hour_and_never_shortens_a_wait() {
    let seconds =
        |attempt, wish, spread| wait(POLICY.base, attempt, Some(Duration::from_secs(wish)), spread).as_secs();

    assert_eq!((seconds(1, 120, 0.0), seconds(1, 120, 1.0)), (120, 132));
    assert_eq!(seconds(1, 1, 1.0), 10);
    assert_eq!(seconds(1, u64::MAX, 0.0), 3_600);
}
