//! Capturing what is authorised, and calling off.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::intent;
use crate::support::stripe::order;

async fn authorised(shop: &Shop) -> Value {
    let placed = shop.place_for_server(json!({ "capture": "manual" })).await;
    let answer = shop.pay_with(&placed, "visa").await;
    assert_eq!(answer, (StatusCode::OK, json!({ "success": true })));
    shop.deliver().await;
    assert_eq!(shop.order(&placed).await["payment_status"], "authorised");
    placed
}

#[tokio::test]
async fn what_is_authorised_is_paid_when_it_is_captured() {
    let shop = Shop::open().await;
    let placed = authorised(&shop).await;

    let (status, answer) = shop.act(&placed, "capture", json!({})).await;
    let again = shop.act(&placed, "capture", json!({})).await;
    shop.deliver().await;
    let after = shop.order(&placed).await;
    let later = shop.act(&placed, "capture", json!({})).await;

    assert_eq!((status, &answer["payment_status"]), (StatusCode::OK, &json!("authorised")), "{answer}");
    assert_eq!((again.0, later.0), (StatusCode::OK, StatusCode::OK));
    assert_eq!((&after["payment_status"], &after["amount_paid"]), (&json!("paid"), &json!(2000)));
}

#[tokio::test]
async fn what_is_authorised_is_captured_or_called_off_though_its_answer_was_lost() {
    let shop = Shop::open().await;
    for (what, end) in [("capture", "paid"), ("cancel", "cancelled")] {
        let placed = shop.place_for_server(json!({ "capture": "manual" })).await;
        shop.fault("lost", "/v1/payment_intents", 3);
        shop.pay_with(&placed, "visa").await;
        shop.deliver().await;
        let heard = shop.order(&placed).await;

        let (status, answer) = shop.act(&placed, what, json!({})).await;
        shop.deliver().await;

        assert_eq!(
            (&heard["payment_status"], &heard["payment"]["open_call"]["operation"]),
            (&json!("authorised"), &json!("confirm"))
        );
        assert_eq!(status, StatusCode::OK, "{what}: {answer}");
        assert_eq!(shop.order(&placed).await["payment_status"], end);
    }
}

#[tokio::test]
async fn a_part_that_was_asked_for_pays_the_order() {
    let shop = Shop::open().await;
    let placed = authorised(&shop).await;

    let captured = shop.act(&placed, "capture", json!({ "amount": 1500 })).await;
    let other = shop.act(&placed, "capture", json!({ "amount": 1600 })).await;
    shop.deliver().await;

    assert_eq!(captured.0, StatusCode::OK, "{captured:?}");
    assert_eq!((other.0, &other.1["error"]["code"]), (StatusCode::CONFLICT, &json!("captured_already")));
    let after = shop.order(&placed).await;
    assert_eq!((&after["payment_status"], &after["amount_paid"]), (&json!("paid"), &json!(1500)));
    assert_eq!((&after["amount_total"], &after["holds"]), (&json!(2000), &json!([])));
    assert_eq!(after["fulfilment_status"], "queued");
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_here_is_held() {
    let shop = Shop::open().await;
    let placed = authorised(&shop).await;

    // As in the Dashboard.
    let url = format!("{}/v1/payment_intents/{}/capture", shop.stripe.base(), intent(&placed));
    let request = shop.app.client.post(url).bearer_auth("sk_test_shop").body("amount_to_capture=1500");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    shop.deliver().await;

    assert_eq!(shop.order(&placed).await["holds"], json!(["amount_mismatch"]));
}

#[tokio::test]
async fn more_than_was_asked_or_before_it_is_there_is_not_captured() {
    let shop = Shop::open().await;
    let unpaid = shop.place_for_server(json!({ "capture": "manual" })).await;
    let automatic = shop.place_for_server(json!({})).await;

    let too_much = shop.act(&unpaid, "capture", json!({ "amount": 2001 })).await;
    let too_early = shop.act(&unpaid, "capture", json!({})).await;
    let by_itself = shop.act(&automatic, "capture", json!({})).await;

    assert_eq!(too_much.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (too_early.0, &too_early.1["error"]["code"]),
        (StatusCode::CONFLICT, &json!("not_authorised"))
    );
    assert_eq!(by_itself.1["error"]["code"], "captured_automatically");
}

#[tokio::test]
async fn a_capture_whose_answer_was_lost_happens_once() {
    let shop = Shop::open().await;
    let placed = authorised(&shop).await;
    shop.fault("lost", "/v1/payment_intents", 3);

    let lost = shop.act(&placed, "capture", json!({ "amount": 1500 })).await;
    let other = shop.act(&placed, "capture", json!({ "amount": 1000 })).await;
    let again = shop.act(&placed, "capture", json!({ "amount": 1500 })).await;
    shop.deliver().await;

    assert_eq!(lost.0, StatusCode::ACCEPTED);
    assert_eq!((other.0, &other.1["error"]["code"]), (StatusCode::CONFLICT, &json!("payment_in_progress")));
    assert_eq!(again.0, StatusCode::OK);
    let after = shop.order(&placed).await;
    assert_eq!((&after["payment_status"], &after["amount_paid"]), (&json!("paid"), &json!(1500)));
}

#[tokio::test]
async fn what_is_called_off_is_let_go_and_cannot_be_paid() {
    let shop = Shop::open().await;
    let placed = authorised(&shop).await;

    let (status, _) = shop.act(&placed, "cancel", json!({ "reason": "requested_by_customer" })).await;
    let again = shop.act(&placed, "cancel", json!({})).await;
    let paid = shop.pay_with(&placed, "mastercard").await;
    shop.deliver().await;

    assert_eq!((status, again.0), (StatusCode::OK, StatusCode::OK));
    assert_eq!(paid.1["error"]["code"], "order_cancelled");
    let after = shop.order(&placed).await;
    assert_eq!((&after["payment_status"], &after["status"]), (&json!("cancelled"), &json!("cancelled")));
    let made = shop.see(&format!("/v1/payment_intents/{}", intent(&placed))).await;
    assert_eq!(made["cancellation_reason"], "requested_by_customer");
}

#[tokio::test]
async fn what_is_paid_is_refunded_and_not_called_off() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;

    let refused = shop.act(&paid, "cancel", json!({})).await;

    assert_eq!((refused.0, &refused.1["error"]["code"]), (StatusCode::CONFLICT, &json!("paid_already")));
}

#[tokio::test]
async fn what_stripe_never_knew_of_is_called_off_without_it() {
    let shop = Shop::open().await;
    let body = order(json!({ "number": "A-1", "payment": { "mode": "server" } }));
    shop.fault("429", "/v1/payment_intents", 1);
    let busy = shop.post("/v1/orders", &body, Some("cart-1")).await;

    let (status, cancelled) = shop.act(&json!({ "id": "A-1" }), "cancel", json!({})).await;
    shop.app.clock.advance(std::time::Duration::from_secs(300));

    assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((status, &cancelled["payment_status"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(shop.resume().await, 0);
    assert!(shop.intents().await.is_empty());
}
