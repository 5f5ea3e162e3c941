use super::schedule::wait;
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const POLICY: RetryPolicy = RetryPolicy { base: Duration::from_secs(10), max_age: HOUR, max_attempts: 50 };
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn order(payment_status: PaymentStatus, holds: &[&str]) -> OrderFacts {
    let open_holds = i32::try_from(holds.len()).unwrap();
    OrderFacts { payment_status, open_holds, holds: holds.iter().map(ToString::to_string).collect() }
}

fn ready() -> OrderFacts {
    order(PaymentStatus::Paid, &[])
}

fn held() -> OrderFacts {
    order(PaymentStatus::Paid, &["review"])
}

fn refunded() -> OrderFacts {
    order(PaymentStatus::Refunded, &[])
}

fn queued(order: OrderFacts) -> Facts {
    Facts {
        state: State::Queued,
        order,
        lines: LineFacts { is_left: true, has_shipped: false, is_less_than_sent: false },
        in_doubt: false,
        tries: 0,
        tries_since: None,
        recalls_from: None,
        recall_outcome: None,
        is_on_its_way: false,
        called_off: None,
        snoozed_until: None,
        paused: None,
    }
}

fn in_doubt(order: OrderFacts) -> Facts {
    Facts { in_doubt: true, ..queued(order) }
}

fn recalling(order: OrderFacts, from: RecallsFrom, in_doubt: bool) -> Facts {
    Facts { state: State::Recalling, recalls_from: Some(from), in_doubt, ..queued(order) }
}

fn lines(is_left: bool, has_shipped: bool) -> LineFacts {
    LineFacts { is_left, has_shipped, is_less_than_sent: false }
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
fn the_claim_sends_what_is_ready_and_only_asks_where_there_is_doubt_and_a_reason_to_stop() {
    let send = Verdict::Send { may_send: true };
    let only_ask = Verdict::Send { may_send: false };
    let wait = Verdict::Wait { until: NOW + RECHECK, reason: "on hold: review".into() };
    let cancel = |reason: &str| Verdict::Cancel { reason: reason.into() };
    let called_off = |facts: Facts| Facts { called_off: Some("a fraud".into()), ..facts };

    for (facts, expected) in [
        (queued(ready()), send.clone()),
        (in_doubt(ready()), send),
        (queued(held()), wait),
        (in_doubt(held()), only_ask.clone()),
        (queued(refunded()), cancel("refunded")),
        (in_doubt(refunded()), only_ask.clone()),
        (called_off(queued(ready())), cancel("a fraud")),
        (called_off(queued(held())), cancel("a fraud")),
        (called_off(in_doubt(ready())), only_ask.clone()),
        (Facts { lines: lines(false, true), ..queued(ready()) }, Verdict::Complete),
        (Facts { lines: lines(false, false), ..queued(ready()) }, cancel("all of it was refunded")),
        (Facts { lines: lines(false, false), ..in_doubt(ready()) }, only_ask),
    ] {
        assert_eq!(judge(&facts, NOW), expected, "{facts:?}");
    }
}

#[test]
fn what_is_snoozed_or_paused_waits_unless_it_is_called_off_for_sure() {
    let until = NOW + HOUR;
    let snoozed = |facts: Facts| Facts { snoozed_until: Some(until), ..facts };
    let paused = |facts: Facts| Facts { paused: Some("TEA-2, recalled by its maker".into()), ..facts };
    let wait = |until, reason: &str| Verdict::Wait { until, reason: reason.into() };
    let asleep = wait(until, "snoozed until 1970-01-01T01:00:00Z");

    for (facts, expected) in [
        (snoozed(queued(ready())), asleep.clone()),
        (snoozed(in_doubt(held())), asleep.clone()),
        (snoozed(queued(refunded())), Verdict::Cancel { reason: "refunded".into() }),
        (paused(queued(ready())), wait(NOW + RECHECK, "paused: TEA-2, recalled by its maker")),
        (paused(in_doubt(ready())), wait(NOW + RECHECK, "paused: TEA-2, recalled by its maker")),
        (paused(snoozed(queued(ready()))), asleep),
        // Asking sends nothing.
        (paused(in_doubt(held())), Verdict::Send { may_send: false }),
    ] {
        assert_eq!(judge(&facts, NOW), expected, "{facts:?}");
    }
    let over = Facts { snoozed_until: Some(NOW), ..queued(ready()) };
    assert_eq!(judge(&over, NOW), Verdict::Send { may_send: true });
}

#[test]
fn a_recall_is_made_while_there_is_a_reason_and_until_an_unanswered_one_is_answered() {
    for from in [RecallsFrom::Accepted, RecallsFrom::Fulfilled] {
        assert_eq!(judge(&recalling(held(), from, false), NOW), Verdict::Recall);
        assert_eq!(judge(&recalling(refunded(), from, true), NOW), Verdict::Recall);
        assert_eq!(judge(&recalling(ready(), from, true), NOW), Verdict::Recall);
        let back = judge(&recalling(ready(), from, false), NOW);
        assert!(matches!(back, Verdict::Return { to, .. } if to == from), "{back:?}");
    }
}

#[test]
fn there_is_a_reason_to_recall_what_must_not_leave() {
    let less = LineFacts { is_left: true, has_shipped: false, is_less_than_sent: true };
    for (facts, from_accepted, from_fulfilled) in [
        (queued(ready()), None, None),
        (queued(refunded()), Some("refunded"), Some("refunded")),
        (queued(held()), Some("on hold: review"), Some("on hold: review")),
        (queued(order(PaymentStatus::Paid, &["refund"])), None, None),
        (queued(order(PaymentStatus::Paid, &["refund_failed"])), None, None),
        (
            queued(order(PaymentStatus::Paid, &["operator", "refund"])),
            Some("on hold: operator"),
            Some("on hold: operator"),
        ),
        (Facts { called_off: Some("a fraud".into()), ..queued(ready()) }, Some("a fraud"), Some("a fraud")),
        (
            Facts { lines: less, ..queued(ready()) },
            Some("less of it is to be sent than was handed over"),
            None,
        ),
    ] {
        assert_eq!(why_to_recall(&facts, RecallsFrom::Accepted).as_deref(), from_accepted, "{facts:?}");
        assert_eq!(why_to_recall(&facts, RecallsFrom::Fulfilled).as_deref(), from_fulfilled, "{facts:?}");
    }
}

#[test]
fn only_what_was_sent_and_has_not_left_can_be_recalled() {
    let at = |state| Facts { state, ..queued(held()) };
    for state in [State::Queued, State::InProgress, State::Recalling, State::Rejected, State::Failed] {
        assert_eq!(recallable(&at(state)), None, "{state}");
    }
    assert_eq!(recallable(&at(State::Accepted)), Some(RecallsFrom::Accepted));
    assert_eq!(recallable(&at(State::Fulfilled)), Some(RecallsFrom::Fulfilled));
    assert_eq!(recallable(&Facts { is_on_its_way: true, ..at(State::Fulfilled) }), None);
    assert_eq!(
        recallable(&Facts { is_on_its_way: true, ..at(State::Accepted) }),
        Some(RecallsFrom::Accepted)
    );
    let asked = Some(RecallOutcome::Unanswered);
    let again = recallable(&Facts { recall_outcome: asked, ..at(State::Accepted) });
    assert_eq!(again, Some(RecallsFrom::Accepted));
    for asked in [RecallOutcome::TooLate, RecallOutcome::NotOffered] {
        assert_eq!(recallable(&Facts { recall_outcome: Some(asked), ..at(State::Accepted) }), None);
    }
}

#[test]
fn what_was_sent_while_its_order_was_stopped_is_recalled_at_once() {
    let receipt = Receipt::named("W-1");
    let accepted = Next::Accepted { receipt: receipt.clone() };
    let fulfilled = Next::Fulfilled { receipt };
    let retried = Next::Queued { at: NOW, reason: "busy".into() };

    for next in [&accepted, &fulfilled, &retried] {
        assert_eq!(&or_recalled(next.clone(), &queued(ready()), NOW), next);
    }
    assert_eq!(or_recalled(retried.clone(), &queued(held()), NOW), retried);
    let on_its_way = Facts { is_on_its_way: true, ..queued(held()) };
    assert_eq!(or_recalled(fulfilled.clone(), &on_its_way, NOW), fulfilled);
    for (next, from) in [(accepted, RecallsFrom::Accepted), (fulfilled, RecallsFrom::Fulfilled)] {
        let expected = Next::Recalling { at: NOW, from, reason: "on hold: review".into() };
        assert_eq!(or_recalled(next, &queued(held()), NOW), expected);
    }
}

fn tried(tries: i32, age: Duration) -> Tried {
    Tried { tries, since: NOW - age, may_send: true }
}

#[test]
fn business_answers_end_it_and_technical_ones_are_retried_until_the_series_is_too_old() {
    let after = |outcome: &Outcome, tried: Tried| after(outcome, &tried, &POLICY, 1.0, NOW);
    let not_done = Outcome::NotDone { why: "refused".into(), retry_after: None };
    let unknown = Outcome::Unknown { why: "timed out".into(), retry_after: None };

    for tried in [tried(1, Duration::ZERO), tried(60, HOUR * 2)] {
        let receipt = Receipt::named("W-1");
        let fulfilled = Outcome::Fulfilled(receipt.clone());
        assert_eq!(after(&fulfilled, tried), Next::Fulfilled { receipt: receipt.clone() });
        let accepted = Outcome::Accepted(receipt.clone());
        assert_eq!(after(&accepted, tried), Next::Accepted { receipt });
        let rejected = Outcome::Rejected { why: "bad address".into() };
        assert_eq!(after(&rejected, tried), Next::Rejected { reason: "bad address".into() });
    }
    let at = NOW + Duration::from_secs(20);
    assert_eq!(after(&not_done, tried(2, HOUR)), Next::Queued { at, reason: "refused".into() });
    assert_eq!(after(&unknown, tried(2, HOUR)), Next::Queued { at, reason: "timed out".into() });
    let old = tried(12, HOUR + Duration::from_secs(1));
    let reason = "gave up after 12 attempts in 1h 1s; the last: refused".to_owned();
    assert_eq!(after(&not_done, old), Next::Failed { reason });
    let reason =
        "gave up after 12 attempts in 1h 1s; the last: the provider may have it; timed out".to_owned();
    assert_eq!(after(&unknown, old), Next::Failed { reason });
    let often = tried(50, Duration::from_secs(9));
    let reason = "gave up after 50 attempts in 9s; the last: refused".to_owned();
    assert_eq!(after(&not_done, often), Next::Failed { reason });
}

#[test]
fn questions_do_not_end_a_series_by_their_number_but_by_its_age() {
    let unknown = Outcome::Unknown { why: "timed out".into(), retry_after: None };
    let only_asked = |age| Tried { may_send: false, ..tried(900, age) };

    let young = after(&unknown, &only_asked(HOUR), &POLICY, 1.0, NOW);
    assert!(matches!(young, Next::Queued { .. }), "{young:?}");
    let old = after(&unknown, &only_asked(HOUR * 2), &POLICY, 1.0, NOW);
    assert!(matches!(old, Next::Failed { .. }), "{old:?}");
}

#[test]
fn a_recall_ends_with_the_providers_answer_or_with_its_age() {
    let from = RecallsFrom::Fulfilled;
    let after = |recall: &Recall, tried: Tried| after_recall(recall, from, &tried, &POLICY, 1.0, NOW);
    let young = tried(1, Duration::ZERO);

    let recalled = after(&Recall::Recalled, young);
    assert_eq!(recalled.outcome, Some(RecallOutcome::Recalled));
    assert!(matches!(recalled.next, Next::Queued { at, .. } if at == NOW), "{recalled:?}");
    for (answer, outcome, words) in [
        (Recall::TooLate { why: "410".into() }, RecallOutcome::TooLate, "too late to recall it: 410"),
        (Recall::NotOffered, RecallOutcome::NotOffered, "could not be recalled"),
        (Recall::Absent, RecallOutcome::NotOffered, "could not be recalled"),
    ] {
        let after = after(&answer, young);
        assert_eq!(after.outcome, Some(outcome), "{answer:?}");
        assert!(matches!(after.next, Next::Returned { to, .. } if to == from), "{answer:?}");
        assert!(after.next.reason().unwrap().starts_with(words), "{answer:?}");
    }
    let unclear = Recall::Unclear { why: "timed out".into(), retry_after: None };
    let again = Next::Recalling { at: NOW + Duration::from_secs(10), from, reason: "timed out".into() };
    assert_eq!(after(&unclear, young), AfterRecall { next: again, outcome: None });
    let gave_up = after(&unclear, tried(9, HOUR * 2));
    assert_eq!(gave_up.outcome, Some(RecallOutcome::Unanswered));
    assert!(matches!(gave_up.next, Next::Returned { .. }));
    assert!(gave_up.next.reason().unwrap().starts_with("the provider never said whether it stops"));
    // Gone after an unanswered recall: that one worked.
    assert_eq!(Recall::Absent.after_doubt(), Recall::Recalled);
    assert_eq!(Recall::NotOffered.after_doubt(), Recall::NotOffered);
}

#[test]
fn what_a_dead_worker_left_is_taken_over_at_once_unless_it_kills_them_all() {
    let after = |from, tried| after_death("it died", from, &tried, &POLICY, NOW);
    let young = tried(1, Duration::from_secs(25));
    let deadly = tried(50, Duration::from_secs(25));
    let from = RecallsFrom::Accepted;

    assert_eq!(after(None, young), Next::Queued { at: NOW, reason: "it died".into() });
    assert_eq!(after(Some(from), young), Next::Recalling { at: NOW, from, reason: "it died".into() });
    let reason = after(None, deadly).reason().unwrap().to_owned();
    assert_eq!(reason, "gave up after 50 attempts in 25s; the last: the provider may have it; it died");
    assert!(matches!(after(Some(from), deadly), Next::Returned { .. }));
}

#[test]
fn waits_double_within_half_of_chance_up_to_a_limit() {
    let seconds = |tries, spread| wait(POLICY.base, tries, None, spread).as_secs();

    assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (5, 10));
    assert_eq!((seconds(2, 0.0), seconds(2, 1.0)), (10, 20));
    assert_eq!((seconds(11, 0.0), seconds(11, 1.0)), (5_120, 10_240));
    assert_eq!((seconds(13, 0.0), seconds(13, 1.0)), (10_800, 21_600));
    assert_eq!((seconds(i32::MAX, 1.0), seconds(-1, 1.0)), (21_600, 10));
}

#[test]
fn a_providers_wish_is_heeded_within_an_hour_and_never_shortens_a_wait() {
    let seconds =
        |tries, wish, spread| wait(POLICY.base, tries, Some(Duration::from_secs(wish)), spread).as_secs();

    assert_eq!((seconds(1, 120, 0.0), seconds(1, 120, 1.0)), (120, 132));
    assert_eq!(seconds(1, 1, 1.0), 10);
    assert_eq!(seconds(1, u64::MAX, 0.0), 3_600);
}
