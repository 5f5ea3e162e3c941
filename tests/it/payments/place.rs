//! Orders that are placed with a payment.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::{id, intent, token};
use crate::support::TestApp;
use crate::support::stripe::order;

#[tokio::test]
async fn an_order_has_one_payment_intent_that_names_it() {
    let shop = Shop::open().await;

    let placed = shop.place(json!({ "mode": "client" })).await;

    let made = shop.see(&format!("/v1/payment_intents/{}", intent(&placed))).await;
    assert_eq!(made["metadata"]["order_id"], placed["id"]);
    assert_eq!((&made["amount"], &made["currency"]), (&json!(2000), &json!("usd")));
    assert_eq!(made["client_secret"], placed["payment"]["client_secret"]);
    assert_eq!(made["confirmation_method"], "automatic");
    assert!(token(&placed).starts_with("plc_"));
    let url = placed["payment"]["checkout_url"].as_str().unwrap();
    assert_eq!(url, format!("{}/checkout/{}?token={}", shop.app.base, id(&placed), token(&placed)));
    let shown = shop.order(&placed).await;
    assert_eq!(shown["payment"]["payment_intent"], made["id"]);
    assert_eq!(shown["refs"], json!([{ "kind": "payment_intent", "stripe_id": made["id"] }]));
    assert!(!shown.to_string().contains("_secret_"), "people who look at an order cannot pay for it");
}

#[tokio::test]
async fn the_same_request_under_the_same_key_has_the_same_intent() {
    let shop = Shop::open().await;
    let body = order(json!({ "payment": { "mode": "server" } }));

    let first: Value = shop.post("/v1/orders", &body, Some("cart-1")).await.json().await.unwrap();
    let again = shop.post("/v1/orders", &body, Some("cart-1")).await;

    assert_eq!(
        (again.status(), &again.headers()["idempotent-replayed"]),
        (StatusCode::CREATED, &"true".parse().unwrap())
    );
    let again: Value = again.json().await.unwrap();
    assert_eq!((id(&first), intent(&first)), (id(&again), intent(&again)));
    assert_eq!(first["payment"]["client_secret"], again["payment"]["client_secret"]);
    assert_eq!(shop.intents().await.len(), 1);
    let kept: String = shop.app.value("select response_body from idempotency_keys").await;
    assert!(
        !kept.contains("_secret_") && !kept.contains("plc_"),
        "no secret is kept with the answer: {kept}"
    );
}

#[tokio::test]
async fn ten_requests_at_once_under_one_key_make_one_order_with_one_intent() {
    let shop = Shop::open().await;
    let body = order(json!({ "payment": { "mode": "server" } }));

    let answers = (0..10).map(|_| shop.post("/v1/orders", &body, Some("cart-1")));
    let answers = futures_util::future::join_all(answers).await;

    let is_right = |status| {
        matches!(status, StatusCode::CREATED | StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE)
    };
    assert!(answers.iter().all(|answer| is_right(answer.status())));
    assert_eq!(shop.post("/v1/orders", &body, Some("cart-1")).await.status(), StatusCode::CREATED);
    assert_eq!(shop.intents().await.len(), 1);
    assert_eq!(shop.app.value::<i64>("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn while_stripe_is_down_the_order_is_there_and_the_same_request_goes_on() {
    let shop = Shop::open().await;
    let body = order(json!({ "number": "A-1", "payment": { "mode": "server" } }));
    shop.fault("500", "/v1/payment_intents", 3);

    let down = shop.post("/v1/orders", &body, Some("cart-1")).await;
    let status = down.status();
    let fault: Value = down.json().await.unwrap();
    let up = shop.post("/v1/orders", &body, Some("cart-1")).await;

    assert_eq!(
        (status, &fault["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("payment_not_ready"))
    );
    assert_eq!(up.status(), StatusCode::CREATED);
    assert_eq!(up.json::<Value>().await.unwrap()["number"], "A-1");
    assert_eq!(shop.intents().await.len(), 1);
}

#[tokio::test]
async fn an_intent_whose_answer_was_lost_is_found_by_the_worker() {
    let shop = Shop::open().await;
    let body = order(json!({ "number": "A-1", "payment": { "mode": "server" } }));
    shop.fault("lost", "/v1/payment_intents", 3);

    let lost = shop.post("/v1/orders", &body, Some("cart-1")).await;
    let open = shop.app.order("A-1").await["payment"]["open_call"].clone();
    shop.app.clock.advance(Duration::from_secs(300));
    let resumed = shop.resume().await;

    assert_eq!(lost.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(open["operation"], "create");
    assert!(open["reason"].is_string(), "it says why it is stuck: {open}");
    assert_eq!(resumed, 1);
    let found = shop.app.order("A-1").await;
    assert_eq!(intent(&found), shop.intents().await[0]["id"]);
    assert_eq!(shop.intents().await.len(), 1);
}

#[tokio::test]
async fn after_a_day_an_intent_is_looked_for_before_another_is_made() {
    let shop = Shop::open().await;
    let body = order(json!({ "number": "A-1", "payment": { "mode": "server" } }));
    shop.fault("lost", "/v1/payment_intents", 3);
    shop.post("/v1/orders", &body, Some("cart-1")).await;

    shop.app.clock.advance(Duration::from_secs(25 * 3600));
    shop.resume().await;

    assert_eq!(shop.intents().await.len(), 1);
    assert_eq!(intent(&shop.app.order("A-1").await), shop.intents().await[0]["id"]);
}

#[tokio::test]
async fn the_event_of_an_intent_can_be_there_before_its_answer() {
    let shop = Shop::open().await;
    let body = order(json!({ "number": "A-1", "payment": { "mode": "server" } }));
    shop.fault("lost", "/v1/payment_intents", 3);

    shop.post("/v1/orders", &body, Some("cart-1")).await;
    shop.deliver().await;
    let known = shop.app.order("A-1").await;
    let placed: Value = shop.post("/v1/orders", &body, Some("cart-1")).await.json().await.unwrap();

    assert_eq!(intent(&known), intent(&placed), "the event told which it is");
    assert!(placed["payment"]["client_secret"].is_string());
    assert_eq!(shop.intents().await.len(), 1);
}

#[tokio::test]
async fn what_stripe_refuses_is_said_and_the_order_can_be_called_off() {
    let shop = Shop::open().await;
    let mut body = order(json!({ "number": "A-1", "payment": { "mode": "server" } }));
    body["lines"][0]["unit_amount"] = json!(1);

    let refused = shop.post("/v1/orders", &body, Some("cart-1")).await;
    let status = refused.status();
    let fault: Value = refused.json().await.unwrap();
    let cancelled = shop.act(&json!({ "id": "A-1" }), "cancel", json!({})).await;

    assert_eq!(
        (status, &fault["error"]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("payment_refused"))
    );
    assert!(fault["error"]["message"].as_str().unwrap().contains("amount"), "{fault}");
    assert_eq!((cancelled.0, &cancelled.1["payment_status"]), (StatusCode::OK, &json!("cancelled")));
}

#[tokio::test]
async fn without_a_key_of_stripes_nobody_can_ask_for_a_payment() {
    let app = TestApp::start().await;

    let refused = app.post_order(&order(json!({ "payment": { "mode": "server" } })), None).await;

    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let fault: Value = refused.json().await.unwrap();
    assert_eq!(fault["error"]["code"], "payments_not_configured");
    assert!(fault["error"]["message"].as_str().unwrap().contains("STRIPE_SECRET_KEY"));
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 0);
}

#[tokio::test]
async fn every_fault_of_a_payment_is_told_with_its_field() {
    let shop = Shop::open().await;
    for (fields, field) in [
        (json!({ "payment": {} }), "payment"),
        (json!({ "payment": { "mode": "both" } }), "payment.mode"),
        (json!({ "payment": { "mode": "server", "colour": 1 } }), "payment.colour"),
        (json!({ "payment": { "mode": "client", "off_session": true } }), "payment.off_session"),
        (json!({ "payment": { "mode": "server", "customer": "Ada" } }), "payment.customer"),
        (
            json!({ "payment": { "mode": "server", "statement_descriptor_suffix": "<" } }),
            "payment.statement_descriptor_suffix",
        ),
        (json!({ "payment": { "mode": "server" }, "payment_intent": "pi_1" }), "payment_intent"),
        (json!({ "destination": { "account": "acct_1" } }), "destination"),
        (
            json!({ "payment": { "mode": "server" }, "destination": { "account": "me" } }),
            "destination.account",
        ),
    ] {
        let response = shop.post("/v1/orders", &order(fields.clone()), None).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        let fault: Value = response.json().await.unwrap();
        let named = fault["error"]["fields"].as_array().unwrap();
        assert!(named.iter().any(|fault| fault["field"] == field), "{fields}: {fault}");
    }
}
