use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;

use super::*;

const T0: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn pieces(text: &str) -> Pieces {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('x').unwrap());
    pairs.map(|(position, quantity)| (position.parse().unwrap(), quantity.parse().unwrap())).collect()
}

/// An event at minute `at`, about an order of two pieces of line 1 and one of line 2.
fn told(id: &str, kind: EventKind, at: i64) -> Told {
    Told {
        id: id.to_owned(),
        round: 1,
        kind,
        occurred_at: T0 + Duration::minutes(at),
        shipment: None,
        tracking: None,
        pieces: None,
        wanted: pieces("1x2 2x1"),
        reason: None,
        reference: None,
    }
}

fn of(told: Told, shipment: &str, held: &str) -> Told {
    let shipment = (!shipment.is_empty()).then(|| shipment.to_owned());
    let held = (!held.is_empty()).then(|| pieces(held));
    Told { shipment, pieces: held, ..told }
}

fn lines(refunded: i64, answered: i64) -> Vec<PartLine> {
    let line = |position, quantity| PartLine { position, quantity, ..PartLine::default() };
    vec![
        PartLine { refunded, answered, sku: "TEA".to_owned(), ..line(1, 2) },
        PartLine { answered: answered.min(1), sku: "CUP".to_owned(), ..line(2, 1) },
    ]
}

fn standing(events: &[Told]) -> Standing {
    Progress::of(events, 1).standing(&lines(0, 0))
}

/// Name and content of each parcel.
fn held(events: &[Told]) -> Vec<(String, Pieces)> {
    Progress::of(events, 1).parcels.into_iter().map(|parcel| (parcel.name, parcel.pieces)).collect()
}

use EventKind::{Accepted, Delivered, Failed, Returned, Shipped};

#[test]
fn all_is_shipped_when_the_parcels_hold_all_that_was_to_be_sent() {
    let first = of(told("e1", Shipped, 1), "A", "1x1");
    let second = of(told("e2", Shipped, 2), "B", "1x1 2x1");
    let rest = told("e3", Shipped, 3);

    assert_eq!(standing(&[]), Standing::Silent);
    assert_eq!(standing(&[told("e0", Accepted, 0)]), Standing::Known);
    assert_eq!(standing(std::slice::from_ref(&first)), Standing::Known);
    assert_eq!(standing(&[first.clone(), second]), Standing::AllShipped);
    assert_eq!(standing(&[first.clone(), rest.clone()]), Standing::AllShipped);
    assert_eq!(held(&[first.clone(), rest]), [("A".into(), pieces("1x1")), ("e3".into(), pieces("1x1 2x1"))]);
    // What was taken back need not be sent any more.
    let partly = of(told("e2", Shipped, 2), "B", "2x1");
    assert_eq!(Progress::of(&[first, partly], 1).standing(&lines(1, 0)), Standing::AllShipped);
}

#[test]
fn what_is_told_of_one_parcel_twice_is_one_parcel() {
    let number = |told: Told| {
        let tracking = Tracking { number: Some("123".to_owned()), ..Tracking::default() };
        Told { tracking: Some(tracking), ..told }
    };
    for (events, expected) in [
        (vec![of(told("e1", Shipped, 1), "A", "1x1"), of(told("e2", Shipped, 2), "A", "1x1")], "A 1x1"),
        (vec![number(of(told("e1", Shipped, 1), "A", "1x1")), number(told("e2", Delivered, 2))], "A 1x1"),
        (vec![number(of(told("e1", Shipped, 1), "", "1x1")), number(told("e2", Delivered, 2))], "123 1x1"),
        (vec![of(told("e1", Shipped, 1), "", "1x1"), told("e2", Delivered, 2)], "e1 1x1"),
        (vec![of(told("sha256:1", Shipped, 1), "", "1x1"), told("sha256:2", Delivered, 2)], "1 1x1"),
        (
            vec![of(told("sha256:1", Shipped, 1), "", "1x1"), of(told("sha256:2", Shipped, 2), "", "2x1")],
            "1 1x1 2x1",
        ),
    ] {
        let (name, holds) = expected.split_once(' ').unwrap();
        assert_eq!(held(&events), [(name.to_owned(), pieces(holds))], "{events:?}");
    }
    // Two events that the provider tells apart are two parcels.
    let two = [of(told("e1", Shipped, 1), "", "1x1"), of(told("e2", Shipped, 2), "", "1x1")];
    assert_eq!(held(&two).len(), 2);
}

#[test]
fn a_parcel_that_arrived_or_came_back_had_left() {
    let arrived = Progress::of(&[of(told("e1", Delivered, 5), "A", "1x2")], 1);
    let back = Progress::of(&[told("e1", Returned, 5)], 1);

    assert_eq!(
        (arrived.shipped.clone(), arrived.parcels[0].shipped_at),
        (pieces("1x2"), Some(T0 + Duration::minutes(5)))
    );
    assert_eq!(arrived.standing(&lines(0, 0)), Standing::Known);
    assert_eq!((back.shipped.clone(), back.returned.clone()), (pieces("1x2 2x1"), pieces("1x2 2x1")));
    assert_eq!(back.standing(&lines(0, 0)), Standing::AllShipped);
}

#[test]
fn pieces_that_came_back_are_counted_by_parcel_where_that_is_known() {
    let a = of(told("e1", Shipped, 1), "A", "1x2");
    let b = of(told("e2", Shipped, 2), "B", "2x1");

    let some = Progress::of(&[a.clone(), b.clone(), of(told("e3", Returned, 3), "A", "1x1")], 1);
    assert_eq!((some.parcels[0].returned.clone(), some.returned), (pieces("1x1"), pieces("1x1")));
    let whole = Progress::of(&[a.clone(), b.clone(), of(told("e3", Returned, 3), "B", "")], 1);
    assert_eq!((whole.parcels[1].returned.clone(), whole.returned), (pieces("2x1"), pieces("2x1")));
    let loose = Progress::of(&[a.clone(), b.clone(), of(told("e3", Returned, 3), "", "1x1")], 1);
    assert_eq!((loose.parcels[0].returned.clone(), loose.returned), (pieces(""), pieces("1x1")));
    let all = Progress::of(&[a, b, told("e3", Returned, 3)], 1);
    assert_eq!(all.returned, pieces("1x2 2x1"));
}

#[test]
fn a_failure_stands_unless_all_left_or_something_leaves_after_it() {
    let failed = |at| Told { reason: Some("no such street".to_owned()), ..told("f", Failed, at) };
    let stands = Standing::Failed { reason: "no such street".to_owned() };
    let part = |at| of(told("e1", Shipped, at), "A", "1x1");

    assert_eq!(standing(&[failed(5)]), stands);
    assert_eq!(standing(&[part(3), failed(5)]), stands);
    assert_eq!(standing(&[part(7), failed(5)]), Standing::Known);
    assert_eq!(standing(&[told("e1", Shipped, 3), failed(5)]), Standing::AllShipped);
    // Of an earlier round it says nothing about the present one; parcels do.
    let events = [part(3), failed(5)];
    assert_eq!(Progress::of(&events, 2).standing(&lines(0, 0)), Standing::Silent);
    assert_eq!(Progress::of(&events, 2).shipped, pieces("1x1"));
}

#[test]
fn what_the_answer_covered_counts_as_shipped_unless_it_failed() {
    let lines = lines(0, 2);
    let shipped = |events: &[Told]| {
        let progress = Progress::of(events, 1);
        lines.iter().map(|line| progress.shipped_of(line)).collect::<Vec<_>>()
    };

    assert_eq!(shipped(&[]), [2, 1]);
    assert_eq!(shipped(&[of(told("e1", Shipped, 1), "A", "1x1")]), [2, 1]);
    assert_eq!(shipped(&[of(told("e1", Shipped, 1), "A", "1x3")]), [3, 1]);
    assert_eq!(shipped(&[of(told("e1", Shipped, 1), "A", "1x1"), told("e2", Failed, 2)]), [1, 0]);
}

#[test]
fn more_than_was_bought_is_taken_and_said() {
    let progress = Progress::of(&[of(told("e1", Shipped, 1), "A", "1x5 2x1")], 1);

    let said = progress.excess(&lines(0, 0)).unwrap();

    assert_eq!(said, "more was shipped than was to be: 5 of TEA, where 2 were to be sent");
    assert_eq!(progress.standing(&lines(0, 0)), Standing::AllShipped);
}

fn any_told() -> impl Strategy<Value = Told> {
    let kind = prop::sample::select(vec![Accepted, Shipped, Shipped, Delivered, Failed, Returned]);
    let name = prop::sample::select(vec!["", "", "A", "B"]);
    let number = prop::sample::select(vec!["", "", "A", "N"]);
    let held = prop::sample::select(vec!["", "", "1x1", "1x2", "2x1", "1x1 2x1", "1x9"]);
    (0..20_u8, kind, 0..6_i64, name, number, held, 1..3_i32).prop_map(
        |(id, kind, at, name, number, held, round)| {
            // Half of the ids are digests.
            let id = if id % 2 == 0 { format!("{DIGEST}{id}") } else { format!("e{id}") };
            let tracking = Tracking { number: Some(number.to_owned()), ..Tracking::default() };
            let tracking = (!number.is_empty()).then_some(tracking);
            Told { round, tracking, ..of(told(&id, kind, at), name, held) }
        },
    )
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_end_in_the_same(
        (events, shuffled) in prop::collection::vec(any_told(), 0..8).prop_flat_map(|mut events| {
            // An id is one event's.
            events.sort_by(|a, b| a.id.cmp(&b.id));
            events.dedup_by(|a, b| a.id == b.id);
            let twice: Vec<Told> = events.iter().cloned().cycle().take(events.len() * 2).collect();
            (Just(events), Just(twice).prop_shuffle())
        })
    ) {
        for round in 1..3 {
            let once = Progress::of(&events, round);
            prop_assert_eq!(&once, &Progress::of(&shuffled, round));
            // No parcel is told of and lost, and the lines are the sum of the parcels.
            for line in lines(0, 0) {
                let in_parcels: i64 = once.parcels.iter().filter_map(|parcel| parcel.pieces.get(&line.position)).sum();
                prop_assert_eq!(in_parcels, once.shipped.get(&line.position).copied().unwrap_or_default());
            }
        }
    }
}
