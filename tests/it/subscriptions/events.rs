//! What events tell of subscriptions: the same rows in any order, with any duplicates, in both shapes.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{Shape, event, id as event_id, invoice, with};

/// A subscription of two pieces a month.
pub fn subscription(shape: Shape, id: &str, fields: Value) -> Value {
    let price = json!({ "id": "price_tea", "object": "price", "unit_amount": 1000, "currency": "usd", "product": "prod_1",
      "lookup_key": null, "metadata": { "sku": "TEA" }, "recurring": { "interval": "month", "interval_count": 1 } });
    let item = json!({ "id": id.replace("sub_", "si_"), "object": "subscription_item", "price": price, "quantity": 2,
      "metadata": {} });
    let period = json!({ "current_period_start": 1_760_000_000, "current_period_end": 1_762_600_000 });
    let (item, top) = match shape {
        Shape::Old => (item, period),
        Shape::New => (with(item, period), json!({})),
    };
    let base = json!({ "id": id, "object": "subscription", "status": "active", "customer": "cus_1", "currency": "usd",
      "collection_method": "charge_automatically", "created": 1_760_000_000, "start_date": 1_760_000_000,
      "cancel_at_period_end": false, "cancel_at": null, "canceled_at": null, "ended_at": null, "schedule": null,
      "latest_invoice": "in_1", "metadata": {}, "pause_collection": null, "trial_end": null,
      "items": { "object": "list", "data": [item] } });
    with(with(base, top), fields)
}

/// An event of a subscription, `second` seconds after it was made.
pub fn told(event_type: &str, second: i64, object: Value) -> Value {
    let event = event(&format!("customer.subscription.{event_type}"), object);
    with(event, json!({ "created": 1_760_000_000 + second }))
}

async fn read(app: &TestApp, id: &str) -> Value {
    let response = app.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!(response.status(), StatusCode::OK, "{id}");
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_subscription_is_as_its_latest_snapshot_says_in_either_shape() {
    let app = TestApp::start().await;
    for (shape, id) in [(Shape::Old, "sub_old"), (Shape::New, "sub_new")] {
        app.deliver(&[told("updated", 5, subscription(shape, id, json!({})))]).await;
        let late = told("created", 0, subscription(shape, id, json!({ "status": "incomplete" })));
        app.deliver(std::slice::from_ref(&late)).await;

        let found = read(&app, id).await;
        assert_eq!(found["status"], "active");
        assert_eq!(found["access"], "granted");
        assert_eq!(found["current_period_end"], "2025-11-08T11:06:40Z", "{shape:?}");
        assert_eq!(found["items"][0]["sku"], "TEA");
        assert_eq!(found["items"][0]["quantity"], 2);
        assert_eq!(found["items"][0]["interval"], "month");
        let (state, reason) = app.event_state(event_id(&late)).await;
        assert_eq!(state, "applied");
        assert!(reason.unwrap().contains("later state"));
    }
    let list: Value = app.get("/v1/subscriptions?status=active").await.json().await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(app.get("/v1/subscriptions?status=unheard").await.status(), 422);
    assert_eq!(app.get("/v1/subscriptions/sub_none").await.status(), 404);
}

#[tokio::test]
async fn a_life_ends_in_the_same_row_in_whatever_order_its_events_come() {
    let app = TestApp::start().await;
    let story = |id: &str| {
        let sub = |fields| subscription(Shape::New, id, fields);
        vec![
            told("created", 0, sub(json!({ "status": "incomplete" }))),
            told("updated", 0, sub(json!({}))),
            told("updated", 100, sub(json!({ "status": "past_due", "latest_invoice": "in_2" }))),
            told("updated", 200, sub(json!({ "latest_invoice": "in_2" }))),
            told("updated", 300, sub(json!({ "cancel_at_period_end": true }))),
            told("deleted", 400, sub(json!({ "status": "canceled", "ended_at": 1_760_000_400 }))),
        ]
    };
    let mut expected = None;
    for turn in 0..12 {
        let id = format!("sub_n{turn}x");
        let mut events = story(&id);
        let length = events.len();
        events.rotate_left(turn % length);
        if turn >= length {
            events.reverse();
        }
        events.push(events[turn % length].clone());
        if turn % 2 == 0 {
            app.deliver(&events).await
        } else {
            app.deliver_at_once(&events).await
        }
        let mut found = read(&app, &id).await;
        for own in ["id", "updated_at"] {
            found[own] = Value::Null;
        }
        let end = found.to_string().replace(&id[4..], "N");
        assert!(end.contains("\"canceled\"") && end.contains("revoked"), "{end}");
        assert_eq!(*expected.get_or_insert_with(|| end.clone()), end, "turn {turn}");
    }
}

#[tokio::test]
async fn what_is_not_paid_is_shown_with_the_link_for_the_customer() {
    let app = TestApp::start().await;
    let unpaid = with(
        invoice(Shape::New, "in_2", "pi_2"),
        json!({ "attempt_count": 2, "next_payment_attempt": 1_760_500_000, "number": "PL-0002",
          "hosted_invoice_url": "https://invoice.example/in_2",
          "parent": { "type": "subscription_details", "subscription_details": { "subscription": "sub_1" } } }),
    );
    app.deliver(&[
        told("updated", 100, subscription(Shape::New, "sub_1", json!({ "status": "past_due" }))),
        event("invoice.payment_failed", unpaid.clone()),
    ])
    .await;

    let found = read(&app, "sub_1").await;
    assert_eq!(found["access"], "granted", "Stripe still tries");
    assert_eq!(found["dunning"]["invoice"], "in_2", "{found}");
    assert_eq!(found["dunning"]["attempt_count"], 2);
    assert_eq!(found["dunning"]["next_payment_attempt"], "2025-10-15T03:46:40Z");
    assert_eq!(found["dunning"]["pay_here"], "https://invoice.example/in_2");
    let seen: (String, String, String) = sqlx::query_as(
        "select access, unpaid_invoice, pay_here from ops_v1.subscriptions where stripe_id = 'sub_1'",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(seen, ("granted".into(), "in_2".into(), "https://invoice.example/in_2".into()));

    let paid = with(unpaid, json!({ "status": "paid", "amount_paid": 2000, "amount_remaining": 0 }));
    app.deliver(&[event("invoice.paid", paid)]).await;
    assert_eq!(read(&app, "sub_1").await["dunning"], Value::Null);
}

#[tokio::test]
async fn a_schedule_leads_to_the_subscription_that_it_became() {
    let app = TestApp::start().await;
    let schedule = |status: &str, subscription: Value, second: i64| {
        let object = json!({ "id": "sub_sched_1", "object": "subscription_schedule", "status": status,
          "customer": "cus_1", "subscription": subscription, "released_subscription": null,
          "phases": [{ "start_date": 1_760_000_000 }] });
        with(event("subscription_schedule.updated", object), json!({ "created": 1_760_000_000 + second }))
    };
    let subscribed = subscription(Shape::New, "sub_1", json!({ "schedule": "sub_sched_1" }));
    app.deliver(&[
        schedule("completed", Value::Null, 30),
        schedule("active", json!("sub_1"), 20),
        schedule("not_started", Value::Null, 10),
        told("created", 20, subscribed),
    ])
    .await;

    assert_eq!(read(&app, "sub_sched_1").await["stripe_id"], "sub_1");
    let status: String = app.value("select status from subscription_schedules").await;
    assert_eq!(status, "completed");
}

#[tokio::test]
async fn without_a_key_for_stripe_nothing_can_be_asked_but_all_be_read() {
    let app = TestApp::start().await;
    app.deliver(&[told("created", 0, subscription(Shape::New, "sub_1", json!({})))]).await;

    let request = app.api(app.client.post(format!("{}/v1/subscriptions/sub_1/pause", app.base)));
    let response = request.send().await.unwrap();

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer: Value = response.json().await.unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("STRIPE_SECRET_KEY"), "{answer}");
}
