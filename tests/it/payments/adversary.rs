//! The Dashboard acts at the same time, keys grow old, orders are called off in between: money moves once, and only what
//! moved is counted.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::{id, intent};
use crate::support::stripe::{event, order, succeeded, with};

const A_DAY_AND_MORE: Duration = Duration::from_secs(25 * 3600);

async fn authorised(shop: &Shop) -> Value {
    let placed = shop.place_for_server(json!({ "capture": "manual" })).await;
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;
    placed
}

/// Does something to an order's intent as a person does in the Dashboard.
async fn in_dashboard(shop: &Shop, order: &Value, what: &str, body: &'static str) {
    let url = format!("{}/v1/payment_intents/{}/{what}", shop.stripe.base(), intent(order));
    let request = shop.app.client.post(url).bearer_auth("sk_test_shop").body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

fn money(order: &Value) -> (&str, i64, i64, &Value) {
    let amount = |name: &str| order[name].as_i64().unwrap();
    let status = order["payment_status"].as_str().unwrap();
    (status, amount("amount_paid"), amount("amount_refunded"), &order["holds"])
}

#[tokio::test]
async fn what_was_only_reserved_and_let_go_did_not_go_back() {
    let shop = Shop::open().await;
    let cancelled = authorised(&shop).await;
    let part = authorised(&shop).await;

    shop.act(&cancelled, "cancel", json!({})).await;
    shop.act(&part, "capture", json!({ "amount": 1500 })).await;
    shop.deliver().await;
    let (captured, called_off) = (shop.order(&part).await, shop.order(&cancelled).await);
    shop.act(&part, "refunds", json!({ "amount": 300 })).await;
    shop.deliver().await;
    let after_a_part = shop.order(&part).await;
    shop.act(&part, "refunds", json!({})).await;
    shop.deliver().await;
    let after_all = shop.order(&part).await;

    assert_eq!(money(&called_off), ("cancelled", 0, 0, &json!([])));
    assert_eq!(money(&captured), ("paid", 1500, 0, &json!([])));
    assert_eq!(money(&after_a_part), ("partially_refunded", 1500, 300, &json!([])));
    assert_eq!(money(&after_all), ("refunded", 1500, 1500, &json!([])));
}

#[tokio::test]
async fn a_reserved_charge_that_is_let_go_in_the_old_shapes_did_not_go_back_either() {
    let shop = Shop::open().await;
    let placed = authorised(&shop).await;
    // The release as an old API version tells it: a charge with a refund that never was a payment.
    let refund = json!({
        "id": "re_release", "object": "refund", "amount": 2000, "currency": "usd", "status": "succeeded",
        "charge": "ch_old", "payment_intent": intent(&placed), "reason": "expired_uncaptured_charge"
    });
    let charge = json!({
        "id": "ch_old", "object": "charge", "amount": 2000, "amount_refunded": 2000, "captured": false,
        "currency": "usd", "payment_intent": intent(&placed), "refunded": true, "status": "succeeded",
        "refunds": { "object": "list", "data": [refund], "has_more": false }
    });

    for event in [event("charge.refunded", charge), event("refund.created", refund)] {
        assert_eq!(shop.app.post_event(&event).await, StatusCode::OK);
    }
    shop.app.apply_events().await;

    assert_eq!(money(&shop.order(&placed).await), ("authorised", 0, 0, &json!([])));
    let refunds = shop.app.get(&format!("/v1/orders/{}/refunds", id(&placed))).await;
    assert_eq!(refunds.json::<Value>().await.unwrap()["data"], json!([]));
}

#[tokio::test]
async fn a_capture_of_a_part_that_the_dashboard_captured_whole_leaves_a_paid_order() {
    let shop = Shop::open().await;
    let (at_once, later) = (authorised(&shop).await, authorised(&shop).await);

    in_dashboard(&shop, &at_once, "capture", "").await;
    let refused = shop.act(&at_once, "capture", json!({ "amount": 1500 })).await;
    // The same, found out by looking once the key is old.
    shop.fault("dropped", "/v1/payment_intents", 3);
    let unknown = shop.act(&later, "capture", json!({ "amount": 1500 })).await;
    in_dashboard(&shop, &later, "capture", "").await;
    shop.app.clock.advance(A_DAY_AND_MORE);
    shop.resume().await;
    shop.deliver().await;

    assert_eq!((refused.0, unknown.0), (StatusCode::PAYMENT_REQUIRED, StatusCode::ACCEPTED));
    for order in [at_once, later] {
        assert_eq!(money(&shop.order(&order).await), ("paid", 2000, 0, &json!([])));
    }
}

#[tokio::test]
async fn a_refund_whose_key_stripe_has_forgotten_is_looked_for_before_it_is_asked_for_again() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    let path = format!("/v1/orders/{}/refunds", id(&paid));
    let ask = json!({ "amount": 500 });

    shop.fault("lost", "/v1/refunds", 3);
    let unknown = shop.post(&path, &ask, Some("once")).await.status();
    shop.app.clock.advance(A_DAY_AND_MORE);
    let again = shop.post(&path, &ask, Some("once")).await.status();
    shop.deliver().await;

    assert_eq!((unknown, again), (StatusCode::ACCEPTED, StatusCode::CREATED));
    assert_eq!(money(&shop.order(&paid).await), ("partially_refunded", 2000, 500, &json!([])));
}

#[tokio::test]
async fn an_intent_whose_key_stripe_has_forgotten_is_not_made_again() {
    let shop = Shop::open().await;
    let ask = order(json!({ "payment": { "mode": "server" } }));

    shop.fault("lost", "/v1/payment_intents", 3);
    let unknown = shop.post("/v1/orders", &ask, Some("once")).await.status();
    shop.app.clock.advance(A_DAY_AND_MORE);
    let again = shop.post("/v1/orders", &ask, Some("once")).await.status();

    assert_eq!((unknown, again), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::CREATED));
    assert_eq!(shop.intents().await.len(), 1);
}

#[tokio::test]
async fn an_order_that_was_called_off_gets_no_intent_any_more() {
    let shop = Shop::open().await;
    let ask = order(json!({ "payment": { "mode": "server" } }));

    shop.fault("429", "/v1/payment_intents", 3);
    let busy = shop.post("/v1/orders", &ask, Some("once")).await.status();
    let number: String = shop.app.value("select number from orders").await;
    let cancelled = shop.post(&format!("/v1/orders/{number}/cancel"), &json!({}), None).await.status();
    shop.stripe.clear_faults();
    let again = shop.post("/v1/orders", &ask, Some("once")).await;
    let (status, told) = (again.status(), again.json::<Value>().await.unwrap());
    shop.resume().await;

    assert_eq!((busy, cancelled), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK));
    assert_eq!((status, &told["error"]["code"]), (StatusCode::CONFLICT, &json!("order_cancelled")));
    assert_eq!(shop.intents().await.len(), 0);
}

#[tokio::test]
async fn a_payment_from_elsewhere_that_names_the_order_stops_nothing() {
    let shop = Shop::open().await;
    let ask = order(json!({ "payment": { "mode": "server" } }));
    shop.fault("lost", "/v1/payment_intents", 3);
    shop.post("/v1/orders", &ask, Some("once")).await;
    let number: String = shop.app.value("select number from orders").await;
    let elsewhere = with(succeeded("pi_elsewhere"), json!({ "metadata": { "order_id": number } }));
    assert_eq!(shop.app.post_event(&event("payment_intent.succeeded", elsewhere)).await, StatusCode::OK);
    shop.app.apply_events().await;
    shop.app.clock.advance(Duration::from_secs(300));

    shop.resume().await;

    let order = shop.app.order(&number).await;
    assert_eq!(money(&order), ("paid", 2000, 0, &json!([])));
    assert_eq!(order["payment"]["open_call"], json!(null));
    assert_eq!(shop.intents().await.len(), 1);
}

/// Before 2024-10-28 an account has no events of its refunds, only of their charge.
#[tokio::test]
async fn a_refund_that_only_its_charge_tells_of_lets_the_rest_go() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;

    shop.act(&paid, "refunds", json!({ "amount": 500 })).await;
    let held = shop.order(&paid).await;
    let events = shop.events();
    let of_charge = events.iter().filter(|event| event["type"] == "charge.refunded");
    for event in of_charge {
        assert_eq!(shop.app.post_event(event).await, StatusCode::OK);
    }
    shop.app.apply_events().await;
    let after = shop.order(&paid).await;
    shop.app.run_fulfilments().await;

    assert_eq!(held["holds"], json!(["refund"]));
    assert_eq!(money(&after), ("partially_refunded", 2000, 500, &json!([])));
    assert_eq!(shop.order(&paid).await["fulfilment_status"], "fulfilled");
}

#[tokio::test]
async fn the_fee_is_that_of_the_whole_again_when_a_part_was_not_captured() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let asked = order(json!({
        "payment": { "mode": "server", "capture": "manual" }, "destination": { "account": account }
    }));
    let placed: Value = shop.post("/v1/orders", &asked, None).await.json().await.unwrap();
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    in_dashboard(&shop, &placed, "capture", "").await;
    let refused = shop.act(&placed, "capture", json!({ "amount": 1000 })).await;

    assert_eq!(refused.0, StatusCode::PAYMENT_REQUIRED, "{refused:?}");
    assert_eq!(shop.order(&placed).await["payment"]["application_fee"], 240);
}

/// Of the same type as a key that was used for something else, which is looked for and not asked for again.
#[tokio::test]
async fn a_refund_whose_key_is_in_use_is_asked_for_again() {
    let shop = Shop::open().await;
    let paid = shop.place_paid().await;
    let path = format!("/v1/orders/{}/refunds", id(&paid));
    let ask = json!({ "amount": 500 });

    shop.fault("409", "/v1/refunds", 3);
    let unknown = shop.post(&path, &ask, Some("once")).await.status();
    let again = shop.post(&path, &ask, Some("once")).await.status();
    shop.deliver().await;

    assert_eq!((unknown, again), (StatusCode::ACCEPTED, StatusCode::CREATED));
    assert_eq!(money(&shop.order(&paid).await), ("partially_refunded", 2000, 500, &json!([])));
}

#[tokio::test]
async fn a_confirmation_whose_key_only_ever_fails_does_not_keep_the_customer_for_a_day() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    shop.fault("500_saved", "/v1/payment_intents", 1);
    let unknown = shop.pay_with(&placed, "visa").await;
    shop.app.clock.advance(Duration::from_secs(900));
    shop.resume().await;
    let paid = shop.pay_with(&placed, "mastercard").await;
    shop.deliver().await;

    assert_eq!(unknown.1["error"]["code"], "processing");
    assert_eq!(paid, (StatusCode::OK, json!({ "success": true })));
    assert_eq!(shop.charges(&placed).await.len(), 1);
    assert_eq!(money(&shop.order(&placed).await), ("paid", 2000, 0, &json!([])));
}
