use proptest::prelude::*;

use super::*;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second).unwrap()
}

fn now() -> OffsetDateTime {
    at(1_000)
}

fn snapshot(state: QuoteState) -> Snapshot {
    let is = |wanted: &[QuoteState]| wanted.contains(&state);
    let is_finalized = is(&[QuoteState::Open, QuoteState::Accepted, QuoteState::Cancelled]);
    let is_accepted = is(&[QuoteState::Accepted]);
    Snapshot {
        stripe_id: "qt_1".into(),
        state,
        ours: None,
        terms: Terms { amount_total: Some(15_000), expires_at: Some(at(500)), ..Terms::default() },
        marks: Marks {
            number: is_finalized.then(|| "QT-1".into()),
            invoice: is_accepted.then(|| "in_1".into()),
            finalized_at: is_finalized.then(|| at(200)),
            accepted_at: is_accepted.then(|| at(300)),
            cancelled_at: is(&[QuoteState::Cancelled]).then(|| at(300)),
            ..Marks::default()
        },
        lines: Lines::Untold,
    }
}

fn event(id: &str) -> Source<'_> {
    Source::Event { id, created_at: Some(at(100)) }
}

#[test]
fn an_earlier_state_never_undoes_a_later_one_whoever_tells_it() {
    use QuoteState::{Accepted, Cancelled, Draft, Open};
    for (known, told, moved_by_event, moved_by_answer) in [
        (Draft, Open, true, true),
        (Draft, Draft, false, true),
        (Open, Draft, false, false),
        (Open, Open, false, true),
        (Open, Accepted, true, true),
        (Open, Cancelled, true, true),
        (Accepted, Open, false, false),
        (Accepted, Cancelled, false, false),
        (Cancelled, Open, false, false),
    ] {
        for (source, is_moved) in [
            (event("evt_2"), moved_by_event),
            (Source::Look, moved_by_answer),
            (Source::Answer, moved_by_answer),
        ] {
            let mut quote = Known::new();
            quote.hear(&snapshot(known), event("evt_1"), now());

            let why_not = quote.hear(&snapshot(told), source, now());

            assert_eq!(why_not.is_none(), is_moved, "{known} told {told} by {source:?}");
            assert_eq!(quote.state, if is_moved { told } else { known });
        }
    }
}

#[test]
fn a_draft_is_as_our_last_call_made_it() {
    let mut quote = Known::new();
    let mut revised = snapshot(QuoteState::Draft);
    revised.terms.amount_total = Some(9_000);

    assert!(quote.hear(&snapshot(QuoteState::Draft), Source::Answer, now()).is_none());
    assert!(quote.hear(&revised, Source::Answer, now()).is_none());
    assert!(quote.hear(&snapshot(QuoteState::Draft), event("evt_created"), now()).is_some());

    assert_eq!(quote.terms.amount_total, Some(9_000));
}

#[test]
fn a_look_is_asked_for_where_lines_are_not_known_or_may_have_changed() {
    use QuoteState::{Accepted, Cancelled, Draft, Open};
    let lines = || Lines::Whole(Vec::new());
    let known = |state, lines| {
        let mut quote = Known::new();
        quote.hear(&Snapshot { lines, ..snapshot(state) }, Source::Answer, now());
        quote.look = None;
        quote
    };
    for (mut quote, told, lines, source, asked) in [
        (Known::new(), Draft, Lines::Untold, event("evt_1"), Some(true)),
        (Known::new(), Draft, lines(), Source::Answer, Some(false)),
        (Known::new(), Draft, Lines::Cut, Source::Answer, Some(true)),
        (known(Draft, lines()), Open, Lines::Untold, event("evt_1"), Some(true)),
        (known(Draft, lines()), Cancelled, Lines::Untold, Source::Answer, None),
        (known(Open, lines()), Accepted, Lines::Untold, event("evt_1"), None),
        (known(Open, lines()), Accepted, Lines::Untold, Source::Answer, None),
        (known(Open, Lines::Untold), Accepted, Lines::Untold, Source::Answer, Some(true)),
        (known(Open, lines()), Draft, Lines::Cut, Source::Answer, None),
        (known(Draft, Lines::Untold), Draft, lines(), Source::Look, Some(false)),
    ] {
        let before = format!("{:?} {:?}", quote.state, quote.lines);

        quote.hear(&Snapshot { lines: lines.clone(), ..snapshot(told) }, source, now());

        assert_eq!(quote.look, asked, "{before} told {told} with {lines:?} by {source:?}");
        assert!(
            lines != Lines::Cut || asked.is_none() || quote.lines.is_none(),
            "no part stands for the whole"
        );
    }
}

#[test]
fn a_quote_that_was_cancelled_says_whether_its_time_was_over() {
    let mut called_off = Known::new();
    called_off.hear(&snapshot(QuoteState::Cancelled), event("evt_1"), now());
    assert_eq!(called_off.reason.as_deref(), Some("it was called off"));

    let mut told = snapshot(QuoteState::Cancelled);
    told.marks.cancelled_at = Some(at(500));
    let mut expired = Known::new();
    expired.hear(&told, event("evt_1"), now());
    assert_eq!(expired.reason.as_deref(), Some("its time was over"));
}

#[test]
fn a_quote_whose_time_is_over_cannot_be_accepted_any_more() {
    let mut quote = Known::new();
    quote.hear(&snapshot(QuoteState::Open), event("evt_1"), now());

    assert!(!quote.is_expired(at(499)));
    assert!(quote.is_expired(at(500)));
    quote.hear(&snapshot(QuoteState::Accepted), event("evt_2"), now());
    assert!(!quote.is_expired(at(501)));
}

proptest! {
    #[test]
    fn any_order_of_events_and_answers_ends_in_the_same_quote(
        told in prop::collection::vec((0..4_usize, any::<bool>()), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let states = [QuoteState::Draft, QuoteState::Open, QuoteState::Cancelled, QuoteState::Accepted];
        let told: Vec<_> = told.into_iter().map(|(state, is_event)| (snapshot(states[state]), is_event)).collect();
        let mut shuffled = told.clone();
        for (at, other) in order.iter().enumerate().take(told.len()) {
            shuffled.swap(at, other.index(told.len()));
        }
        let end = |told: &[(Snapshot, bool)]| {
            let mut quote = Known::new();
            for (snapshot, is_event) in told {
                quote.hear(snapshot, if *is_event { event("evt_1") } else { Source::Answer }, now());
            }
            (quote.state, quote.terms, quote.marks)
        };

        prop_assert_eq!(end(&told), end(&shuffled));
    }
}
