//! Flows of what is billed: a page of Stripe's, a quote, an invoice, a subscription; each ends in one order.

use serde_json::{Value, json};

use super::desk::Bill;
use super::stage::{Stage, prove_billing};
use super::step::{Play, Step};
use super::variant::Variant;
use crate::support::stripe::with;

pub(super) const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000009995";
const SLOW_DEBIT: &str = "AT321904300235473204";
const FAILING_DEBIT: &str = "AT051904300235473205";

/// A payment on a page of Stripe's.
pub(super) fn checkout(fields: Value) -> Value {
    let back = json!({
        "mode": "checkout", "success_url": "https://shop.test/thanks", "cancel_url": "https://shop.test/basket"
    });
    with(back, fields)
}

/// More lines than a session can have, of 100 each.
fn many_lines() -> Value {
    let line = |number: i32| json!({ "sku": format!("TEA-{number}"), "quantity": 1, "unit_amount": 100 });
    (0..130).map(line).collect()
}

#[tokio::test]
async fn an_order_paid_on_a_page() {
    let steps = [
        Step::Place(checkout(json!({}))),
        Step::Bill(Bill::PayOnPage(DECLINED)),
        Step::Bill(Bill::PayOnPage(VISA)),
    ];
    prove_billing(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       session_paid 2000
        fulfilment  queued
        payment     succeeded
        call        open_session done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_page_that_expires() {
    let steps = [Step::Place(checkout(json!({}))), Step::Bill(Bill::Expire)];
    prove_billing(
        &steps,
        "
        said        place 201
        order       cancelled: cancelled, none, paid 0 of 2000, back 0
        payment
        call        open_session done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_debit_on_a_page_that_arrives_days_later() {
    let steps = [
        Step::PlaceWith(json!({ "currency": "eur", "payment": checkout(json!({})) })),
        Step::Bill(Bill::PayOnPage(SLOW_DEBIT)),
        Step::Hear,
        Step::Wait(200),
    ];
    prove_billing(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       session_paid 2000
        fulfilment  queued
        payment     succeeded
        call        open_session done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_debit_on_a_page_that_fails_days_later() {
    let steps = [
        Step::PlaceWith(json!({ "currency": "eur", "payment": checkout(json!({})) })),
        Step::Bill(Bill::PayOnPage(FAILING_DEBIT)),
        Step::Hear,
        Step::Wait(200),
    ];
    prove_billing(
        &steps,
        "
        said        place 201
        order       payment_failed: payment_failed, none, paid 0 of 2000, back 0
        payment     requires_payment_method, insufficient_funds, The payment could not be collected: the bank returned the debit.
        call        open_session done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_order_of_more_lines_than_a_page_shows() {
    let steps = [
        Step::PlaceWith(json!({ "lines": many_lines(), "payment": checkout(json!({})) })),
        Step::Bill(Bill::PayOnPage(VISA)),
        Step::Hear,
        Step::Send,
    ];
    prove_billing(
        &steps,
        "
        said        place 201
        order       fulfilled: paid, fulfilled, paid 13000 of 13000, back 0
        money       captured 13000
        money       session_paid 13000
        fulfilment  fulfilled
        payment     succeeded
        call        open_session done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_quote_for_once_whose_invoice_is_finalised_and_paid() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::Quote { monthly: false }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Bill(Bill::FinaliseInvoice),
        Step::Bill(Bill::PayInvoice(json!({}))),
        Step::Hear,
        Step::Send,
    ];
    prove_billing(
        &steps,
        "
        said        quote 201; finalise 200; accept 200; finalize 200; pay 200
        order       fulfilled: paid, fulfilled, paid 2000 of 2000, back 0
        money       captured 2000
        money       invoice_paid 2000
        fulfilment  fulfilled
        line        2 × TEA, goods
        quote       accepted, 2000
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       quote.create done
        asked       quote.finalize done
        asked       quote.accept done
        asked       invoice.finalize done
        asked       invoice.pay done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_invoice_that_is_paid_outside_of_stripe() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Quote { monthly: false }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Bill(Bill::FinaliseInvoice),
        Step::Bill(Bill::PayInvoice(json!({ "paid_out_of_band": true }))),
    ];
    prove_billing(
        &steps,
        "
        said        quote 201; finalise 200; accept 200; finalize 200; pay 200
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       invoice_paid 2000
        fulfilment  queued
        line        2 × TEA, goods
        quote       accepted, 2000
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       quote.create done
        asked       quote.finalize done
        asked       quote.accept done
        asked       invoice.finalize done
        asked       invoice.pay done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_invoice_whose_card_is_declined_and_that_is_voided() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("chargeCustomerFail")),
        Step::Bill(Bill::Quote { monthly: false }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Bill(Bill::FinaliseInvoice),
        Step::Bill(Bill::PayInvoice(json!({}))),
        Step::Bill(Bill::VoidInvoice),
    ];
    prove_billing(
        &steps,
        "
        said        quote 201; finalise 200; accept 200; finalize 200; pay 402 stripe_refused; void 200
        order       cancelled: cancelled, none, paid 0 of 2000, back 0
        line        2 × TEA, goods
        quote       accepted, 2000
        invoice     void, paid 0 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       quote.create done
        asked       quote.finalize done
        asked       quote.accept done
        asked       invoice.finalize done
        asked       invoice.pay refused card_declined
        asked       invoice.void done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_invoice_that_is_paid_by_three_payments() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Quote { monthly: false }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Bill(Bill::FinaliseInvoice),
        Step::Hear,
        Step::Bill(Bill::PayInParts(&[1200, 500, 300])),
        Step::Hear,
        Step::Send,
    ];
    prove_billing(
        &steps,
        "
        said        quote 201; finalise 200; accept 200; finalize 200
        order       fulfilled: paid, fulfilled, paid 2000 of 2000, back 0
        money       captured 1200
        money       captured 300
        money       captured 500
        money       invoice_paid 2000
        fulfilment  fulfilled
        line        2 × TEA, goods
        quote       accepted, 2000
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       quote.create done
        asked       quote.finalize done
        asked       quote.accept done
        asked       invoice.finalize done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_quote_for_each_month() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::Quote { monthly: true }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Hear,
        Step::Wait(7200),
    ];
    prove_billing(
        &steps,
        "
        said        quote 201; finalise 200; accept 200
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       invoice_paid 2000
        fulfilment  queued
        line        2 × TEA, goods
        quote       accepted, 2000
        subscription known, active
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       quote.create done
        asked       quote.finalize done
        asked       quote.accept done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_subscription_that_is_paid_at_once() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::Subscribe),
        Step::Bill(Bill::PayInvoice(json!({}))),
    ];
    prove_billing(
        &steps,
        "
        said        subscribe 201; pay 200
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       invoice_paid 2000
        fulfilment  queued
        line        2 × TEA, goods
        subscription known, active
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       subscription.create done
        asked       invoice.pay done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_subscription_whose_first_card_is_declined() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("chargeCustomerFail")),
        Step::Bill(Bill::Subscribe),
        Step::Bill(Bill::PayInvoice(json!({}))),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::PayInvoice(json!({}))),
    ];
    prove_billing(
        &steps,
        "
        said        subscribe 201; pay 402 stripe_refused; pay 200
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       invoice_paid 2000
        fulfilment  queued
        line        2 × TEA, goods
        subscription known, active
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
        asked       subscription.create done
        asked       invoice.pay refused card_declined
        asked       invoice.pay done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_subscription_that_begins_on_a_page_by_a_debit_that_arrives_days_later() {
    let steps = [
        Step::Bill(Bill::Goods("eur")),
        Step::Bill(Bill::SubscribeOnPage(SLOW_DEBIT)),
        Step::Hear,
        Step::Wait(200),
        Step::Hear,
        Step::Send,
    ];
    prove_billing(
        &steps,
        "
        said        
        order       fulfilled: paid, fulfilled, paid 2000 of 2000, back 0
        money       captured 2000
        money       invoice_paid 2000
        fulfilment  fulfilled
        line        2 × TEA, goods
        subscription known, active
        invoice     paid, paid 2000 of 2000, order of 2000
        asked       customer.create done
        asked       product.create done
        asked       price.create done
        asked       price.create done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_open_invoice_is_looked_at_once_and_all_of_it_is_known_then() {
    let stage = Stage::open_billing().await;
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::Quote { monthly: false }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Bill(Bill::FinaliseInDashboard),
    ];
    let mut play = Play::new(&stage, Variant::AsItHappens);
    stage.arrange(Variant::AsItHappens);
    for step in &steps {
        play.step(step).await;
    }
    let looks = stage.gate.looks_at("/v1/invoices/");
    stage.catch_up(Variant::AsItHappens).await;

    let invoice = play.billed.invoice.clone().unwrap();
    assert_eq!(stage.gate.looks_at("/v1/invoices/") - looks, 1);
    let order = stage.shop.app.order(&invoice).await;
    assert_eq!((&order["status"], &order["lines"][0]["sku"]), (&json!("pending"), &json!("TEA")));
    let billed = &order["billing"]["invoice"];
    assert!(billed["client_secret"].as_str().unwrap().contains("_secret_"), "{order}");
    let linked = "select count(*) from invoice_payments";
    assert_eq!(stage.shop.app.value::<i64>(linked).await, 1);

    // So nobody has to ask what the payment is for.
    play.step(&Step::Bill(Bill::PayInvoice(json!({})))).await;
    stage.catch_up(Variant::AsItHappens).await;
    assert_eq!(stage.shop.app.order(&invoice).await["status"], "paid");
    assert_eq!(stage.gate.looks_at("/v1/invoices/") - looks, 1);
    assert_eq!(stage.gate.looks_at("/v1/invoice_payments"), 0);
}
