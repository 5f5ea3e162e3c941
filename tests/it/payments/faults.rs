//! A Stripe that fails in every way: the order is never paid twice, and never stuck without a reason.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;

/// Faults of one attempt that the client's other attempts get over, with whether anything was done.
#[tokio::test]
async fn what_passes_by_itself_is_not_noticed() {
    let shop = Shop::open().await;
    for kind in ["500", "500_done", "409", "lock_timeout", "lost", "dropped", "garbage"] {
        let placed = shop.place_for_server(json!({})).await;
        shop.fault(kind, "/v1/payment_intents", 1);

        let answer = shop.pay_with(&placed, "visa").await;
        shop.deliver().await;

        assert_eq!(answer, (StatusCode::OK, json!({ "success": true })), "{kind}");
        assert_eq!(shop.charges(&placed).await.len(), 1, "{kind}");
        assert_eq!(shop.order(&placed).await["payment_status"], "paid", "{kind}");
    }
}

/// Faults of all attempts: the customer is told to wait, clicks again and again, with other cards too.
#[tokio::test]
async fn what_is_not_known_is_not_paid_twice() {
    let shop = Shop::open().await;
    for kind in ["500", "500_done", "409", "lost", "dropped", "garbage"] {
        let placed = shop.place_for_server(json!({})).await;
        shop.fault(kind, "/v1/payment_intents", 3);

        let unknown = shop.pay_with(&placed, "visa").await;
        let stuck = shop.order(&placed).await["payment"]["open_call"].clone();
        let page = shop.state(&placed).await;
        let other_card = shop.pay_with(&placed, "mastercard").await;
        let again = shop.pay_with(&placed, "visa").await;
        shop.deliver().await;

        assert_eq!(
            (unknown.0, &unknown.1["error"]["code"]),
            (StatusCode::CONFLICT, &json!("processing")),
            "{kind}"
        );
        assert!(stuck["reason"].is_string(), "{kind} says why it is stuck: {stuck}");
        assert_eq!(page["is_processing"], true, "{kind}");
        assert_eq!(other_card.1["error"]["code"], "processing", "{kind}");
        assert_eq!(again, (StatusCode::OK, json!({ "success": true })), "{kind}");
        assert_eq!(shop.charges(&placed).await.len(), 1, "{kind}");
        assert_eq!(shop.order(&placed).await["payment_status"], "paid", "{kind}");
    }
}

#[tokio::test]
async fn a_payment_that_nobody_asks_about_again_is_found_out_by_the_worker() {
    let shop = Shop::open().await;
    for kind in ["lost", "500"] {
        let placed = shop.place_for_server(json!({})).await;
        shop.fault(kind, "/v1/payment_intents", 3);
        shop.pay_with(&placed, "visa").await;

        let too_early = shop.resume().await;
        shop.app.clock.advance(Duration::from_secs(300));
        let resumed = shop.resume().await;
        shop.deliver().await;

        assert_eq!((too_early, resumed), (0, 1), "{kind}");
        assert_eq!(shop.charges(&placed).await.len(), 1, "{kind}");
        assert_eq!(shop.order(&placed).await["payment_status"], "paid", "{kind}");
    }
}

#[tokio::test]
async fn after_a_day_the_worker_looks_instead_of_asking_again() {
    let shop = Shop::open().await;
    let done = shop.place_for_server(json!({})).await;
    shop.fault("lost", "/v1/payment_intents", 3);
    shop.pay_with(&done, "visa").await;
    let never = shop.place_for_server(json!({})).await;
    shop.fault("dropped", "/v1/payment_intents", 3);
    shop.pay_with(&never, "visa").await;

    shop.app.clock.advance(Duration::from_secs(25 * 3600));
    shop.resume().await;
    shop.deliver().await;

    assert_eq!(shop.order(&done).await["payment_status"], "paid");
    assert_eq!(shop.charges(&done).await.len(), 1);
    let after = shop.order(&never).await;
    assert_eq!(
        (&after["payment"]["open_call"], &after["payment_status"]),
        (&json!(null), &json!("awaiting_payment"))
    );
    assert!(shop.charges(&never).await.is_empty());
}

#[tokio::test]
async fn a_stripe_that_is_busy_did_nothing_and_any_card_can_be_tried_next() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.fault("429", "/v1/payment_intents", 1);

    let busy = shop.pay_with(&placed, "visa").await;
    let paid = shop.pay_with(&placed, "mastercard").await;

    assert_eq!((busy.0, &busy.1["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("try_again")));
    assert_eq!(paid, (StatusCode::OK, json!({ "success": true })));
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn a_stripe_that_never_answers_leaves_the_customer_with_an_answer() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.fault("hang", "/v1/payment_intents", 3);

    let (status, answer) = shop.pay_with(&placed, "visa").await;
    shop.stripe.clear_faults();
    shop.app.clock.advance(Duration::from_secs(300));
    shop.resume().await;
    shop.deliver().await;

    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("processing")));
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn a_slow_stripe_with_impatient_customers_charges_once() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    let slow =
        json!({ "kind": "slow", "path": "/v1/payment_intents", "method": "POST", "times": 1, "ms": 400 });
    shop.stripe.order_fault(serde_json::from_value(slow).unwrap());

    let cards = ["visa", "visa", "mastercard", "visa", "amex"];
    let answers = futures_util::future::join_all(cards.map(|card| shop.pay_with(&placed, card))).await;
    shop.deliver().await;

    assert!(answers.iter().any(|(_, answer)| answer["success"] == true), "{answers:?}");
    assert_eq!(shop.charges(&placed).await.len(), 1);
    assert_eq!(shop.order(&placed).await["amount_paid"], 2000);
}

#[tokio::test]
async fn a_process_that_died_before_it_asked_or_before_it_wrote_is_taken_over() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    // What a dead process leaves: the call is written, and a try was begun.
    let id: uuid::Uuid = placed["id"].as_str().unwrap().parse().unwrap();
    let now = shop.app.clock.now();
    let insert = "insert into stripe_calls (id, order_id, operation, attempt, idempotency_key, params, tries, opened_at,
                  next_try_at) values ($1, $2, 'confirm', 1, 'dead', $3, 1, $4, $4)";
    sqlx::query(insert)
        .bind(uuid::Uuid::now_v7())
        .bind(id)
        .bind(json!({ "ask": "confirm", "payment_method": "pm_card_visa", "save_for_later": false }))
        .bind(now)
        .execute(&shop.app.pool)
        .await
        .unwrap();

    let other_card = shop.pay_with(&placed, "mastercard").await;
    shop.resume().await;
    shop.deliver().await;

    assert_eq!(other_card.1["error"]["code"], "processing");
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn a_lost_decline_is_told_and_the_next_card_has_a_key_of_its_own() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.fault("lost", "/v1/payment_intents", 3);

    shop.pay_with(&placed, "chargeDeclined").await;
    let (status, declined) = shop.pay_with(&placed, "chargeDeclined").await;
    let paid = shop.pay_with(&placed, "visa").await;

    assert_eq!((status, &declined["error"]["code"]), (StatusCode::PAYMENT_REQUIRED, &json!("card_declined")));
    assert_eq!(paid.1, json!({ "success": true }));
    let failed: Vec<Value> = shop.see("/v1/charges?limit=100").await["data"].as_array().unwrap().clone();
    assert_eq!(failed.iter().filter(|charge| charge["status"] == "failed").count(), 1, "declined once");
}
