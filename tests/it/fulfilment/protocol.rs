//! The protocol of HTTP providers from end to end: what each answer leads to in our tables, with call-backs and recalls
//! over HTTP both ways.

use packline::api;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::http_warehouse::Does;
use super::{HttpWarehouse, Sale, Shop, drain};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn part(shop: &Shop, sale: &Sale) -> Value {
    let answer = shop.get(&format!("/v1/orders/{}/fulfilments", sale.order)).await;
    answer.json::<Value>().await.unwrap()["data"][0].take()
}

/// The warehouse calls back with what it was handed over: the fulfilment's id and the key.
async fn call_back(shop: &Shop, warehouse: &HttpWarehouse, event: Value) -> (StatusCode, Value) {
    let mut conn = shop.pool.acquire().await.unwrap();
    let key = api::create_provider_key(&mut conn, "warehouse", "default", shop.clock.now()).await.unwrap();
    let handed_over = warehouse.seen("POST")[0].json();
    let id = handed_over["fulfilment_id"].as_str().unwrap().to_owned();
    let event =
        crate::support::stripe::with(event, json!({ "idempotency_key": handed_over["idempotency_key"] }));
    let address = format!("{}/v1/fulfilments/{id}/events", shop.base);
    let request = shop.client.post(address).bearer_auth(key.unwrap().text).json(&event);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_accepted_order_is_finished_by_the_warehouses_call_back() {
    let shop = Shop::open().await;
    let accepted = r#"{"reference": "W-7", "tracking": {"carrier": "DHL", "number": "123"}}"#;
    let warehouse = HttpWarehouse::does([Does::Say(202, None, accepted)]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = shop.paid().await;

    drain(&worker).await;
    shop.advance(86_400);
    drain(&worker).await;
    let before = part(&shop, &sale).await;
    assert_eq!((&before["state"], &before["reference"]), (&json!("accepted"), &json!("W-7")));
    assert_eq!(
        (&before["shipments"][0]["name"], &before["shipments"][0]["shipped_at"]),
        (&json!("123"), &Value::Null)
    );
    let tracking = json!({ "carrier": "DHL", "number": "123", "url": "https://track.example/123" });
    let (status, after) =
        call_back(&shop, &warehouse, json!({ "type": "shipped", "tracking": tracking })).await;

    assert_eq!((status, &after["state"]), (StatusCode::OK, &json!("fulfilled")), "{after}");
    assert_eq!(after["shipments"].as_array().unwrap().len(), 1, "{after}");
    assert_eq!(after["shipments"][0]["tracking"], tracking);
    assert_eq!(after["lines"][0]["shipped"], 2);
    assert_eq!(warehouse.seen("POST").len(), 1);
}

#[tokio::test]
async fn a_known_key_says_by_its_status_how_far_it_is() {
    for (body, state) in [
        (r#"{"status": "accepted"}"#, "accepted"),
        (r#"{"status": "done"}"#, "fulfilled"),
        ("", "fulfilled"),
        (r#"{"status": "rejected", "reason": "no such street"}"#, "rejected"),
        (r#"{"status": "picking"}"#, "queued"),
    ] {
        let shop = Shop::open().await;
        let warehouse = HttpWarehouse::does([Does::Say(409, None, body)]);
        let worker = shop.worker(warehouse.provider(None, &shop.clock));
        let sale = shop.paid().await;

        drain(&worker).await;

        assert_eq!(shop.state(&sale).await, state, "{body}");
    }
}

#[tokio::test]
async fn a_doubt_ends_as_the_look_up_says() {
    for (look_up, state, sends) in [
        ((200, r#"{"status": "accepted"}"#), "accepted", 1),
        ((200, r#"{"status": "shipped", "tracking": {"number": "9"}}"#), "fulfilled", 1),
        ((200, r#"{"status": "rejected", "reason": "no such street"}"#), "rejected", 1),
        ((503, ""), "queued", 1),
        ((404, ""), "fulfilled", 2),
    ] {
        let shop = Shop::open().await;
        let warehouse = HttpWarehouse::does([Does::HangUp]);
        warehouse.answer_look_ups([look_up]);
        let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
        let sale = shop.paid().await;
        drain(&worker).await;

        shop.advance(60);
        drain(&worker).await;

        assert_eq!(
            (shop.state(&sale).await.as_str(), warehouse.seen("POST").len()),
            (state, sends),
            "{look_up:?}"
        );
    }
}

#[tokio::test]
async fn a_recalled_order_is_cancelled_and_one_that_left_stays_fulfilled() {
    for (recall, state, outcome, shipped) in [
        ((200, "{}"), "cancelled", "recalled", 0),
        ((204, ""), "cancelled", "recalled", 0),
        ((409, "on the truck"), "fulfilled", "too_late", 2),
        ((405, ""), "fulfilled", "not_offered", 2),
        ((404, ""), "fulfilled", "not_offered", 2),
    ] {
        let shop = Shop::open().await;
        let warehouse = HttpWarehouse::does([]);
        warehouse.answer_recalls([recall]);
        let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
        let sale = shop.paid().await;
        drain(&worker).await;
        let key = warehouse.shipped()[0].clone();

        shop.refunded(&sale, 2_000).await;
        drain(&worker).await;

        let part = part(&shop, &sale).await;
        assert_eq!((&part["state"], &part["recall_outcome"]), (&json!(state), &json!(outcome)), "{recall:?}");
        assert_eq!(part["lines"][0]["shipped"], shipped, "{recall:?}");
        let [seen] = warehouse.seen("DELETE").try_into().unwrap_or_else(|_| panic!("{recall:?}"));
        assert_eq!(
            (seen.path.as_str(), seen.header("webhook-id")),
            (format!("/orders/{key}").as_str(), key.as_str())
        );
    }
}

#[tokio::test]
async fn late_news_of_a_recalled_hand_over_is_told_apart_by_its_key() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([Does::Say(202, None, "")]);
    warehouse.answer_recalls([(200, "{}")]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = shop.paid().await;
    drain(&worker).await;
    shop.disputed(&sale, "created", "needs_response").await;
    drain(&worker).await;
    let held = part(&shop, &sale).await;
    assert_eq!((&held["state"], &held["recall_outcome"]), (&json!("queued"), &json!("recalled")));

    // It says of the first hand-over that it failed: that is over, and says nothing about the next one.
    let (status, after) =
        call_back(&shop, &warehouse, json!({ "type": "failed", "reason": "recalled" })).await;
    assert_eq!((status, &after["state"]), (StatusCode::OK, &json!("queued")), "{after}");
    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    let sent = warehouse.seen("POST");
    let keys: Vec<_> = sent.iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys[1], format!("{}_2", keys[0]));
    assert_eq!(shop.state(&sale).await, "fulfilled");
}

#[tokio::test]
async fn what_left_although_it_was_recalled_is_not_sent_again() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([Does::Say(202, None, "")]);
    warehouse.answer_recalls([(200, "{}")]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = shop.paid().await;
    drain(&worker).await;
    shop.disputed(&sale, "created", "needs_response").await;
    drain(&worker).await;

    let line = json!({ "position": 1, "quantity": 1 });
    call_back(&shop, &warehouse, json!({ "type": "shipped", "shipment": "A", "lines": [line] })).await;
    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    let second = warehouse.seen("POST")[1].json();
    assert_eq!(second["order"]["lines"][0]["quantity"], 1);
    let part = part(&shop, &sale).await;
    assert_eq!((&part["state"], &part["lines"][0]["shipped"]), (&json!("fulfilled"), &json!(2)));
}
