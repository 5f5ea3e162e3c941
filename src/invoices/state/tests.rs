use proptest::prelude::*;

use super::*;
use crate::money::Currency;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second).unwrap()
}

fn facts(status: Status, amount: i64, attempts: i64) -> Facts {
    Facts {
        status,
        number: None,
        billing_reason: None,
        collection_method: Some("send_invoice".into()),
        customer: None,
        customer_email: None,
        subscription: None,
        quote: None,
        currency: Currency::parse("usd").unwrap(),
        amount_due: amount,
        amount_paid: 0,
        amount_remaining: amount,
        lines: Some(1),
        auto_advance: None,
        automatically_finalizes_at: None,
        attempt_count: attempts,
        next_payment_attempt: None,
        due_date: None,
        period_start: None,
        period_end: None,
        hosted_invoice_url: None,
        invoice_pdf: None,
        created: None,
    }
}

fn source(told_as: &str, second: i64, id: usize) -> Source {
    Source { told_as: format!("invoice.{told_as}"), at: at(second), by: format!("evt_{id}") }
}

#[test]
fn a_draft_follows_its_amounts_until_it_is_finalised() {
    let mut invoice = Known::first(facts(Status::Draft, 1000, 0), source("created", 10, 1));

    assert!(invoice.hear(&facts(Status::Draft, 3000, 0), &source("updated", 12, 3)));
    assert!(!invoice.hear(&facts(Status::Draft, 2000, 0), &source("updated", 11, 2)), "it came late");
    assert_eq!(invoice.facts.amount_due, 3000);
    assert!(invoice.hear(&facts(Status::Open, 3000, 0), &source("finalized", 12, 4)));
    assert!(!invoice.hear(&facts(Status::Draft, 500, 0), &source("updated", 13, 5)), "drafts are over");
}

#[test]
fn what_the_bank_wants_is_noted_whatever_else_counts() {
    let mut invoice = Known::first(facts(Status::Open, 1000, 2), source("payment_failed", 10, 1));

    assert!(
        !invoice.hear(&facts(Status::Open, 1000, 1), &source("payment_action_required", 9, 2)),
        "it is about an earlier try"
    );
    assert_eq!(invoice.action_required_at, Some(at(9)));
}

#[test]
fn an_answer_of_ours_counts_and_the_next_event_does_too() {
    let mut invoice = Known::first(facts(Status::Open, 1000, 0), source("finalized", 10, 1));

    assert!(invoice.ask(&facts(Status::Uncollectible, 1000, 0)));
    assert!(!invoice.ask(&facts(Status::Open, 1000, 0)), "a slow old answer");
    assert!(invoice.hear(&facts(Status::Uncollectible, 1000, 0), &source("marked_uncollectible", 10, 2)));
    assert!(invoice.hear(&facts(Status::Paid, 1000, 0), &source("paid", 10, 3)), "paid after all");
    assert!(!invoice.ask(&facts(Status::Uncollectible, 1000, 0)));
}

#[test]
fn each_refusal_says_what_to_do() {
    let ask = |asked, status| may(asked, "in_1", &facts(status, 1000, 0), false);
    let pay = Asked::Pay { out_of_band: false };
    for (asked, status, code, advice) in [
        (pay, Status::Void, "invoice_void", "make a new invoice"),
        (pay, Status::Paid, "invoice_paid", "nothing was charged again"),
        (Asked::Finalize, Status::Void, "invoice_void", "make a new one"),
        (Asked::Send, Status::Void, "invoice_void", "asks for nothing"),
        (Asked::Void, Status::Draft, "invoice_draft", "deleted in the Dashboard"),
        (Asked::Void, Status::Paid, "invoice_paid", "refund its order"),
        (Asked::MarkUncollectible, Status::Draft, "invoice_draft", "finalise it first"),
    ] {
        let May::Not(found, why) = ask(asked, status) else { panic!("{asked:?} {status}") };
        assert_eq!(found, code, "{asked:?} {status}");
        assert!(why.contains(advice) && why.starts_with("in_1 "), "{why}");
    }
    for (asked, status) in [
        (Asked::Finalize, Status::Open),
        (Asked::Finalize, Status::Paid),
        (Asked::Void, Status::Void),
        (Asked::MarkUncollectible, Status::Uncollectible),
    ] {
        assert_eq!(ask(asked, status), May::IsSo, "{asked:?} {status}");
    }
    let empty = Facts { lines: Some(0), ..facts(Status::Draft, 0, 0) };
    assert!(matches!(may(Asked::Finalize, "in_1", &empty, false), May::Not("invoice_empty", _)));
    assert!(matches!(may(pay, "in_1", &empty, true), May::Not("invoice_deleted", _)));
    let charged =
        Facts { collection_method: Some("charge_automatically".into()), ..facts(Status::Open, 1, 0) };
    assert!(matches!(may(Asked::Send, "in_1", &charged, false), May::Not("invoice_not_sendable", _)));
}

proptest! {
    #[test]
    fn any_order_of_arrival_and_any_duplicates_end_in_the_same_invoice(
        snapshots in prop::collection::vec((0..5_usize, 0..3_i64, 10..14_i64, 0..6_usize), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 8),
        twice in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        const TYPES: [&str; 6] =
            ["created", "updated", "finalized", "payment_failed", "payment_action_required", "deleted"];
        let snapshots: Vec<(Facts, Source)> = snapshots
            .into_iter()
            .enumerate()
            .map(|(id, (status, attempts, second, kind))| {
                (facts(Status::ALL[status], id as i64, attempts), source(TYPES[kind], second, id))
            })
            .collect();
        let mut shuffled = snapshots.clone();
        for (at, other) in order.iter().enumerate().take(snapshots.len()) {
            shuffled.swap(at, other.index(snapshots.len()));
        }
        shuffled.extend(twice.iter().map(|index| index.get(&snapshots).clone()));
        let end = |snapshots: &[(Facts, Source)]| {
            let (facts, source) = snapshots[0].clone();
            let mut known = Known::first(facts, source);
            for (facts, source) in &snapshots[1..] {
                known.hear(facts, source);
            }
            known
        };

        prop_assert_eq!(end(&snapshots), end(&shuffled));
    }
}
