//! Flows of orders that were paid, to money that went back.

use serde_json::json;

use super::stage::prove;
use super::step::{Step, server};

/// A paid order, and then this.
fn paid_with(card: &'static str, then: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [Step::Place(server(json!({}))), Step::Pay(card), Step::Hear].into_iter().chain(then).collect()
}

#[tokio::test]
async fn all_of_it_before_it_was_sent() {
    prove(&paid_with("visa", [Step::Refund(json!({ "reason": "requested_by_customer" }))]), "
        said        place 201; pay 200 success; refunds 201
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       refunded 2000
        hold        refund: a refund of 20.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      api 2000 succeeded requested_by_customer
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn all_of_it_after_it_was_sent() {
    prove(
        &paid_with("visa", [Step::Send, Step::Refund(json!({}))]),
        "
        said        place 201; pay 200 success; refunds 201
        order       refunded: refunded, fulfilled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       refunded 2000
        fulfilment  recalling: refunded
        refund      api 2000 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_part_and_the_goods_are_sent() {
    prove(&paid_with("visa", [Step::Refund(json!({ "amount": 500 })), Step::Hear, Step::Send]), "
        said        place 201; pay 200 success; refunds 201
        order       fulfilled: partially_refunded, fulfilled, paid 2000 of 2000, back 500
        money       captured 2000
        money       charge_refunded 500
        money       refunded 500
        hold        refund: a refund of 5.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  fulfilled
        refund      api 500 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn part_by_part_until_nothing_is_left() {
    let steps = [
        Step::Refund(json!({ "amount": 500 })),
        Step::Refund(json!({ "amount": 700 })),
        Step::Refund(json!({})),
        Step::Refund(json!({})),
    ];
    prove(&paid_with("visa", steps), "
        said        place 201; pay 200 success; refunds 201; refunds 201; refunds 201; refunds 409 nothing_left
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 1200
        money       charge_refunded 2000
        money       charge_refunded 500
        money       refunded 500
        money       refunded 700
        money       refunded 800
        hold        refund: a refund of 5.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        hold        refund: a refund of 7.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        hold        refund: a refund of 8.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      api 500 succeeded
        refund      api 700 succeeded
        refund      api 800 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
        call        refund done
        call        refund done
    ").await;
}

#[tokio::test]
async fn what_a_line_cost() {
    let lines = json!({ "lines": [{ "sku": "TEA-2", "quantity": 1 }] });
    prove(&paid_with("visa", [Step::Refund(lines), Step::Hear, Step::Send]), r#"
        said        place 201; pay 200 success; refunds 201
        order       fulfilled: partially_refunded, fulfilled, paid 2000 of 2000, back 1000, 1 of line 1 taken back
        money       captured 2000
        money       charge_refunded 1000
        money       refunded 1000
        hold        refund: a refund of 10.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  fulfilled
        refund      api 1000 succeeded [{"position": 1, "quantity": 1}]
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    "#).await;
}

#[tokio::test]
async fn a_part_in_the_dashboard_and_the_rest_here() {
    let steps = [
        Step::InDashboard("/v1/refunds", "payment_intent={}&amount=500"),
        Step::Hear,
        Step::Refund(json!({})),
    ];
    prove(&paid_with("visa", steps), "
        said        place 201; pay 200 success; refunds 201
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       charge_refunded 500
        money       refunded 1500
        money       refunded 500
        hold        refund: a refund of 15.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      stripe 500 succeeded
        refund      api 1500 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn all_in_the_dashboard() {
    let steps = [Step::InDashboard("/v1/refunds", "payment_intent={}&reason=duplicate")];
    prove(
        &paid_with("visa", steps),
        "
        said        place 201; pay 200 success
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       refunded 2000
        fulfilment  cancelled: all of its money went back
        refund      stripe 2000 succeeded duplicate
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_refund_that_takes_its_time() {
    prove(&paid_with("pendingRefund", [Step::Refund(json!({})), Step::Hear, Step::Wait(60)]), "
        said        place 201; pay 200 success; refunds 201
        order       refunded: refunded, cancelled, paid 2000 of 2000, back 2000
        money       captured 2000
        money       charge_refunded 2000
        money       refunded 2000
        hold        refund: a refund of 20.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      api 2000 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn a_refund_that_fails_later() {
    prove(&paid_with("refundFail", [Step::Refund(json!({})), Step::Hear, Step::Wait(60)]), "
        said        place 201; pay 200 success; refunds 201
        order       on_hold: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       charge_refunded 2000
        money       refund_reversed 2000
        money       refunded 2000
        hold        refund: a refund of 20.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        hold        refund_failed: 20.00 USD was to go back, but a refund of it failed or was called off -> open
        fulfilment  queued
        refund      api 2000 failed Stripe: lost_or_stolen_card
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    ").await;
}

#[tokio::test]
async fn a_refund_by_line_that_fails_later() {
    let lines = json!({ "lines": [{ "sku": "TEA-2", "quantity": 1 }] });
    prove(&paid_with("refundFail", [Step::Refund(lines), Step::Wait(60)]), r#"
        said        place 201; pay 200 success; refunds 201
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       charge_refunded 1000
        money       refund_reversed 1000
        money       refunded 1000
        hold        refund: a refund of 10.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  queued
        refund      api 1000 failed [{"position": 1, "quantity": 1}] Stripe: lost_or_stolen_card
        payment     succeeded
        call        create done
        call        confirm done
        call        refund done
    "#).await;
}

#[tokio::test]
async fn a_refund_after_a_capture_of_a_part() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Capture(json!({ "amount": 1500 })),
        Step::Hear,
        Step::Refund(json!({})),
    ];
    prove(&steps, "
        said        place 201; pay 200 success; capture 200; refunds 201
        order       refunded: refunded, cancelled, paid 1500 of 1500, back 1500
        money       captured 1500
        money       charge_refunded 1500
        money       refunded 1500
        hold        refund: a refund of 15.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  cancelled: all of its money went back
        refund      api 1500 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        capture done
        call        refund done
    ").await;
}

#[tokio::test]
async fn a_dispute_that_is_won() {
    prove(
        &paid_with("createDispute", [Step::AnswerDispute(Some("winning_evidence"))]),
        "
        said        place 201; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       dispute_reinstated 2000
        money       dispute_withdrawn 2000
        hold        dispute: 20.00 USD is disputed: fraudulent -> the dispute ended: won
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_dispute_that_is_lost() {
    prove(
        &paid_with("createDispute", [Step::AnswerDispute(Some("losing_evidence"))]),
        "
        said        place 201; pay 200 success
        order       on_hold: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       dispute_lost 2000
        money       dispute_withdrawn 2000
        hold        dispute: 20.00 USD was disputed, and the dispute is lost: fraudulent -> open
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_dispute_that_is_accepted() {
    prove(
        &paid_with("createDispute", [Step::AnswerDispute(None)]),
        "
        said        place 201; pay 200 success
        order       on_hold: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        money       dispute_lost 2000
        money       dispute_withdrawn 2000
        hold        dispute: 20.00 USD was disputed, and the dispute is lost: fraudulent -> open
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn an_inquiry_that_comes_to_nothing() {
    prove(
        &paid_with("createDisputeInquiry", [Step::AnswerDispute(Some("winning_evidence"))]),
        "
        said        place 201; pay 200 success
        order       paid: paid, queued, paid 2000 of 2000, back 0
        money       captured 2000
        hold        dispute: 20.00 USD is disputed: fraudulent -> the dispute ended: warning_closed
        fulfilment  queued
        payment     succeeded
        call        create done
        call        confirm done
    ",
    )
    .await;
}

#[tokio::test]
async fn a_part_of_a_part_leaves_the_rest_to_be_sent() {
    let steps = [
        Step::Place(server(json!({ "capture": "manual" }))),
        Step::Pay("visa"),
        Step::Capture(json!({ "amount": 1000 })),
        Step::Hear,
        Step::Refund(json!({ "amount": 200 })),
        Step::Hear,
        Step::Send,
    ];
    prove(
        &steps,
        "
        said        place 201; pay 200 success; capture 200; refunds 201
        order       fulfilled: partially_refunded, fulfilled, paid 1000 of 1000, back 200
        money       captured 1000
        money       charge_refunded 200
        money       refunded 200
        hold        refund: a refund of 2.00 USD was asked for, and Stripe has not told of it yet -> Stripe has told of it
        fulfilment  fulfilled
        refund      api 200 succeeded
        payment     succeeded
        call        create done
        call        confirm done
        call        capture done
        call        refund done
        ",
    )
    .await;
}
