//! Events before the answer, after it, twice, and lost and sent again: always the same end.

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
