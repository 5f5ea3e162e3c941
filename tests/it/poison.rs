//! Poison: an event that cannot be applied pays for it alone, waits longer each time, and ends as `failed`.

use std::time::Duration;

use packline::inbox;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{
    self, Shape, charge_refunded, event, intent, intent_succeeded, invoice, invoice_paid, order, succeeded,
    with,
};

/// Events that get past the door and cannot be applied, with what is said of them.
fn poisons() -> Vec<(Value, &'static str)> {
    let nul_line =
        json!({ "data": [{ "amount": 2000, "currency": "usd", "description": "Tea\u{0}", "metadata": {} }] });
    let paid = json!({ "status": "paid", "amount_paid": 2000, "lines": nul_line });
    let succeeded_with =
        |fields: Value| event("payment_intent.succeeded", with(succeeded("pi_poison"), fields));
    // Longer than an index takes, and no compression makes it fit.
    let long_id: String = (0..500).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    vec![
        (event("payment_intent.succeeded", json!({ "id": 5 })), "cannot be read"),
        (event("payment_intent.succeeded", json!("pi_1")), "cannot be read"),
        (with(intent_succeeded("pi_1"), json!({ "data": null })), "cannot be read"),
        (succeeded_with(json!({ "amount": 1e30 })), "cannot be read"),
        (succeeded_with(json!({ "currency": "dollars" })), "currency"),
        (succeeded_with(json!({ "id": "pi_nega", "amount": -5, "invoice": null })), "amount"),
        (succeeded_with(json!({ "id": "pi_nul\u{0}" })), "0x00"),
        (succeeded_with(json!({ "id": "pi_meta", "metadata": { "order_id": "\u{0}" } })), "Unicode"),
        (succeeded_with(json!({ "id": long_id })), "index row"),
        (event("invoice.paid", with(invoice(Shape::Old, "in_nul", "pi_nul"), paid)), "0x00"),
    ]
}

async fn attempts(app: &TestApp, event: &Value) -> (i32, String, Option<String>) {
    sqlx::query_as("select attempts, state, reason from stripe_events where id = $1")
        .bind(stripe::id(event))
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

async fn post_all(app: &TestApp, events: &[Value]) {
    for event in events {
        assert_eq!(app.post_event(event).await, StatusCode::OK, "{event}");
    }
}

#[tokio::test]
async fn a_poison_event_pays_alone_is_tried_again_with_growing_waits_and_fails() {
    for (poison, said) in poisons() {
        let app = TestApp::start().await;
        app.place_order(&order(json!({ "payment_intent": "pi_good" }))).await;
        post_all(&app, &[intent_succeeded("pi_before"), poison.clone(), intent_succeeded("pi_good")]).await;
        app.apply_events().await;

        assert_eq!(app.order("pi_good").await["status"], "paid", "beside {poison}");
        // An unknown success is parked first; its adoption is what fails.
        app.clock.advance(Duration::from_secs(15));
        app.apply_events().await;
        assert_eq!(app.order("pi_before").await["status"], "paid", "beside {poison}");

        let mut tried = attempts(&app, &poison).await.0;
        assert!(tried >= 1, "{poison}");
        while tried < 5 {
            let next: i64 = app
                .value(
                    "select (extract(epoch from next_attempt_at) * 1000000)::bigint from stripe_events where attempts > 0",
                )
                .await;
            let wait = i128::from(next) - app.clock.now().unix_timestamp_nanos() / 1_000;
            assert!(
                (1..=1_000_000 << (tried - 1)).contains(&wait),
                "wait {wait} after try {tried} of {poison}"
            );
            app.clock.advance(Duration::from_micros(u64::try_from(wait - 1).unwrap()));
            app.apply_events().await;
            assert_eq!(attempts(&app, &poison).await.0, tried, "tried too early: {poison}");
            app.clock.advance(Duration::from_micros(1));
            app.apply_events().await;
            tried += 1;
            assert_eq!(attempts(&app, &poison).await.0, tried, "{poison}");
        }

        let (_, state, reason) = attempts(&app, &poison).await;
        assert_eq!(state, "failed", "{poison}");
        assert!(reason.as_deref().unwrap().contains(said), "{reason:?}");
        app.clock.advance(Duration::from_secs(3600));
        app.apply_events().await;
        assert_eq!(attempts(&app, &poison).await.0, 5, "{poison}");
    }
}

#[tokio::test]
async fn more_poison_than_fits_a_batch_holds_up_nobody() {
    let app = TestApp::start().await;
    let poison = |n| event("payment_intent.succeeded", json!({ "id": n }));
    let nul = |n| charge_refunded(&format!("pi_{n}\u{0}"), 5);
    let events: Vec<Value> = (0..150).map(|n| if n % 2 == 0 { poison(n) } else { nul(n) }).collect();
    app.place_order(&order(json!({ "payment_intent": "pi_last" }))).await;
    post_all(&app, &events).await;
    app.clock.advance(Duration::from_millis(10));
    app.post_event(&intent_succeeded("pi_last")).await;

    app.apply_events().await;

    assert_eq!(app.order("pi_last").await["status"], "paid");
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where attempts = 1").await, 150);
}

#[tokio::test]
async fn a_fault_of_ours_that_panics_counts_as_poison() {
    let app = TestApp::start().await;
    let customer = json!({ "customer": "cus_1" });
    let poison = event("payment_intent.succeeded", with(succeeded("pi_poison"), customer));
    post_all(&app, &[poison.clone(), intent_succeeded("pi_good")]).await;
    // The door lets no such time in; it stands for what we overlooked.
    sqlx::query("update stripe_events set created_at = '9999-12-31 23:59:59Z' where id = $1")
        .bind(stripe::id(&poison))
        .execute(&app.pool)
        .await
        .unwrap();

    for wait in [0, 15, 1, 2, 4, 8] {
        app.clock.advance(Duration::from_secs(wait));
        app.apply_events().await;
    }

    assert_eq!(app.order("pi_good").await["status"], "paid");
    let (tried, state, reason) = attempts(&app, &poison).await;
    assert_eq!((tried, state.as_str()), (5, "failed"));
    assert!(reason.as_deref().unwrap().starts_with("a fault in Packline"), "{reason:?}");
}

#[tokio::test]
async fn a_failed_event_that_is_replayed_is_due_again_and_has_its_effect() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    let good = intent_succeeded("pi_1");
    let poison = with(good.clone(), json!({ "data": { "object": { "id": "pi_1" } } }));
    app.post_event(&poison).await;
    for wait in [0, 1, 2, 4, 8] {
        app.clock.advance(Duration::from_secs(wait));
        app.apply_events().await;
    }
    assert_eq!(attempts(&app, &poison).await.1, "failed");
    let replay = async |id: &str| {
        let mut conn = app.pool.acquire().await.unwrap();
        inbox::replay(&mut conn, id, app.clock.now()).await.unwrap()
    };

    // A newer version, say, can read it.
    sqlx::query("update stripe_event_payloads set body = $1")
        .bind(good.to_string())
        .execute(&app.pool)
        .await
        .unwrap();
    assert!(replay(stripe::id(&poison)).await);
    app.apply_events().await;

    assert_eq!(attempts(&app, &poison).await.1, "applied");
    assert_eq!(app.order("pi_1").await["status"], "paid");
    assert!(!replay(stripe::id(&poison)).await, "what had its effect has no other");
    assert!(!replay("evt_unknown").await);
}

#[tokio::test]
async fn an_event_whose_payload_has_expired_fails_with_that_reason() {
    let app = TestApp::start().await;
    let event = event("payment_intent.created", intent("pi_1"));
    post_all(&app, &[event.clone(), invoice_paid(Shape::Old, "in_1", "pi_2")]).await;
    sqlx::query("delete from stripe_event_payloads where event_id = $1")
        .bind(stripe::id(&event))
        .execute(&app.pool)
        .await
        .unwrap();

    app.apply_events().await;

    assert_eq!(
        app.event_state(stripe::id(&event)).await,
        ("failed".into(), Some("its payload has expired".into()))
    );
    assert_eq!(app.order("in_1").await["status"], "paid");
}

#[tokio::test]
async fn an_event_of_the_other_mode_stays_set_aside_however_often_it_is_replayed() {
    let app = TestApp::start().await;
    let live = with(intent_succeeded("pi_live"), json!({ "livemode": true }));
    app.place_order(&order(json!({ "payment_intent": "pi_live" }))).await;
    app.deliver(std::slice::from_ref(&live)).await;

    let mut conn = app.pool.acquire().await.unwrap();
    assert!(inbox::replay(&mut conn, stripe::id(&live), app.clock.now()).await.unwrap());
    app.apply_events().await;

    let (state, reason) = app.event_state(stripe::id(&live)).await;
    assert_eq!(state, "set_aside");
    assert!(reason.unwrap().contains("live mode"));
    assert_eq!(app.order("pi_live").await["status"], "pending");
}
