use super::super::order::{Line, LineKind};
use super::super::state::HoldState;
use super::*;
use crate::money::{Currency, Money};
use crate::orders::{Origin, PaymentStatus};

fn line(sku: &str) -> Line {
    Line {
        kind: LineKind::Goods,
        sku: sku.to_owned(),
        description: None,
        quantity: 2,
        unit_amount: 500,
        amount: 1000,
        refunded: 0,
    }
}

fn known(skus: &[&str]) -> KnownLines {
    KnownLines { lines: skus.iter().map(|sku| line(sku)).collect(), ..KnownLines::default() }
}

fn told(skus: &[&str]) -> ToldLines {
    ToldLines { lines: skus.iter().map(|sku| line(sku)).collect(), ..ToldLines::default() }
}

fn queued() -> OrderFacts {
    OrderFacts {
        id: uuid::Uuid::nil(),
        origin: Origin::Invoice,
        total: Money { amount: 2000, currency: Currency::parse("usd").unwrap() },
        to_capture: None,
        payment: PaymentStatus::Paid,
        fulfilment: FulfilmentStatus::Queued,
        money: BTreeSet::new(),
        holds: std::collections::BTreeMap::new(),
        has_invoice: true,
        details: super::super::state::Details::default(),
        learnt: None,
        merged_into: None,
    }
}

/// Whether they are written, what the history says, and whether the order is split anew.
fn taught(facts: &OrderFacts, known: &KnownLines, told: &ToldLines) -> (bool, String, bool) {
    let lesson = learn(facts, known, told, "in_1", (None, OffsetDateTime::UNIX_EPOCH));
    let note = lesson.note.and_then(|moved| moved.reason).unwrap_or_default();
    (lesson.is_written, note, lesson.consequence.is_some())
}

#[test]
fn what_was_not_handed_over_learns_and_is_split_anew() {
    for before in [&[][..], &["price_a"], &["price_a", "B"]] {
        let (is_written, note, is_planned) = taught(&queued(), &known(before), &told(&["A", "B", "C"]));
        assert!(is_written && is_planned, "{before:?}");
        assert_eq!(note, "its lines are known from in_1: 3");
    }
}

#[test]
fn what_is_told_again_and_what_is_cut_shorter_than_what_is_known_teaches_nothing() {
    let cut = ToldLines { is_cut: true, ..told(&["X"]) };
    for told in [told(&["A", "B"]), told(&[]), cut] {
        assert_eq!(taught(&queued(), &known(&["A", "B"]), &told), (false, String::new(), false));
    }
}

#[test]
fn what_was_handed_over_stays_and_its_history_says_so() {
    let sent = |skus| KnownLines { is_handed_over: true, ..known(skus) };

    let (is_written, note, is_planned) = taught(&queued(), &sent(&["price_a"]), &told(&["A"]));
    assert!(!is_written && !is_planned);
    assert_eq!(note, "in_1 tells other lines than are known; they stay: it was handed over with them");

    let (is_written, note, is_planned) = taught(&queued(), &sent(&[]), &told(&["A"]));
    assert!(is_written && !is_planned);
    assert_eq!(note, "its lines are known from in_1, after it was handed over without them");
}

#[test]
fn lines_stay_where_a_person_let_them_go_refunds_count_by_them_or_nothing_is_to_be_sent() {
    let key = (HoldKind::IncompleteLines, WHOLE_ORDER.to_owned());
    let released = HoldState::Released { reason: "r".into(), because: "b".into(), by: Some("mia".into()) };
    let mut let_go = queued();
    let_go.holds.insert(key, released);
    let cancelled = OrderFacts { fulfilment: FulfilmentStatus::Cancelled, ..queued() };
    let mut refunded = known(&["price_a"]);
    refunded.lines[0].refunded = 1;

    for (facts, known, why) in [
        (&let_go, known(&["price_a"]), "a person let it go with them"),
        (&cancelled, known(&["price_a"]), "nothing of it is to be sent"),
        (&queued(), refunded.clone(), "refunds count by them"),
    ] {
        let (is_written, note, is_planned) = taught(facts, &known, &told(&["A", "B"]));
        assert!(!is_written && !is_planned && note.ends_with(why), "{note}");
    }
    // Lines that only join them are no harm.
    assert!(taught(&queued(), &refunded, &told(&["price_a", "B"])).0);
}

#[test]
fn the_hold_for_missing_lines_begins_and_ends_with_what_is_known() {
    let cut = ToldLines { is_cut: true, ..told(&["A"]) };
    let now = OffsetDateTime::UNIX_EPOCH;
    let opened = learn(&queued(), &known(&[]), &cut, "in_1", (None, now)).hold.unwrap();
    assert_eq!((opened.kind, opened.ended.as_deref()), (HoldKind::IncompleteLines, None));

    let mut held = queued();
    let key = (HoldKind::IncompleteLines, WHOLE_ORDER.to_owned());
    held.holds.insert(key, HoldState::Open { reason: opened.reason });
    let ended = learn(&held, &known(&["A"]), &told(&["A", "B"]), "in_1", (None, now)).hold.unwrap();
    assert_eq!(ended.ended.as_deref(), Some("Stripe tells all its lines: 2"));
    // Also where nothing was missing after all.
    assert!(learn(&held, &known(&["A"]), &told(&["A"]), "in_1", (None, now)).hold.is_some());
    assert_eq!(learn(&queued(), &known(&["A"]), &told(&["A", "B"]), "in_1", (None, now)).hold, None);
}
