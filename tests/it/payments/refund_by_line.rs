//! Refunds by line: what was taken back is not sent.

use std::sync::{Arc, Mutex};

use packline::fulfilment::{
    Answer, Delivery, FulfilmentSettings, LookUp, Outcome, Provider, Recall, Receipt,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::id;
use crate::support::stripe::order;

/// Remembers what it was told to send.
#[derive(Default)]
struct Remembers(Mutex<Vec<Delivery>>);

impl Provider for Remembers {
    fn name(&self) -> &'static str {
        "remembers"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        self.0.lock().unwrap().push(delivery.clone());
        Box::pin(async { Outcome::Fulfilled(Receipt::default()) })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async { LookUp::Absent })
    }
}

/// Packs what it gets, and gives it back as long as it was not picked up.
#[derive(Default)]
struct Packs(Mutex<Vec<Delivery>>);

impl Provider for Packs {
    fn name(&self) -> &'static str {
        "packs"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        self.0.lock().unwrap().push(delivery.clone());
        Box::pin(async { Outcome::Accepted(Receipt::default()) })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async { LookUp::Absent })
    }

    fn recall<'a>(&'a self, _: &'a str) -> Answer<'a, Recall> {
        Box::pin(async { Recall::Recalled })
    }
}

async fn paid(shop: &Shop) -> Value {
    let lines = json!([
        { "sku": "TEA", "quantity": 3, "unit_amount": 500 },
        { "sku": "CUP", "quantity": 1, "unit_amount": 900 }
    ]);
    let body = order(json!({ "lines": lines, "payment": { "mode": "server" } }));
    let placed: Value = shop.post("/v1/orders", &body, None).await.json().await.unwrap();
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;
    shop.order(&placed).await
}

#[tokio::test]
async fn what_was_taken_back_is_not_sent() {
    let shop = Shop::open().await;
    let paid = paid(&shop).await;

    let lines = json!([{ "sku": "TEA", "quantity": 2 }, { "position": 2, "quantity": 1 }]);
    let (status, refund) = shop.act(&paid, "refunds", json!({ "lines": lines })).await;
    shop.deliver().await;
    let warehouse = Arc::new(Remembers::default());
    let worker = shop.app.fulfilment_worker(warehouse.clone(), FulfilmentSettings::default());
    while worker.run_once().await.unwrap() > 0 {}

    assert_eq!((status, &refund["amount"]), (StatusCode::CREATED, &json!(1900)), "{refund}");
    let sent = warehouse.0.lock().unwrap().clone();
    let sent: Vec<_> =
        sent[0].order.lines.iter().map(|line| (line.sku.as_str(), line.quantity, line.amount)).collect();
    assert_eq!(sent, [("TEA", 1, 500)]);
    let after = shop.order(&paid).await;
    assert_eq!((&after["lines"][0]["refunded"], &after["lines"][1]["refunded"]), (&json!(2), &json!(1)));
    assert_eq!(after["payment_status"], "partially_refunded");
}

#[tokio::test]
async fn what_is_being_packed_is_asked_back_and_goes_out_without_what_was_taken_back() {
    let shop = Shop::open().await;
    let paid = paid(&shop).await;
    let warehouse = Arc::new(Packs::default());
    let worker = shop.app.fulfilment_worker(warehouse.clone(), FulfilmentSettings::default());
    while worker.run_once().await.unwrap() > 0 {}

    let (status, refund) =
        shop.act(&paid, "refunds", json!({ "lines": [{ "sku": "TEA", "quantity": 2 }] })).await;
    let held = shop.order(&paid).await;
    shop.deliver().await;
    while worker.run_once().await.unwrap() > 0 {}

    assert_eq!((status, &refund["amount"]), (StatusCode::CREATED, &json!(1000)), "{refund}");
    assert_eq!((&held["holds"], &held["fulfilment_status"]), (&json!(["refund"]), &json!("in_progress")));
    let sent = warehouse.0.lock().unwrap().clone();
    let pieces = |at: usize| -> Vec<(String, i64)> {
        sent[at].order.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect()
    };
    let told = shop.order(&paid).await;
    assert_eq!(sent.len(), 2, "it was recalled and sent anew: {told:#}");
    assert_ne!(sent[0].idempotency_key, sent[1].idempotency_key);
    assert_eq!(pieces(0), [("TEA".to_owned(), 3), ("CUP".to_owned(), 1)]);
    assert_eq!(pieces(1), [("TEA".to_owned(), 1), ("CUP".to_owned(), 1)]);
    assert_eq!((&told["holds"], &told["payment_status"]), (&json!([]), &json!("partially_refunded")));
}

#[tokio::test]
async fn pieces_that_are_not_there_are_not_taken_back() {
    let shop = Shop::open().await;
    let paid = paid(&shop).await;
    shop.act(&paid, "refunds", json!({ "lines": [{ "sku": "TEA", "quantity": 2 }] })).await;

    for (lines, field) in [
        (json!([{ "sku": "TEA", "quantity": 2 }]), "lines"),
        (json!([{ "sku": "MUG", "quantity": 1 }]), "lines[0]"),
        (json!([{ "position": 3, "quantity": 1 }]), "lines"),
        (json!([{ "quantity": 1 }]), "lines[0]"),
        (json!([]), "lines"),
    ] {
        let (status, fault) = shop.act(&paid, "refunds", json!({ "lines": lines })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{lines}");
        assert_eq!(fault["error"]["fields"][0]["field"], field, "{lines}: {fault}");
    }
}

#[tokio::test]
async fn pieces_of_a_refund_that_came_to_nothing_are_sent_after_all() {
    let shop = Shop::open().await;
    let paid = paid(&shop).await;
    let body = format!("payment_intent={}", paid["payment"]["payment_intent"].as_str().unwrap());
    let request =
        shop.app.client.post(format!("{}/v1/refunds", shop.stripe.base())).body(body + "&amount=2000");
    let request =
        request.bearer_auth("sk_test_shop").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);

    let (status, _) = shop.act(&paid, "refunds", json!({ "lines": [{ "sku": "CUP", "quantity": 1 }] })).await;

    assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "only 4.00 USD are left at Stripe");
    let after: Value = shop.app.order(id(&paid)).await;
    assert!(after["lines"][1].get("refunded").is_none(), "{after}");
    assert_eq!(after["holds"], json!([]));
}
