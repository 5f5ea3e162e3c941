//! Events before the answer, after it, twice, and lost and sent again: always the same end.

use packline::fulfilment::{self, StuckOrder};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::intent;

/// What an order comes to, apart from what the way to it leaves.
fn end(order: &Value) -> Value {
    json!([
        order["payment_status"],
        order["fulfilment_status"],
        order["amount_paid"],
        order["amount_refunded"],
        order["holds"],
        order["payment"]["intent_status"],
        order["payment"]["open_call"],
        order["payment"]["problem"]
    ])
}

async fn stuck(shop: &Shop) -> Vec<StuckOrder> {
    fulfilment::list_stuck(&mut shop.app.pool.acquire().await.unwrap(), 100).await.unwrap()
}

/// How many payments wait for an event that tells what Stripe's answer told.
async fn awaited(shop: &Shop) -> i64 {
    let awaited = "select count(*) from order_payments where awaits_event_since is not null";
    sqlx::query_scalar(awaited).fetch_one(&shop.app.pool).await.unwrap()
}

fn paid() -> Value {
    json!(["paid", "queued", 2000, 0, [], "succeeded", null, null])
}

#[tokio::test]
async fn the_event_can_be_there_before_the_answer() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.fault("lost", "/v1/payment_intents", 3);

    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;
    let early = shop.order(&placed).await;
    let answer = shop.pay_with(&placed, "visa").await;
    shop.app.clock.advance(std::time::Duration::from_secs(300));
    shop.resume().await;

    assert_eq!(early["payment_status"], "paid");
    assert_eq!(answer, (StatusCode::OK, json!({ "success": true })));
    assert_eq!(end(&shop.order(&placed).await), paid());
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn events_that_come_twice_or_backwards_end_the_same() {
    let shop = Shop::open().await;
    for backwards in [false, true] {
        let placed = shop.place_for_server(json!({})).await;
        shop.pay_with(&placed, "chargeDeclined").await;
        shop.pay_with(&placed, "visa").await;
        let mut events = shop.events();
        events.extend(events.clone());
        if backwards {
            events.reverse();
        }

        shop.app.deliver(&events).await;

        assert_eq!(end(&shop.order(&placed).await), paid(), "backwards: {backwards}");
    }
}

#[tokio::test]
async fn an_event_that_was_lost_is_sent_again_later() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.pay_with(&placed, "visa").await;
    let events = shop.events();

    shop.app.clock.advance(std::time::Duration::from_secs(3600));
    shop.resume().await;
    let waiting = shop.order(&placed).await;
    let page = shop.state(&placed).await;
    shop.app.deliver(&events).await;

    assert_eq!(waiting["payment_status"], "awaiting_payment", "an answer alone ships nothing");
    assert_eq!(
        (&waiting["payment"]["intent_status"], &page["is_awaiting_event"]),
        (&json!("succeeded"), &json!(true))
    );
    assert_eq!(end(&shop.order(&placed).await), paid());
}

#[tokio::test]
async fn a_payment_whose_event_does_not_come_is_shown_as_stuck() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    let abandoned = shop.place_for_server(json!({})).await;
    shop.pay_with(&abandoned, "chargeDeclined").await;
    shop.pay_with(&placed, "visa").await;
    let (succeeded, hints): (Vec<Value>, Vec<Value>) =
        shop.events().into_iter().partition(|event| event["type"] == "payment_intent.succeeded");

    let at_once = stuck(&shop).await;
    let set = "update order_payments set awaits_event_since = awaits_event_since - interval '6 minutes'";
    sqlx::query(set).execute(&shop.app.pool).await.unwrap();
    shop.app.deliver(&hints).await;
    shop.pay_with(&placed, "visa").await;
    let later = stuck(&shop).await;
    shop.app.deliver(&succeeded).await;
    let in_the_end = stuck(&shop).await;

    assert!(at_once.is_empty(), "an event may be a moment behind: {at_once:?}");
    let [row] = &later[..] else { panic!("{later:?}") };
    assert_eq!(
        (row.order_id.to_string().as_str(), row.stuck.as_str()),
        (placed["id"].as_str().unwrap(), "awaiting_event")
    );
    assert!(
        row.reason.as_deref().unwrap().contains(intent(&placed)) && row.next_action.contains("resend"),
        "{row:?}"
    );
    assert!(in_the_end.is_empty(), "{in_the_end:?}");
    assert_eq!((awaited(&shop).await, end(&shop.order(&placed).await)), (0, paid()));
}

#[tokio::test]
async fn no_event_is_awaited_once_it_was_there() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.fault("lost", "/v1/payment_intents", 3);

    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;
    shop.pay_with(&placed, "visa").await;
    shop.app.clock.advance(std::time::Duration::from_secs(300));
    shop.resume().await;

    assert_eq!((awaited(&shop).await, end(&shop.order(&placed).await)), (0, paid()));
}

#[tokio::test]
async fn the_news_of_a_refund_can_come_before_its_answer() {
    let shop = Shop::open().await;
    let order = shop.place_paid().await;
    shop.fault("lost", "/v1/refunds", 3);

    shop.act(&order, "refunds", json!({})).await;
    shop.deliver().await;
    let early = shop.order(&order).await;
    shop.app.clock.advance(std::time::Duration::from_secs(300));
    shop.resume().await;
    let late = shop.order(&order).await;

    let refunded = json!(["refunded", "cancelled", 2000, 2000, [], "succeeded", null, null]);
    assert_eq!((end(&early), end(&late)), (refunded.clone(), refunded));
    let rows: Vec<(String, Option<String>)> = sqlx::query_as("select state, stripe_id from refund_requests")
        .fetch_all(&shop.app.pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "one refund, not one of ours and one of Stripe's: {rows:?}");
    assert_eq!(rows[0].0, "succeeded");
}

#[tokio::test]
async fn a_page_that_confirms_by_itself_needs_no_call_of_ours() {
    let shop = Shop::open().await;
    let placed = shop.place(json!({ "mode": "client" })).await;

    let secret = placed["payment"]["client_secret"].as_str().unwrap();
    let body =
        format!("client_secret={secret}&payment_method=pm_card_visa&return_url=https://shop.example/done");
    let url = format!("{}/v1/payment_intents/{}/confirm", shop.stripe.base(), intent(&placed));
    let request = shop.app.client.post(url).bearer_auth("pk_test_shop").body(body);
    let confirmed = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let status = confirmed.status();
    let body: Value = confirmed.json().await.unwrap();
    let refused = shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(refused.1["error"]["code"], "wrong_mode");
    assert_eq!(end(&shop.order(&placed).await), paid());
}
