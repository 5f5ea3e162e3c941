//! Refunds: never more than arrived, whoever asks, and whatever becomes of the answer.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::{id, intent};

/// What Stripe gave back of an order, in minor units.
async fn given_back(shop: &Shop, order: &Value) -> i64 {
    let list = shop.see(&format!("/v1/refunds?limit=100&payment_intent={}", intent(order))).await;
    let all = list["data"].as_array().unwrap().iter();
    all.filter(|refund| refund["status"] != "failed").map(|refund| refund["amount"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn a_whole_refund_calls_off_what_was_not_sent() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;

    let (status, refund) = shop.act(&paid, "refunds", json!({ "reason": "requested_by_customer" })).await;
    let held = shop.order(&paid).await;
    shop.app.run_fulfilments().await;
    shop.deliver().await;
    shop.app.run_fulfilments().await;
    let after = shop.order(&paid).await;

    assert_eq!((status, &refund["amount"]), (StatusCode::CREATED, &json!(2000)), "{refund}");
    assert!(refund["stripe_id"].as_str().unwrap().starts_with("re_"));
    assert_eq!((&held["holds"], &held["fulfilment_status"]), (&json!(["refund"]), &json!("queued")));
    assert_eq!(
        (&after["payment_status"], &after["fulfilment_status"]),
        (&json!("refunded"), &json!("cancelled"))
    );
    assert_eq!((&after["holds"], &after["amount_refunded"]), (&json!([]), &json!(2000)));
    let listed: Value =
        shop.app.get(&format!("/v1/orders/{}/refunds", id(&paid))).await.json().await.unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["data"][0]["state"], &listed["data"][0]["origin"]),
        (&json!("succeeded"), &json!("api"))
    );
}

#[tokio::test]
async fn a_part_goes_back_and_the_rest_is_sent() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;

    let (status, _) = shop.act(&paid, "refunds", json!({ "amount": 500 })).await;
    shop.app.run_fulfilments().await;
    let waiting = shop.order(&paid).await;
    shop.deliver().await;
    shop.app.run_fulfilments().await;
    let after = shop.order(&paid).await;

    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(waiting["fulfilment_status"], "queued", "held until it is known what goes back");
    assert_eq!(
        (&after["payment_status"], &after["fulfilment_status"]),
        (&json!("partially_refunded"), &json!("fulfilled"))
    );
    assert_eq!(after["amount_refunded"], 500);
}

#[tokio::test]
async fn never_more_goes_back_than_arrived() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    let unpaid = shop.place_for_server(json!({})).await;

    let first = shop.act(&paid, "refunds", json!({ "amount": 1500 })).await;
    let too_much = shop.act(&paid, "refunds", json!({ "amount": 501 })).await;
    let rest = shop.act(&paid, "refunds", json!({})).await;
    let nothing_left = shop.act(&paid, "refunds", json!({})).await;
    let not_paid = shop.act(&unpaid, "refunds", json!({})).await;

    assert_eq!((first.0, rest.0, &rest.1["amount"]), (StatusCode::CREATED, StatusCode::CREATED, &json!(500)));
    assert_eq!(too_much.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(too_much.1["error"]["fields"][0]["message"].as_str().unwrap().contains("500"));
    assert_eq!(nothing_left.1["error"]["code"], "nothing_left");
    assert_eq!(not_paid.1["error"]["code"], "not_paid");
    assert_eq!(given_back(&shop, &paid).await, 2000);
}

#[tokio::test]
async fn ten_refunds_at_once_give_back_what_arrived_and_no_more() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;

    let asked = (0..10).map(|_| shop.act(&paid, "refunds", json!({ "amount": 600 })));
    let answers = futures_util::future::join_all(asked).await;
    shop.deliver().await;

    let made = answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
    assert_eq!(made, 3, "{answers:?}");
    assert_eq!(given_back(&shop, &paid).await, 1800);
    assert_eq!(shop.order(&paid).await["amount_refunded"], 1800);
}

#[tokio::test]
async fn the_same_request_under_the_same_key_gives_back_once() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    let path = format!("/v1/orders/{}/refunds", id(&paid));
    let body = json!({ "amount": 500 });

    let first: Value = shop.post(&path, &body, Some("r-1")).await.json().await.unwrap();
    let again = shop.post(&path, &body, Some("r-1")).await;
    let other = shop.post(&path, &json!({ "amount": 600 }), Some("r-1")).await;

    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap()["id"], first["id"]);
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(given_back(&shop, &paid).await, 500);
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_held_counted_and_made_once() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    shop.fault("lost", "/v1/refunds", 3);

    let (status, refund) = shop.act(&paid, "refunds", json!({ "amount": 1500 })).await;
    let too_much = shop.act(&paid, "refunds", json!({ "amount": 1000 })).await;
    shop.app.run_fulfilments().await;
    let held = shop.order(&paid).await;
    shop.app.clock.advance(Duration::from_secs(300));
    assert_eq!(shop.resume().await, 1);
    shop.deliver().await;

    assert_eq!((status, &refund["state"]), (StatusCode::ACCEPTED, &json!("requested")));
    assert!(refund["problem"].is_string(), "it says why it is stuck: {refund}");
    assert_eq!(too_much.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!((&held["holds"], &held["fulfilment_status"]), (&json!(["refund"]), &json!("queued")));
    assert_eq!(given_back(&shop, &paid).await, 1500);
    assert_eq!(shop.order(&paid).await["amount_refunded"], 1500);
}

#[tokio::test]
async fn after_a_day_a_refund_is_looked_for_and_not_made_twice() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    shop.fault("lost", "/v1/refunds", 3);
    let (_, made) = shop.act(&paid, "refunds", json!({ "amount": 500 })).await;
    shop.fault("500", "/v1/refunds", 3);
    let (_, not_made) = shop.act(&paid, "refunds", json!({ "amount": 600 })).await;

    shop.app.clock.advance(Duration::from_secs(25 * 3600));
    shop.resume().await;
    shop.deliver().await;

    assert_eq!(given_back(&shop, &paid).await, 500);
    let listed: Value =
        shop.app.get(&format!("/v1/orders/{}/refunds", id(&paid))).await.json().await.unwrap();
    let state = |refund: &Value| {
        let all = listed["data"].as_array().unwrap();
        all.iter().find(|row| row["id"] == refund["id"]).unwrap()["state"].clone()
    };
    assert_eq!((state(&made), state(&not_made)), (json!("succeeded"), json!("refused")));
    assert_eq!(shop.order(&paid).await["holds"], json!([]), "nothing is held for what never was");
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_lets_the_goods_go() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    // Somebody was quicker in the Dashboard, and its events are not there yet.
    let body = format!("payment_intent={}", intent(&paid));
    let request = shop.app.client.post(format!("{}/v1/refunds", shop.stripe.base())).body(body);
    let request =
        request.bearer_auth("sk_test_shop").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);

    let (status, refused) = shop.act(&paid, "refunds", json!({ "amount": 500 })).await;
    let holds = shop.order(&paid).await["holds"].clone();
    shop.deliver().await;

    assert_eq!((status, &refused["state"]), (StatusCode::PAYMENT_REQUIRED, &json!("refused")), "{refused}");
    assert!(refused["problem"].as_str().unwrap().contains("refund"), "{refused}");
    assert_eq!(holds, json!([]));
    let after = shop.order(&paid).await;
    assert_eq!((&after["payment_status"], &after["amount_refunded"]), (&json!("refunded"), &json!(2000)));
    let listed: Value =
        shop.app.get(&format!("/v1/orders/{}/refunds", id(&paid))).await.json().await.unwrap();
    let origins: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|row| row["origin"].clone()).collect();
    assert_eq!(origins, [json!("api"), json!("stripe")], "the Dashboard's refund is in the same list");
}

#[tokio::test]
async fn a_refund_that_fails_later_is_told_and_held_for_a_person() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.pay_with(&placed, "refundFail").await;
    shop.deliver().await;

    shop.act(&placed, "refunds", json!({})).await;
    shop.deliver().await;
    shop.stripe.advance(Duration::from_secs(7 * 24 * 3600));
    shop.deliver().await;

    let after = shop.order(&placed).await;
    assert_eq!((&after["payment_status"], &after["amount_refunded"]), (&json!("paid"), &json!(0)));
    assert_eq!(after["holds"], json!(["refund_failed"]));
    let listed: Value =
        shop.app.get(&format!("/v1/orders/{}/refunds", id(&placed))).await.json().await.unwrap();
    assert_eq!(listed["data"][0]["state"], "failed");
    assert!(listed["data"][0]["problem"].is_string());
}

#[tokio::test]
async fn a_preview_changes_nothing() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;

    let (status, preview) = shop.act(&paid, "refunds", json!({ "amount": 500, "preview": true })).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!((&preview["customer_gets"], &preview["platform_bears"]), (&json!(500), &json!(500)));
    assert_eq!((&preview["account_bears"], &preview["left"]), (&json!(0), &json!(1500)));
    assert_eq!(given_back(&shop, &paid).await, 0);
    assert_eq!(shop.app.value::<i64>("select count(*) from refund_requests").await, 0);
}
