//! Flows of orders whose money goes to a connected account.

use packline::fake_stripe::Outcome;
use serde_json::{Value, json};

use super::stage::prove;
use super::step::{Step, server};

/// An account that can take payments, and then this.
fn joined(then: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [Step::JoinFor(json!({ "basis_points": 1200 })), Step::Hear].into_iter().chain(then).collect()
}

/// One with which another commission is agreed on, and then this.
fn owing(commission: Value, then: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [Step::JoinFor(commission), Step::Hear].into_iter().chain(then).collect()
}

#[tokio::test]
async fn the_commission_is_kept() {
    prove(
        &joined([Step::PlaceForAccount(server(json!({}))), Step::Pay("visa")]),
        "
        said        place 201; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded, 240
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn the_commission_on_a_part_is_kept() {
    let steps = [
        Step::PlaceForAccount(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Capture(json!({ "amount": 1000 })),
    ];
    prove(
        &joined(steps),
        "
        said        place 201; pay 200 success; capture 200
        order       paid: paid, queued, paid 1000 of 1000, back 0
        money       captured 1000
        fulfilment  queued
        payment     succeeded, 120
        call        create done
        call        confirm done
        call        capture done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_refund_that_the_platform_bears() {
    let steps =
        [Step::PlaceForAccount(server(json!({}))), Step::Pay("visa"), Step::Hear, Step::Refund(json!({}))];
    prove(&joined(steps), "
        said        place 201; pay 200 success; refunds 201
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       refunded 2000
        hold        refund: a refund of 20.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      api 2000 succeeded
        payment     succeeded, 240
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn a_refund_that_the_account_bears() {
    let steps = [
        Step::PlaceForAccount(server(json!({}))),
        Step::Pay("visa"),
        Step::Hear,
        Step::Refund(json!({ "amount": 500, "reverse_transfer": true, "refund_application_fee": true })),
    ];
    prove(&joined(steps), "
        said        place 201; pay 200 success; refunds 201
        order       paid: partially_refunded, queued, paid 2000 of 2000, back 500
        money       captured 2000
        money       charge_refunded 500
        money       refunded 500
        hold        refund: a refund of 5.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  queued
        refund      api 500 succeeded reverses with fee
        payment     succeeded, 240
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn an_account_that_left_gets_no_more_orders() {
    let steps = [
        Step::PlaceForAccount(server(json!({}))),
        Step::Pay("visa"),
        Step::Leave,
        Step::Hear,
        Step::PlaceForAccount(server(json!({}))),
    ];
    prove(
        &joined(steps),
        "
        said        place 201; pay 200 success; place 422 destination.account
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded, 240
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_account_that_left_before_its_order_was_paid() {
    let steps = [Step::PlaceForAccount(server(json!({}))), Step::Leave, Step::Pay("visa")];
    prove(&joined(steps), "
        said        place 201; pay 402 payment_failed
        order       pending: awaiting_payment, none, paid 0 of 2000, back 0
        payment     requires_payment_method, 240, resource_missing, 400 invalid_request_error resource_missing, parameter transfer_data[destination]: No such destination: 'acct_…', request req_…
        call        create done
        call        confirm refused resource_missing
    ").await;
}

#[tokio::test]
async fn a_refund_in_the_dashboard_that_the_account_bears() {
    let refund = "payment_intent={}&amount=500&reverse_transfer=true&refund_application_fee=true";
    let steps = [
        Step::PlaceForAccount(server(json!({}))),
        Step::Pay("visa"),
        Step::Hear,
        Step::InDashboard("/v1/refunds", refund),
        Step::Hear,
        Step::Refund(json!({ "reverse_transfer": true })),
    ];
    prove(&joined(steps), "
        said        place 201; pay 200 success; refunds 201
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       charge_refunded 500
        money       refunded 1500
        money       refunded 500
        hold        refund: a refund of 15.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      stripe 500 succeeded reverses
        refund      api 1500 succeeded reverses
        payment     succeeded, 240
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn a_commission_is_never_more_than_what_is_captured() {
    let steps = [
        Step::PlaceForAccount(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Capture(json!({ "amount": 100 })),
    ];
    prove(
        &owing(json!({ "fixed": 150, "basis_points": 1000, "currency": "usd" }), steps),
        "
        said        place 201; pay 200 success; capture 200
        order       paid: paid, queued, paid 100 of 100, back 0
        money       captured 100
        fulfilment  queued
        payment     succeeded, 100
        call        create done
        call        confirm done
        call        capture done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_card_that_is_declined_and_one_whose_bank_asks() {
    let steps = [
        Step::PlaceForAccount(server(json!({}))),
        Step::Pay("chargeDeclined"),
        Step::Pay("authenticationRequired"),
        Step::Bank(Outcome::Succeeded),
        Step::PayAgain,
    ];
    prove(
        &joined(steps),
        "
        said        place 201; pay 402 card_declined; pay 200 requires action; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded, 240
        call        create done
        call        confirm refused card_declined
        call        confirm done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_account_that_left_leaves_its_refunds_to_the_platform() {
    let steps = [
        Step::PlaceForAccount(server(json!({}))),
        Step::Pay("visa"),
        Step::Hear,
        Step::Leave,
        Step::Hear,
        Step::Refund(json!({ "amount": 500 })),
    ];
    prove(&joined(steps), "
        said        place 201; pay 200 success; refunds 201
        order       paid: partially_refunded, queued, paid 2000 of 2000, back 500
        money       captured 2000
        money       charge_refunded 500
        money       refunded 500
        hold        refund: a refund of 5.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  queued
        refund      api 500 succeeded
        payment     succeeded, 240
        call        create done
        call        confirm done
        call        refund done
    ").await;
}
