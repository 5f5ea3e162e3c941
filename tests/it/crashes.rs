//! A process dies after each step of the line; the next one finishes what it began, once.

use serde_json::json;
use uuid::Uuid;

use crate::support::stripe::{self, intent_succeeded, order};
use crate::support::{OrderLock, TestApp, kill, until_somebody_waits};

/// Payments, moves to paid, fulfilments: each purchase leaves one of each.
async fn effects(app: &TestApp) -> (i64, i64, i64) {
    (
        app.value("select count(*) from payments").await,
        app.value("select count(*) from order_transitions where to_value = 'paid'").await,
        app.value("select count(*) from fulfilments").await,
    )
}

#[tokio::test]
async fn an_event_that_was_stored_before_the_crash_is_applied_after_it_once() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    let event = intent_succeeded("pi_1");
    assert_eq!(app.post_event(&event).await, 200);

    let app = TestApp::start_on(app.stop().await).await;
    assert_eq!(app.event_state(stripe::id(&event)).await.0, "pending");
    assert_eq!(effects(&app).await, (0, 0, 0));
    // Stripe did not hear our answer, either.
    assert_eq!(app.post_event(&event).await, 200);
    app.apply_events().await;
    app.apply_events().await;

    assert_eq!(app.event_state(stripe::id(&event)).await.0, "applied");
    assert_eq!(effects(&app).await, (1, 1, 1));
    assert_eq!(app.order("pi_1").await["status"], "paid");
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_batch_leaves_nothing_of_it_and_the_next_applies_all_of_it_once() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for intent in ["pi_1", "pi_2", "pi_3"] {
        let placed = app.place_order(&order(json!({ "payment_intent": intent }))).await;
        ids.push(placed["id"].as_str().unwrap().parse::<Uuid>().unwrap());
        app.post_event(&intent_succeeded(intent)).await;
    }
    ids.sort();
    // The batch has claimed its events and locked the first orders when it comes to this one.
    let lock = OrderLock::take(&app.database.url, ids[2]).await;
    let applier = app.applier();
    let batch = tokio::spawn(async move { applier.run_once().await });
    let stuck = until_somebody_waits(&app.pool).await;
    batch.abort();
    kill(&app.pool, stuck).await;
    lock.release().await;

    assert_eq!(effects(&app).await, (0, 0, 0));
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where state = 'pending'").await, 3);
    app.apply_events().await;
    app.apply_events().await;

    assert_eq!(effects(&app).await, (3, 3, 3));
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where state = 'applied'").await, 3);
    assert_eq!(
        app.value::<i64>("select max(attempts)::bigint from stripe_events").await,
        0,
        "no event's fault"
    );
}
