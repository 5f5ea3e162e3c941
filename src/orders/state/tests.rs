use super::*;
use crate::money::Currency;

mod merge;
mod permutations;

const ASKED: i64 = 2000;

fn usd(amount: i64) -> Money {
    Money { amount, currency: Currency::parse("usd").unwrap() }
}

/// An order of 20.00 USD that nothing has happened to.
fn order(origin: Origin) -> OrderFacts {
    OrderFacts {
        id: Uuid::nil(),
        origin,
        total: usd(ASKED),
        payment: PaymentStatus::AwaitingPayment,
        fulfilment: FulfilmentStatus::None,
        money: BTreeSet::new(),
        holds: BTreeMap::new(),
        to_capture: None,
        has_invoice: origin == Origin::Invoice,
        details: Details::default(),
        learnt: None,
        merged_into: None,
    }
}

fn hint(status: PaymentStatus) -> News {
    News { hint: Some((status, None)), ..News::default() }
}

fn money(kind: MoneyKind, stripe_id: &str, amount: i64) -> News {
    let fact = MoneyFact { kind, stripe_id: stripe_id.to_owned(), amount, currency: usd(0).currency };
    News { money: vec![fact], ..News::default() }
}

fn captured(intent: &str, amount: i64) -> News {
    money(MoneyKind::Captured, intent, amount)
}

fn captured_in(currency: &str, intent: &str, amount: i64) -> News {
    let mut news = captured(intent, amount);
    news.money[0].currency = Currency::parse(currency).unwrap();
    news
}

fn invoice_paid(amount: i64) -> News {
    money(MoneyKind::InvoicePaid, "in_1", amount)
}

fn refunded(refund: &str, amount: i64) -> News {
    money(MoneyKind::Refunded, refund, amount)
}

/// A refund that failed or was called off: told with the refund itself, as `events` reads it.
fn reversed(refund: &str, amount: i64) -> News {
    let mut news = refunded(refund, amount);
    news.money.extend(money(MoneyKind::RefundReversed, refund, amount).money);
    news
}

fn charge_refunded(sum: i64) -> News {
    money(MoneyKind::ChargeRefunded, "ch_1", sum)
}

fn dispute(id: &str, ended: Option<&str>) -> News {
    let hold = HoldNews {
        kind: HoldKind::Dispute,
        source: id.to_owned(),
        reason: "disputed".to_owned(),
        ended: ended.map(str::to_owned),
        is_final: false,
    };
    News { hold: Some(hold), ..News::default() }
}

fn after(order: OrderFacts, news: &[News]) -> OrderFacts {
    news.iter().fold(order, |order, news| order.transition(news).after)
}

/// A shop's order to which all of this happened.
fn shop_order(news: &[News]) -> OrderFacts {
    after(order(Origin::Api), news)
}

fn consequences(order: &OrderFacts, news: &News) -> Vec<Consequence> {
    order.transition(news).consequences
}

fn open_holds(order: &OrderFacts) -> Vec<HoldKind> {
    let is_open = |hold: &HoldState| matches!(hold, HoldState::Open { .. });
    order.holds.iter().filter(|(_, hold)| is_open(hold)).map(|((kind, _), _)| *kind).collect()
}

/// The operator lets the mismatch pass.
fn accept_mismatch(mut order: OrderFacts) -> OrderFacts {
    let key = (HoldKind::AmountMismatch, WHOLE_ORDER.to_owned());
    let Some(HoldState::Open { reason }) = order.holds.remove(&key) else { panic!("no mismatch") };
    let because = "agreed with the customer".to_owned();
    order.holds.insert(key, HoldState::Released { reason, because, by: Some("ops".to_owned()) });
    order
}

#[test]
fn until_money_arrives_the_greater_hint_wins_and_the_lesser_is_late_news() {
    let hints = &PaymentStatus::ALL[..=PaymentStatus::Cancelled as usize];
    for &known in hints {
        for &heard in hints {
            let before = OrderFacts { payment: known, ..order(Origin::Api) };

            let transition = before.transition(&hint(heard));

            assert_eq!(transition.after.payment, known.max(heard), "{known}, then {heard}");
            assert_eq!(transition.moves.is_empty(), heard <= known, "{known}, then {heard}");
            assert_eq!(transition.unchanged.is_some(), heard <= known, "{known}, then {heard}");
            assert_eq!(transition.consequences, []);
        }
    }
}

#[test]
fn a_success_pays_and_queues_whatever_was_hinted_before() {
    for &known in &PaymentStatus::ALL[..=PaymentStatus::Cancelled as usize] {
        let before = OrderFacts { payment: known, ..order(Origin::Api) };

        let transition = before.transition(&captured("pi_1", ASKED));

        assert_eq!(transition.after.payment, PaymentStatus::Paid, "{known}");
        assert_eq!(transition.consequences, [Consequence::Queue], "{known}");
        assert_eq!(transition.moves[0].from, Some(known.as_str()));
    }
}

#[test]
fn late_news_never_undoes_a_terminal_fact() {
    let paid = shop_order(&[captured("pi_1", ASKED)]);
    let partial = after(paid.clone(), &[refunded("re_1", 500)]);
    let whole = after(paid.clone(), &[refunded("re_1", ASKED)]);
    for before in [paid, partial, whole] {
        let late =
            PaymentStatus::ALL[..=PaymentStatus::Cancelled as usize].iter().map(|status| hint(*status));
        let again = [captured("pi_1", ASKED), captured("pi_1", ASKED)];
        for news in late.chain(again) {
            let transition = before.transition(&news);

            assert_eq!(transition.after, before, "{news:?}");
            assert_eq!((transition.moves, transition.consequences), (vec![], vec![]));
            assert!(transition.unchanged.is_some());
        }
    }
}

#[test]
fn why_an_event_moved_nothing_is_said() {
    let paid = shop_order(&[captured("pi_1", ASKED)]);
    let why = |news: &News| paid.transition(news).unchanged.unwrap();

    assert_eq!(why(&hint(PaymentStatus::PaymentFailed)), "late news: payment_failed, but the order is paid");
    assert_eq!(why(&captured("pi_1", ASKED)), "it tells nothing new");
    assert_eq!(why(&invoice_paid(ASKED)), "noted: invoice_paid 20.00 USD (in_1); it moved nothing");
}

#[test]
fn the_reason_of_a_hint_is_kept_only_where_the_hint_moved_the_order() {
    let declined = News {
        hint: Some((PaymentStatus::PaymentFailed, Some("card_declined".to_owned()))),
        ..captured("pi_1", ASKED)
    };
    let only_declined = News { money: Vec::new(), ..declined.clone() };

    let failed = order(Origin::Api).transition(&only_declined).moves;
    let paid = order(Origin::Api).transition(&declined).moves;

    assert_eq!(failed[0].reason.as_deref(), Some("card_declined"));
    assert_eq!((paid[0].to, paid[0].reason.as_deref()), (Some("paid"), None));
}

#[test]
fn what_does_not_match_the_shops_order_is_held_and_does_not_pay_it() {
    let wrong = [
        vec![captured("pi_1", 1999)],
        vec![captured("pi_1", 2001)],
        vec![captured("pi_1", 0)],
        vec![captured_in("eur", "pi_1", ASKED)],
        vec![captured("pi_1", 1500), captured("pi_2", 600)],
        vec![invoice_paid(2500)],
        vec![invoice_paid(0)],
    ];
    for news in wrong {
        let held = shop_order(&news);

        assert_eq!(held.payment, PaymentStatus::AwaitingPayment, "{news:?}");
        assert_eq!(held.fulfilment, FulfilmentStatus::None, "{news:?}");
        assert_eq!(open_holds(&held), [HoldKind::AmountMismatch], "{news:?}");
    }
}

#[test]
fn one_payment_too_many_holds_a_paid_order_but_leaves_it_paid() {
    for extra in
        [captured("pi_2", ASKED), captured("pi_2", 5), captured_in("eur", "pi_2", 5), invoice_paid(2500)]
    {
        for news in [[captured("pi_1", ASKED), extra.clone()], [extra.clone(), captured("pi_1", ASKED)]] {
            let held = shop_order(&news);

            assert_eq!(held.payment, PaymentStatus::Paid, "{news:?}");
            assert_eq!(held.fulfilment, FulfilmentStatus::Queued, "{news:?}");
            assert_eq!(open_holds(&held), [HoldKind::AmountMismatch], "{news:?}");
        }
    }
}

#[test]
fn two_payments_that_make_up_what_was_asked_pay_it_and_end_the_hold() {
    let half = shop_order(&[captured("pi_1", 1200)]);

    let paid = half.transition(&captured("pi_2", 800));

    assert_eq!(open_holds(&half), [HoldKind::AmountMismatch]);
    assert_eq!((paid.after.payment, open_holds(&paid.after)), (PaymentStatus::Paid, vec![]));
    assert_eq!(paid.consequences, [Consequence::Queue, Consequence::Wake]);
}

#[test]
fn a_mismatch_that_ended_by_itself_opens_again_with_its_new_reason() {
    let held = shop_order(&[captured("pi_1", 1200), captured("pi_2", 800), captured("pi_3", 100)]);

    let hold = &held.holds[&(HoldKind::AmountMismatch, WHOLE_ORDER.to_owned())];

    let reason = "21.00 USD arrived, the order asks 20.00 USD".to_owned();
    assert_eq!(*hold, HoldState::Open { reason });
    assert_eq!(held.payment, PaymentStatus::Paid);
}

#[test]
fn an_operator_who_releases_the_mismatch_accepts_what_arrived() {
    for news in [captured("pi_1", 1900), captured_in("eur", "pi_1", 1900), invoice_paid(0)] {
        let accepted = accept_mismatch(shop_order(std::slice::from_ref(&news)));

        let paid = accepted.transition(&News::default());

        assert_eq!(paid.after.payment, PaymentStatus::Paid, "{news:?}");
        assert_eq!(paid.consequences, [Consequence::Queue], "{news:?}");
        let more = paid.after.transition(&captured("pi_2", 50)).after;
        assert_eq!((more.payment, more.open_holds()), (PaymentStatus::Paid, 0), "{news:?}");
    }
}

#[test]
fn an_invoice_may_be_paid_in_parts_and_beyond_what_it_asks() {
    let invoice = order(Origin::Invoice);
    let parts = [captured("pi_1", 700), captured("pi_2", 1300)];

    let first = after(invoice.clone(), &parts[..1]);
    let both = after(invoice.clone(), &parts);
    let beyond = after(invoice.clone(), &[captured("pi_1", 2600)]);
    let told_twice = after(invoice.clone(), &[captured("pi_1", ASKED), invoice_paid(ASKED)]);
    let short = after(invoice, &[invoice_paid(1500)]);

    assert_eq!((first.payment, first.open_holds()), (PaymentStatus::AwaitingPayment, 0));
    assert_eq!((both.payment, both.open_holds()), (PaymentStatus::Paid, 0));
    assert_eq!((beyond.payment, beyond.open_holds()), (PaymentStatus::Paid, 0));
    assert_eq!((told_twice.payment, told_twice.amount_paid()), (PaymentStatus::Paid, ASKED));
    assert_eq!(
        (short.payment, open_holds(&short)),
        (PaymentStatus::AwaitingPayment, vec![HoldKind::AmountMismatch])
    );
}

#[test]
fn an_invoice_of_nothing_is_paid_by_nothing() {
    let invoice = OrderFacts { total: usd(0), ..order(Origin::Invoice) };

    let paid = invoice.transition(&invoice_paid(0));

    assert_eq!((paid.after.payment, paid.after.amount_paid()), (PaymentStatus::Paid, 0));
    assert_eq!(paid.consequences, [Consequence::Queue]);
}

#[test]
fn a_shops_order_waits_for_the_rest_of_the_invoice_that_stands_for_it() {
    let invoiced = OrderFacts { has_invoice: true, ..order(Origin::Api) };

    let part = after(invoiced.clone(), &[captured("pi_1", 700)]);
    let known_later = OrderFacts { has_invoice: true, ..shop_order(&[captured("pi_1", 700)]) };
    let known_later = after(known_later, &[News::default()]);
    let paid = after(part.clone(), &[invoice_paid(ASKED)]);

    assert_eq!((part.payment, part.open_holds()), (PaymentStatus::AwaitingPayment, 0));
    assert_eq!(known_later.open_holds(), 0);
    assert_eq!(paid.payment, PaymentStatus::Paid);
}

#[test]
fn refunds_count_one_by_one_and_beyond_them_by_the_charges_sum() {
    let partially = PaymentStatus::PartiallyRefunded;
    let table = [
        (vec![refunded("re_1", 500)], 500, partially),
        (vec![refunded("re_1", 500), refunded("re_1", 500)], 500, partially),
        (vec![refunded("re_1", 500), refunded("re_2", 500)], 1000, partially),
        (vec![refunded("re_1", 500), refunded("re_2", 1500)], 2000, PaymentStatus::Refunded),
        (vec![charge_refunded(500)], 500, partially),
        (vec![charge_refunded(2000), charge_refunded(500)], 2000, PaymentStatus::Refunded),
        (vec![charge_refunded(500), refunded("re_1", 500)], 500, partially),
        (vec![charge_refunded(1500), refunded("re_1", 500)], 1500, partially),
        (vec![charge_refunded(0)], 0, PaymentStatus::Paid),
        (vec![refunded("re_1", 500), reversed("re_1", 500)], 0, PaymentStatus::Paid),
        (vec![reversed("re_1", 500), refunded("re_1", 500)], 0, PaymentStatus::Paid),
        (vec![charge_refunded(2000), reversed("re_1", 2000)], 0, PaymentStatus::Paid),
        (vec![refunded("re_1", 500), reversed("re_2", 700)], 500, partially),
    ];
    for (news, sum, status) in table {
        let paid_first = after(shop_order(&[captured("pi_1", ASKED)]), &news);
        let paid_last = after(shop_order(&news), &[captured("pi_1", ASKED)]);

        assert_eq!((paid_first.amount_refunded(), paid_first.payment), (sum, status), "{news:?}");
        assert_eq!((paid_last.amount_refunded(), paid_last.payment), (sum, status), "{news:?}");
        assert_eq!(paid_first.fulfilment, paid_last.fulfilment, "{news:?}");
    }
}

#[test]
fn a_whole_refund_calls_off_what_has_begun() {
    for &fulfilment in FulfilmentStatus::ALL {
        let before = OrderFacts { fulfilment, ..shop_order(&[captured("pi_1", ASKED)]) };

        let refund = consequences(&before, &refunded("re_1", ASKED));
        let part = consequences(&before, &refunded("re_1", 500));

        let expected = match fulfilment {
            FulfilmentStatus::None => vec![Consequence::Queue, Consequence::Cancel],
            FulfilmentStatus::Cancelled => vec![],
            _ => vec![Consequence::Cancel],
        };
        assert_eq!(refund, expected, "{fulfilment}");
        assert!(!part.contains(&Consequence::Cancel), "{fulfilment}");
    }
}

#[test]
fn a_whole_refund_that_fails_queues_again_what_it_called_off_and_holds_it() {
    let refund = refunded("re_1", ASKED);
    let called_off = shop_order(&[captured("pi_1", ASKED), refund.clone()]);

    let failed = called_off.transition(&reversed("re_1", ASKED));

    assert_eq!(failed.consequences, [Consequence::Queue]);
    assert_eq!(failed.after.payment, PaymentStatus::Paid);
    assert_eq!(open_holds(&failed.after), [HoldKind::RefundFailed]);
    let second_refund = failed.after.transition(&refunded("re_2", ASKED));
    assert_eq!(second_refund.after.payment, PaymentStatus::Refunded);
    assert_eq!(second_refund.consequences, [Consequence::Cancel]);
    assert_eq!(second_refund.after.open_holds(), 0);
}

#[test]
fn a_whole_refund_that_fails_queues_again_what_it_called_off_of_an_order_of_which_a_part_had_left() {
    for &fulfilment in FulfilmentStatus::ALL.iter().filter(|at| **at != FulfilmentStatus::None) {
        let refunded = shop_order(&[captured("pi_1", ASKED), refunded("re_1", ASKED)]);
        let refunded = OrderFacts { fulfilment, ..refunded };

        let failed = refunded.transition(&reversed("re_1", ASKED));

        assert_eq!(failed.consequences, [Consequence::Queue], "{fulfilment}");
        let expected = match fulfilment {
            FulfilmentStatus::Cancelled => FulfilmentStatus::Queued,
            other => other,
        };
        assert_eq!(failed.after.fulfilment, expected);
    }
}

#[test]
fn what_others_called_off_is_not_queued_again() {
    let paid = shop_order(&[captured("pi_1", ASKED)]);
    let called_off = OrderFacts { fulfilment: FulfilmentStatus::Cancelled, ..paid };

    for news in
        [captured("pi_1", ASKED), refunded("re_1", 500), reversed("re_1", 500), dispute("du_1", Some("won"))]
    {
        assert_eq!(consequences(&called_off, &news), [], "{news:?}");
    }
}

#[test]
fn a_dispute_holds_from_its_first_word_to_its_last() {
    let paid = shop_order(&[captured("pi_1", ASKED)]);

    let opened = paid.transition(&dispute("du_1", None));
    let won = opened.after.transition(&dispute("du_1", Some("won")));
    let late = won.after.transition(&dispute("du_1", None));

    assert_eq!(open_holds(&opened.after), [HoldKind::Dispute]);
    assert_eq!((won.after.open_holds(), won.consequences), (0, vec![Consequence::Wake]));
    assert_eq!((late.after.clone(), late.moves), (won.after, vec![]));
    assert_eq!(late.after.payment, PaymentStatus::Paid);
}

#[test]
fn a_dispute_that_was_heard_of_only_when_it_ended_never_holds() {
    let ended = shop_order(&[captured("pi_1", ASKED), dispute("du_1", Some("won"))]);

    let late = ended.transition(&dispute("du_1", None));

    assert_eq!((late.after.open_holds(), late.consequences), (0, vec![]));
}

#[test]
fn fulfilment_goes_on_only_when_the_last_hold_ends() {
    let held = shop_order(&[captured("pi_1", ASKED), dispute("du_1", None), dispute("du_2", None)]);

    let first = held.transition(&dispute("du_1", Some("won")));
    let last = first.after.transition(&dispute("du_2", Some("won")));

    assert_eq!((first.after.open_holds(), first.consequences), (1, vec![]));
    assert_eq!((last.after.open_holds(), last.consequences), (0, vec![Consequence::Wake]));
}

#[test]
fn where_to_send_is_learnt_from_the_success_not_from_a_failed_try() {
    let to = |city: &str| Details {
        shipping: Some(Shipping { city: Some(city.to_owned()), ..Shipping::default() }),
        ..Details::default()
    };
    let failed = News { details: to("Old Town"), ..hint(PaymentStatus::PaymentFailed) };
    let success = News { details: to("New Town"), ..captured("pi_1", ASKED) };

    assert_eq!(shop_order(&[failed.clone(), success.clone()]).details, to("New Town"));
    assert_eq!(shop_order(&[success.clone(), failed]).details, to("New Town"));
    let shops_own = OrderFacts { details: to("Shopville"), ..order(Origin::Api) };
    assert_eq!(after(shops_own, &[success]).details, to("Shopville"));
}
