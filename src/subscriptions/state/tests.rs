use proptest::prelude::*;

use super::*;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second).unwrap()
}

fn facts(status: &str) -> Facts {
    Facts { status: status.to_owned(), ..Facts::default() }
}

fn source(told_as: &str, second: i64, id: usize) -> Source {
    Source { told_as: format!("customer.subscription.{told_as}"), at: at(second), by: format!("evt_{id}") }
}

fn known(status: &str, told_as: &str, second: i64) -> Known {
    Known { facts: facts(status), source: source(told_as, second, 0) }
}

#[test]
fn an_update_that_comes_before_the_creation_counts() {
    let mut subscription = known("active", "updated", 10);

    assert!(subscription.hear(&facts("incomplete"), &source("created", 10, 9)).is_some());
    assert_eq!(subscription.facts.status, "active");
}

#[test]
fn what_is_over_stays_over() {
    let mut subscription = known("active", "updated", 10);

    assert_eq!(subscription.hear(&facts("canceled"), &source("deleted", 10, 1)), None);
    assert!(subscription.hear(&facts("active"), &source("updated", 11, 2)).is_some());
    subscription.ask(&facts("active"));
    assert_eq!(subscription.facts.status, "canceled");
}

#[test]
fn what_we_saw_counts_until_the_next_event() {
    let mut subscription = known("past_due", "updated", 10);

    subscription.ask(&facts("active"));
    assert_eq!((subscription.facts.status.as_str(), subscription.source.by.as_str()), ("active", ASKED));
    assert!(subscription.hear(&facts("incomplete"), &source("created", 9, 1)).is_some(), "it is older");
    assert_eq!(subscription.hear(&facts("past_due"), &source("updated", 11, 2)), None);
}

#[test]
fn access_follows_the_status() {
    for (status, granted) in [
        ("trialing", true),
        ("active", true),
        ("past_due", true),
        ("incomplete", false),
        ("incomplete_expired", false),
        ("unpaid", false),
        ("paused", false),
        ("canceled", false),
        ("something_new", false),
    ] {
        let (access, why) = access(Some(&facts(status)));
        assert_eq!(access == Access::Granted, granted, "{status}: {why}");
    }
    assert_eq!(access(None).0, Access::Revoked);
}

#[test]
fn each_refusal_says_what_to_do() {
    for (asked, status, code, advice) in [
        (Asked::Pause, "canceled", "subscription_over", "make a new subscription"),
        (Asked::Resume, "canceled", "subscription_over", "cannot be resumed"),
        (Asked::Change, "incomplete_expired", "subscription_over", "cannot be changed"),
        (Asked::Pause, "paused", "subscription_paused", "paused already"),
        (Asked::CancelAtPeriodEnd, "incomplete", "subscription_incomplete", "cancel it now"),
    ] {
        let May::Not(found, why) = may(asked, "sub_1", &facts(status)) else { panic!("{asked:?} {status}") };
        assert_eq!(found, code, "{asked:?} {status}");
        assert!(why.contains(advice) && why.starts_with("sub_1 "), "{why}");
    }
    assert_eq!(may(Asked::CancelNow, "sub_1", &facts("canceled")), May::IsSo);
    assert_eq!(may(Asked::Resume, "sub_1", &facts("active")), May::IsSo);
    assert_eq!(may(Asked::Resume, "sub_1", &facts("paused")), May::Ask);
}

#[test]
fn a_schedule_keeps_the_subscription_that_it_became() {
    let schedule = |status: &str, subscription: Option<&str>, second| Schedule {
        status: status.to_owned(),
        subscription: subscription.map(str::to_owned),
        customer: None,
        starts_at: None,
        source: Source { told_as: "subscription_schedule.updated".into(), at: at(second), by: "evt".into() },
    };
    let (waits, runs, over) = (
        schedule("not_started", None, 10),
        schedule("active", Some("sub_1"), 20),
        schedule("completed", None, 30),
    );
    for order in
        [[&waits, &runs, &over], [&over, &runs, &waits], [&runs, &over, &waits], [&over, &waits, &runs]]
    {
        let mut known = order[0].clone();
        known.hear(order[1]);
        known.hear(order[2]);
        assert_eq!((known.status.as_str(), known.subscription.as_deref()), ("completed", Some("sub_1")));
    }
}

proptest! {
    #[test]
    fn any_order_of_arrival_and_any_duplicates_end_in_the_same_subscription(
        snapshots in prop::collection::vec((0..8_usize, 0..4_usize, 10..14_i64, 0..3_i64), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 8),
        twice in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        const TYPES: [&str; 4] = ["created", "updated", "deleted", "trial_will_end"];
        let snapshots: Vec<(Facts, Source)> = snapshots
            .into_iter()
            .enumerate()
            .map(|(id, (status, kind, second, period))| {
                let facts = Facts {
                    latest_invoice: Some(format!("in_{id}")),
                    current_period_end: Some(at(100 * period)),
                    ..facts(STATUSES[status])
                };
                (facts, source(TYPES[kind], second, id))
            })
            .collect();
        let mut shuffled = snapshots.clone();
        for (at, other) in order.iter().enumerate().take(snapshots.len()) {
            shuffled.swap(at, other.index(snapshots.len()));
        }
        shuffled.extend(twice.iter().map(|index| index.get(&snapshots).clone()));
        let end = |snapshots: &[(Facts, Source)]| {
            let (facts, source) = snapshots[0].clone();
            let mut known = Known { facts, source };
            for (facts, source) in &snapshots[1..] {
                known.hear(facts, source);
            }
            known
        };

        prop_assert_eq!(end(&snapshots), end(&shuffled));
    }
}
