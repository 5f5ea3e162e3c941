//! The main job: an order is placed, paid through events, and fulfilled.

use serde_json::json;

use crate::support::TestApp;
use crate::support::stripe::{self, intent_succeeded, order};

#[tokio::test]
async fn a_placed_order_is_paid_and_fulfilled() {
    let app = TestApp::start().await;
    let placed = app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    assert_eq!(placed["status"], "pending");

    app.deliver(&[intent_succeeded("pi_1")]).await;
    assert_eq!(app.order("pi_1").await["status"], "paid");

    app.run_fulfilments().await;
    let fulfilled = app.order(placed["id"].as_str().unwrap()).await;
    assert_eq!(fulfilled["status"], "fulfilled");
    assert_eq!(fulfilled["amount_paid"], 2000);
    assert_eq!(app.value::<i64>("select count(*) from fulfilments where state = 'fulfilled'").await, 1);
}

#[tokio::test]
async fn an_unknown_success_waits_out_the_grace_and_is_adopted() {
    let app = TestApp::start().await;
    let event = intent_succeeded("pi_1");
    app.deliver(std::slice::from_ref(&event)).await;
    assert_eq!(app.event_state(stripe::id(&event)).await.0, "parked");

    app.clock.advance(std::time::Duration::from_secs(15));
    app.apply_events().await;

    let adopted = app.order("pi_1").await;
    assert_eq!((&adopted["status"], &adopted["origin"]), (&json!("paid"), &json!("payment_intent")));
}
