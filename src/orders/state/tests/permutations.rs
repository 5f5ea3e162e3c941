//! Whatever happens to an order, and in whatever order and however often it is heard: it ends the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;

/// One event, and whether it tells that an invoice stands for the order, as `settle` learns it.
#[derive(Clone, Debug)]
struct Told {
    news: News,
    names_invoice: bool,
}

/// All that happens to an order, and the states from which it may begin.
#[derive(Clone, Debug)]
struct Life {
    starts: Vec<OrderFacts>,
    told: Vec<Told>,
}

/// Two ways to hear a life: which start, and the positions of the events.
type Hearing = (Index, Vec<usize>);

/// What must be the same in the end.
#[derive(Debug, PartialEq)]
struct End {
    facts: OrderFacts,
    sums: (i64, i64),
}

fn hear(life: &Life, (start, positions): &Hearing) -> End {
    let mut facts = start.get(&life.starts).clone();
    for &position in positions {
        let Told { news, names_invoice } = &life.told[position];
        facts.has_invoice |= names_invoice;
        facts = facts.transition(news).after;
    }
    // How a hold came to an end, and how the lines were learnt, may differ.
    facts.holds.retain(|_, hold| matches!(hold, HoldState::Open { .. }));
    facts.learnt = None;
    // What was queued for a part that looked like the whole waits in the queue for the rest, or was cancelled when that
    // part went back: nothing is sent, as if it had never been queued.
    if facts.origin == Origin::Invoice && !facts.payment.is_covered() {
        facts.fulfilment = FulfilmentStatus::None;
    }
    End { sums: (facts.amount_paid(), facts.amount_refunded()), facts }
}

/// Every event at least once, some again, in any order.
fn hearing(events: usize) -> impl Strategy<Value = Hearing> {
    let again = vec(0..events, 0..=events);
    let positions = again.prop_flat_map(move |again| {
        let all: Vec<usize> = (0..events).chain(again).collect();
        Just(all).prop_shuffle()
    });
    (any::<Index>(), positions)
}

fn buyer(name: &str) -> Details {
    Details { name: Some(name.to_owned()), ..Details::default() }
}

fn from_buyer(news: News, name: &str) -> News {
    News { details: buyer(name), ..news }
}

/// What happens to one PaymentIntent.
fn payment(intent: &'static str, amounts: &'static [i64]) -> impl Strategy<Value = Vec<News>> {
    let hints = vec(select(&PaymentStatus::ALL[..=PaymentStatus::Cancelled as usize]), 0..4);
    let hints = hints.prop_map(|hints| {
        hints.into_iter().map(|status| from_buyer(hint(status), "Old Name")).collect::<Vec<_>>()
    });
    let success = (select(amounts), prop::bool::weighted(0.05)).prop_map(move |(amount, is_foreign)| {
        let currency = if is_foreign { "eur" } else { "usd" };
        from_buyer(captured_in(currency, intent, amount), "Ada")
    });
    (hints, proptest::option::weighted(0.9, success)).prop_map(|(mut news, success)| {
        news.extend(success);
        news
    })
}

/// Refunds, told one by one or by the charge's sum, some of which fail.
fn refunds() -> impl Strategy<Value = Vec<News>> {
    let amount = || select(&[500, 1000, 2000][..]);
    let one_by_one = (amount(), any::<bool>());
    let charges = vec(amount().prop_map(charge_refunded), 0..2);
    (vec(one_by_one, 0..3), charges).prop_map(|(one_by_one, mut news)| {
        for (position, (amount, fails)) in one_by_one.into_iter().enumerate() {
            let id = format!("re_{position}");
            news.push(refunded(&id, amount));
            news.extend(fails.then(|| reversed(&id, amount)));
        }
        news
    })
}

fn disputes() -> impl Strategy<Value = Vec<News>> {
    let ending = select(&[None, Some(None), Some(Some("won"))][..]);
    ending.prop_map(|ending| match ending {
        None => vec![],
        Some(None) => vec![dispute("du_1", None), money(MoneyKind::DisputeLost, "du_1", ASKED)],
        Some(ended) => vec![dispute("du_1", None), dispute("du_1", ended)],
    })
}

fn afterwards() -> impl Strategy<Value = Vec<News>> {
    (refunds(), disputes()).prop_map(|(refunds, disputes)| [refunds, disputes].concat())
}

fn told(news: Vec<News>, names_invoice: bool) -> impl Iterator<Item = Told> {
    news.into_iter().map(move |news| Told { news, names_invoice })
}

/// A shop's order with up to three PaymentIntents, right ones and wrong ones, and sometimes an invoice.
fn placed() -> impl Strategy<Value = Life> {
    let amounts: &[i64] = &[500, 1000, 1000, 2000, 2000, 2500];
    let payments = (payment("pi_1", amounts), payment("pi_2", amounts), payment("pi_3", amounts));
    let invoice = proptest::option::weighted(0.3, select(&[500, 2000, 2500][..]));
    (payments, 1..=3_usize, afterwards(), invoice).prop_map(|((a, b, c), count, afterwards, invoice)| {
        let payments = [a, b, c].into_iter().take(count).flatten();
        let mut told: Vec<Told> = told(payments.chain(afterwards).collect(), false).collect();
        let paid = invoice.map(|amount| from_buyer(invoice_paid(amount), "Ada"));
        told.extend(paid.map(|news| Told { news, names_invoice: true }));
        Life { starts: vec![order(Origin::Api)], told }
    })
}

/// A PaymentIntent that no order was made for.
fn adopted() -> impl Strategy<Value = Life> {
    (payment("pi_1", &[500, 2000]), afterwards()).prop_map(|(payment, afterwards)| {
        let start = OrderFacts { details: buyer("Ada"), ..order(Origin::PaymentIntent) };
        let success = from_buyer(captured("pi_1", ASKED), "Ada");
        let told = told([payment, afterwards, vec![success]].concat(), false).collect();
        Life { starts: vec![start], told }
    })
}

/// What an invoice says the purchase is.
fn terms(is_paid: bool, amount: i64) -> Option<Terms> {
    Some(Terms { origin: Origin::Invoice, is_paid, total: usd(amount), metadata: Metadata::new() })
}

/// What an invoice says while it is open, at first and after a credit note; with what a failed try said.
fn asked(amount: i64) -> News {
    News { terms: terms(false, amount), ..from_buyer(hint(PaymentStatus::AwaitingPayment), "Ada Lovelace") }
}

/// An invoice that is an order since it was finalised, or whose first payment became one: a credit note makes it ask less,
/// one PaymentIntent or two bring all of it, a part of it or nothing, another is called off, and in the end it is heard to
/// be paid, or is not.
fn finalised() -> impl Strategy<Value = Life> {
    let hints = vec(select(&PaymentStatus::ALL[..=PaymentStatus::Authorised as usize]), 0..3);
    let ending = select(&[Some("paid"), Some("void"), None][..]);
    let intents = (select(&[0, 500, 1500, 2000][..]), any::<bool>());
    (intents, hints, afterwards(), any::<bool>(), ending).prop_map(
        |((first, pays_rest), hints, afterwards, has_credit_note, ending)| {
            let due = if has_credit_note { 1500 } else { ASKED };
            let mut told = vec![asked(ASKED), asked(due)];
            told.extend(hints.into_iter().map(|status| from_buyer(hint(status), "Ada Lovelace")));
            told.push(News { is_of_try: true, ..hint(PaymentStatus::Cancelled) });
            told.extend((first > 0).then(|| from_buyer(captured("pi_1", first), "Ada")));
            told.extend(
                (pays_rest && (1..due).contains(&first))
                    .then(|| from_buyer(captured("pi_2", due - first), "Ada")),
            );
            told.extend(afterwards);
            told.extend(ending.map(|ending| match ending {
                "paid" => News { terms: terms(true, due), ..from_buyer(invoice_paid(due), "Ada Lovelace") },
                _ => hint(PaymentStatus::Cancelled),
            }));
            let from_invoice =
                OrderFacts { details: buyer("Ada Lovelace"), has_invoice: true, ..order(Origin::Invoice) };
            let from_intent =
                OrderFacts { details: buyer("Ada"), total: usd(first), ..order(Origin::PaymentIntent) };
            let mut starts = vec![from_invoice];
            starts.extend((first > 0).then_some(from_intent));
            Life { starts, told: self::told(told, true).collect() }
        },
    )
}

/// An invoice that no order was made for, paid by one PaymentIntent or two, adopted from itself or from the first of
/// these, in the old shape (each names the invoice) or the new (only the link does).
fn invoiced() -> impl Strategy<Value = Life> {
    let hints = vec(select(&PaymentStatus::ALL[..=PaymentStatus::Cancelled as usize]), 0..3);
    (select(&[500, 1500, 2000][..]), hints, afterwards(), any::<bool>()).prop_map(
        |(first, hints, afterwards, is_old)| {
            let paid = News { terms: terms(true, ASKED), ..from_buyer(invoice_paid(ASKED), "Ada Lovelace") };
            let hints = hints.into_iter().map(|status| from_buyer(hint(status), "Old Name")).collect();
            let mut intents = vec![from_buyer(captured("pi_1", first), "Ada")];
            intents.extend((first < ASKED).then(|| from_buyer(captured("pi_2", ASKED - first), "Ada")));
            let told = told(vec![paid, News::default()], true)
                .chain(told(hints, true))
                .chain(told(intents, is_old))
                .chain(told(afterwards, false))
                .collect();
            let from_invoice = OrderFacts { details: buyer("Ada Lovelace"), ..order(Origin::Invoice) };
            let from_intent =
                OrderFacts { details: buyer("Ada"), total: usd(first), ..order(Origin::PaymentIntent) };
            Life { starts: vec![from_invoice, from_intent], told }
        },
    )
}

fn heard_twice(life: impl Strategy<Value = Life>) -> impl Strategy<Value = (Life, Hearing, Hearing)> {
    life.prop_flat_map(|life| {
        let events = life.told.len();
        (Just(life), hearing(events), hearing(events))
    })
}

fn ends_the_same(lives: impl Strategy<Value = Life>) {
    let config = ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&heard_twice(lives), |(life, one, other)| {
        prop_assert_eq!(hear(&life, &one), hear(&life, &other));
        Ok(())
    });
    if let Err(counterexample) = outcome {
        panic!("{counterexample}");
    }
}

#[test]
fn a_placed_order_ends_the_same_however_its_news_is_heard() {
    ends_the_same(placed());
}

#[test]
fn a_payment_intent_that_became_an_order_ends_the_same_however_its_news_is_heard() {
    ends_the_same(adopted());
}

#[test]
fn an_invoice_that_became_an_order_ends_the_same_however_its_news_is_heard() {
    ends_the_same(invoiced());
}

#[test]
fn an_invoice_that_is_an_order_since_it_was_finalised_ends_the_same_however_its_news_is_heard() {
    ends_the_same(finalised());
}
