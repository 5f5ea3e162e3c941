//! Flows to an order that is paid, or is not.

use packline::fake_stripe::Outcome;
use serde_json::json;

use super::stage::prove;
use super::step::{Step, client, server};

#[tokio::test]
async fn a_card_confirmed_in_the_browser() {
    let steps = [Step::Place(client()), Step::PayInBrowser("card_visa")];
    prove(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_card_confirmed_on_the_server() {
    let steps = [Step::Place(server(json!({}))), Step::Pay("visa")];
    prove(
        &steps,
        "
        said        place 201; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_declined_card_and_another_one() {
    let steps = [Step::Place(server(json!({}))), Step::Pay("chargeDeclined"), Step::Pay("visa")];
    prove(
        &steps,
        "
        said        place 201; pay 402 card_declined; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm refused card_declined
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_declined_card_and_another_one_in_the_browser() {
    let steps =
        [Step::Place(client()), Step::PayInBrowser("card_chargeDeclined"), Step::PayInBrowser("card_visa")];
    prove(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_card_that_is_only_declined() {
    let steps = [Step::Place(server(json!({}))), Step::Pay("chargeDeclinedInsufficientFunds")];
    prove(&steps, "
        said        place 201; pay 402 card_declined
        order       payment_failed: payment_failed, none, paid 0 of 2000, back 0
        payment     requires_payment_method, card_declined, 402 card_error card_declined insufficient_funds: Your card has insufficient funds., request req_…
        call        create done
        call        confirm refused card_declined
    ").await;
}

#[tokio::test]
async fn three_d_secure_that_is_passed() {
    let steps = [
        Step::Place(server(json!({}))),
        Step::Pay("authenticationRequired"),
        Step::Bank(Outcome::Succeeded),
        Step::PayAgain,
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 requires action; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn three_d_secure_that_is_failed() {
    let steps = [
        Step::Place(server(json!({}))),
        Step::Pay("authenticationRequired"),
        Step::Bank(Outcome::Failed),
        Step::PayAgain,
    ];
    prove(&steps, "
        said        place 201; pay 200 requires action; pay 402 payment_intent_authentication_failure
        order       payment_failed: payment_failed, none, paid 0 of 2000, back 0
        payment     requires_payment_method, payment_intent_authentication_failure, The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.
        call        create done
        call        confirm done
        call        confirm refused payment_intent_authentication_failure
    ").await;
}

#[tokio::test]
async fn three_d_secure_that_is_failed_and_another_card() {
    let steps = [
        Step::Place(server(json!({}))),
        Step::Pay("authenticationRequired"),
        Step::Bank(Outcome::Failed),
        Step::PayAgain,
        Step::Pay("visa"),
    ];
    prove(&steps, "
        said        place 201; pay 200 requires action; pay 402 payment_intent_authentication_failure; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
        call        confirm refused payment_intent_authentication_failure
        call        confirm done
    ").await;
}

#[tokio::test]
async fn three_d_secure_that_is_passed_and_not_confirmed_within_the_hour() {
    let steps = [
        Step::Place(server(json!({}))),
        Step::Pay("authenticationRequired"),
        Step::Bank(Outcome::Succeeded),
        Step::Wait(3700),
        Step::PayAgain,
        Step::Pay("visa"),
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 requires action; pay 402 payment_failed; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
        call        confirm refused payment_intent_payment_attempt_expired
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn three_d_secure_in_the_browser_failed_then_passed() {
    let steps = [
        Step::Place(client()),
        Step::PayInBrowser("card_authenticationRequired"),
        Step::Bank(Outcome::Failed),
        Step::PayInBrowser("card_authenticationRequired"),
        Step::Bank(Outcome::Succeeded),
    ];
    prove(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_debit_that_arrives_days_later() {
    let steps =
        [Step::Place(client()), Step::PayInBrowser("usBankAccount_processing"), Step::Hear, Step::Wait(180)];
    prove(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_debit_that_fails_days_later() {
    let steps = [
        Step::Place(client()),
        Step::PayInBrowser("usBankAccount_insufficientFunds"),
        Step::Hear,
        Step::Wait(180),
    ];
    prove(&steps, "
        said        place 201
        order       payment_failed: payment_failed, none, paid 0 of 2000, back 0
        payment     requires_payment_method, insufficient_funds, The payment could not be collected: the bank returned the debit.
        call        create done
    ").await;
}

#[tokio::test]
async fn a_debit_that_fails_and_a_card() {
    let steps = [
        Step::Place(client()),
        Step::PayInBrowser("usBankAccount_insufficientFunds"),
        Step::Wait(180),
        Step::PayInBrowser("card_visa"),
    ];
    prove(
        &steps,
        "
        said        place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_manual_capture() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Capture(json!({})),
        Step::Hear,
        Step::Send,
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 success; capture 200
        order       fulfilled: paid, fulfilled, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  fulfilled
        payment     succeeded
        call        create done
        call        confirm done
        call        capture done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_capture_of_a_part() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Capture(json!({ "amount": 1500 })),
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 success; capture 200
        order       paid: paid, queued, paid 1500 of 1500, back 0
        money       captured 1500
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
        call        capture done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_capture_of_a_part_in_the_dashboard() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::InDashboard("/v1/payment_intents/{}/capture", "amount_to_capture=1500"),
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 success
        order       on_hold: awaiting_payment, none, paid 1500 of 2000, back 0
        money       captured 1500
        hold        amount_mismatch: 15.00 USD arrived, the order asks 20.00 USD -> open
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_authorised_payment_that_is_called_off() {
    let steps = [Step::Place(server(json!({ "capture": "manual" }))), Step::Pay("visa"), Step::Cancel];
    prove(
        &steps,
        "
        said        place 201; pay 200 success; cancel 200
        order       cancelled: cancelled, none, paid 0 of 2000, back 0
        payment     canceled
        call        create done
        call        confirm done
        call        cancel done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_authorised_payment_that_nobody_captures_in_time() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Hear,
        Step::DaysPass(8),
        Step::Hear,
        Step::Capture(json!({})),
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 success; capture 409 not_authorised
        order       cancelled: cancelled, none, paid 0 of 2000, back 0
        payment     canceled
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_authorised_payment_that_is_called_off_in_the_dashboard() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::InDashboard("/v1/payment_intents/{}/cancel", "cancellation_reason=fraudulent"),
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 success
        order       cancelled: cancelled, none, paid 0 of 2000, back 0
        payment     canceled
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_kept_card_that_is_charged_while_the_customer_is_away() {
    let steps = [Step::Place(server(json!({ "save_for_later": true }))), Step::Pay("visa"), Step::ChargeKept];
    prove(
        &steps,
        "
        said        place 201; pay 200 success; place 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_kept_card_whose_bank_wants_the_customer_back() {
    let steps = [
        Step::Place(server(json!({ "save_for_later": true }))),
        Step::Pay("authenticationRequired"),
        Step::Bank(Outcome::Succeeded),
        Step::PayAgain,
        Step::ChargeKept,
        Step::PayKept,
        Step::Bank(Outcome::Succeeded),
        Step::PayAgain,
    ];
    prove(&steps, "
        said        place 201; pay 200 requires action; pay 200 success; place 201; pay 200 requires action; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
        call        confirm done
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        fulfilment  queued
        payment     succeeded
        call        create done authentication_required
        call        confirm done
        call        confirm done
    ").await;
}
