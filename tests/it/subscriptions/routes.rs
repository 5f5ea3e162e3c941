//! What a shop can ask of subscriptions, against the local Stripe.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::invoices::Desk;
use crate::invoices::desk::nothing;

/// A price of 10.00 USD a month for a product with this sku.
pub async fn price(desk: &Desk, sku: &str) -> String {
    let product = desk.in_dashboard("/v1/products", &[("name", sku)]).await;
    let form = [
        ("product", product["id"].as_str().unwrap()),
        ("currency", "usd"),
        ("unit_amount", "1000"),
        ("recurring[interval]", "month"),
        ("metadata[sku]", sku),
    ];
    desk.in_dashboard("/v1/prices", &form).await["id"].as_str().unwrap().to_owned()
}

/// A subscription of two pieces that is paid, with an order.
async fn subscribed(desk: &Desk) -> (String, String) {
    let customer = desk.customer(Some("visa")).await;
    let price = price(desk, "TEA").await;
    let asked = json!({ "customer": customer, "items": [{ "price": price, "quantity": 2 }],
      "payment_behavior": "allow_incomplete", "metadata": { "shop": "1" } });
    let (status, made) = desk.post("/v1/subscriptions", asked).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    desk.catch_up().await;
    (made["stripe_id"].as_str().unwrap().to_owned(), price)
}

async fn read(desk: &Desk, id: &str) -> Value {
    desk.get(&format!("/v1/subscriptions/{id}")).await
}

#[tokio::test]
async fn a_subscription_waits_for_its_first_payment_and_is_made_once() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let price = price(&desk, "TEA").await;
    let asked = json!({ "customer": customer, "items": [{ "price": price }] });

    let (status, made) = desk.post_with("/v1/subscriptions", asked.clone(), Some("k")).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!((&made["status"], &made["access"]), (&json!("incomplete"), &json!("revoked")), "{made}");
    let (_, again) = desk.post_with("/v1/subscriptions", asked, Some("k")).await;
    assert_eq!(again, made);
    let dunning = &made["dunning"];
    assert!(dunning["pay_here"].is_string(), "{made}");
    assert!(dunning["client_secret"].as_str().unwrap().contains("_secret_"), "{made}");

    desk.catch_up().await;
    let invoice = dunning["invoice"].as_str().unwrap();
    desk.keep_card(&customer, "visa").await;
    let (status, paid) = desk.post(&format!("/v1/invoices/{invoice}/pay"), nothing()).await;
    assert_eq!(status, StatusCode::OK, "{paid}");
    desk.catch_up().await;
    let found = read(&desk, made["id"].as_str().unwrap()).await;
    assert_eq!((&found["status"], &found["access"]), (&json!("active"), &json!("granted")), "{found}");
    assert_eq!(found["dunning"], Value::Null);
    assert_eq!(desk.shop.app.value::<i64>("select count(*) from subscriptions").await, 1);
    let order = desk.shop.app.order(invoice).await;
    assert_eq!(order["payment_status"], "paid");
    assert_eq!(order["billing"]["subscription"]["status"], "active");
}

#[tokio::test]
async fn an_answer_and_events_of_a_subscription_are_written_in_one_order() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let price = price(&desk, "TEA").await;
    let asked = json!({ "customer": customer, "items": [{ "price": price }] });
    let app = &desk.shop.app;
    // As the inbox does while it applies the events of its first invoice: the links of that first.
    let mut events = app.pool.begin().await.unwrap();
    sqlx::query("lock table invoice_payments in share row exclusive mode")
        .execute(&mut *events)
        .await
        .unwrap();

    let answer = desk.post("/v1/subscriptions", asked);
    let locked = async {
        let waiting = "select count(*) from pg_stat_activity
                       where wait_event_type = 'Lock' and datname = current_database()";
        while app.value::<i64>(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        // And then the subscription's row, which the answer must not hold meanwhile.
        let locked = sqlx::query("select from subscriptions for update nowait").fetch_all(&mut *events).await;
        events.rollback().await.unwrap();
        locked
    };
    let ((status, made), locked) = tokio::join!(answer, locked);

    assert_eq!(locked.unwrap().len(), 1);
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert!(made["dunning"]["invoice"].is_string(), "{made}");
}

#[tokio::test]
async fn a_lost_answer_makes_one_subscription() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("visa")).await;
    let price = price(&desk, "TEA").await;
    let asked = json!({ "customer": customer, "items": [{ "price": price }] });
    desk.shop.fault("lost", "/v1/subscriptions", 3);

    let (status, unknown) = desk.post_with("/v1/subscriptions", asked.clone(), Some("k")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{unknown}");
    // Events say which of our rows it is before any answer does.
    desk.shop.deliver().await;
    assert_eq!(desk.shop.app.value::<String>("select state from subscriptions").await, "known");
    let (status, made) = desk.post_with("/v1/subscriptions", asked, Some("k")).await;

    assert_eq!(status, StatusCode::CREATED, "{made}");
    let all = desk.shop.see("/v1/subscriptions").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(desk.shop.app.value::<i64>("select count(*) from subscriptions").await, 1);
}

#[tokio::test]
async fn quantities_and_items_are_changed() {
    let desk = Desk::open().await;
    let (id, tea) = subscribed(&desk).await;
    let cup = price(&desk, "CUP").await;
    let path = format!("/v1/subscriptions/{id}");

    let more = json!({ "items": [{ "price": tea, "quantity": 3 }, { "price": cup, "quantity": 1 }] });
    let (status, changed) = desk.post(&path, more).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    desk.catch_up().await;
    let found = read(&desk, &id).await;
    let items: Vec<(&Value, &Value)> =
        found["items"].as_array().unwrap().iter().map(|item| (&item["sku"], &item["quantity"])).collect();
    assert_eq!(items, [(&json!("TEA"), &json!(3)), (&json!("CUP"), &json!(1))], "{found}");

    let (status, _) = desk.post(&path, json!({ "items": [{ "sku": "TEA", "quantity": 0 }] })).await;
    assert_eq!(status, StatusCode::OK);
    desk.catch_up().await;
    assert_eq!(read(&desk, &id).await["items"].as_array().unwrap().len(), 1);
    desk.refused(
        &path,
        json!({ "items": [{ "sku": "CUP", "quantity": 0 }] }),
        422,
        "validation_failed",
        "at least one",
    )
    .await;
    desk.refused(
        &path,
        json!({ "items": [{ "sku": "NONE", "quantity": 1 }] }),
        422,
        "validation_failed",
        "NONE",
    )
    .await;
    desk.refused(&path, json!({ "items": [{ "sku": "CUP" }] }), 422, "validation_failed", "what changes")
        .await;
    desk.refused(&path, nothing(), 422, "validation_failed", "what is to change").await;
    let unknown = json!({ "items": [{ "price": "price_none", "quantity": 1 }] });
    desk.refused(&path, unknown, 422, "stripe_refused", "price_none").await;
}

#[tokio::test]
async fn a_subscription_is_paused_resumed_and_cancelled_at_the_end_of_its_period() {
    let desk = Desk::open().await;
    let (id, _) = subscribed(&desk).await;
    let act = |verb: &str| format!("/v1/subscriptions/{id}/{verb}");

    let (status, paused) = desk.post(&act("pause"), json!({ "behavior": "void" })).await;
    assert_eq!((status, &paused["pause_behaviour"]), (StatusCode::OK, &json!("void")), "{paused}");
    assert!(paused["access_reason"].as_str().unwrap().contains("paused"), "{paused}");
    let (_, resumed) = desk.post(&act("resume"), nothing()).await;
    assert_eq!(resumed["pause_behaviour"], Value::Null, "{resumed}");

    let (status, ending) = desk.post(&act("cancel"), nothing()).await;
    assert_eq!((status, &ending["cancel_at_period_end"]), (StatusCode::OK, &json!(true)), "{ending}");
    assert_eq!(ending["access"], "granted");
    let (_, kept) = desk.post(&act("resume"), nothing()).await;
    assert_eq!(kept["cancel_at_period_end"], false, "{kept}");
    desk.post(&act("cancel"), nothing()).await;
    desk.shop.app.clock.advance(Duration::from_secs(32 * 86_400));
    desk.shop.stripe.advance(Duration::ZERO);
    desk.catch_up().await;

    let over = read(&desk, &id).await;
    assert_eq!((&over["status"], &over["access"]), (&json!("canceled"), &json!("revoked")), "{over}");
    for (verb, body) in [("pause", json!({ "behavior": "void" })), ("resume", nothing())] {
        desk.refused(&act(verb), body, 409, "subscription_over", "make a new subscription").await;
    }
    let path = format!("/v1/subscriptions/{id}");
    desk.refused(&path, json!({ "metadata": { "a": "b" } }), 409, "subscription_over", "cannot be changed")
        .await;
    assert_eq!(desk.post(&act("cancel"), nothing()).await.0, StatusCode::OK, "it is so already");
}

#[tokio::test]
async fn a_subscription_is_cancelled_now_whatever_becomes_of_the_answer() {
    let desk = Desk::open().await;
    let (id, _) = subscribed(&desk).await;
    let path = format!("/v1/subscriptions/{id}/cancel");
    let lost =
        json!({ "kind": "lost", "path": format!("/v1/subscriptions/{id}"), "method": "DELETE", "times": 3 });
    desk.shop.stripe.order_fault(serde_json::from_value(lost).unwrap());

    let (status, unknown) = desk.post(&path, json!({ "when": "now" })).await;
    // The client asks several times itself, and of what is over Stripe says that there is nothing to end.
    if status != StatusCode::OK {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{unknown}");
        assert!(read(&desk, &id).await["is_ending"].as_bool().unwrap());
        desk.shop.app.clock.advance(Duration::from_secs(600));
        desk.look().await;
    }

    let over = read(&desk, &id).await;
    assert_eq!((&over["status"], &over["is_ending"]), (&json!("canceled"), &json!(false)), "{over}");
    desk.catch_up().await;
    assert_eq!(read(&desk, &id).await["access"], "revoked");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_in_the_words_of_a_shop() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let price = price(&desk, "TEA").await;
    let with = |fields: Value| {
        let mut asked = json!({ "customer": customer, "items": [{ "price": price }] });
        asked.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        asked
    };
    for (fields, advice) in [
        (json!({ "customer": "ada" }), "cus_"),
        (json!({ "items": [] }), "1 to 20 items"),
        (json!({ "items": [{ "price": price, "quantity": 0 }] }), "1 to 999999"),
        (json!({ "trial_days": 0 }), "no trial"),
        (json!({ "days_until_due": 7 }), "send_invoice"),
        (json!({ "collection_method": "send_invoice" }), "within how many days"),
        (json!({ "collection_method": "by_pigeon" }), "send_invoice"),
        (json!({ "default_payment_method": "tok_1" }), "pm_"),
        (json!({ "colour": "red" }), "colour"),
    ] {
        desk.refused("/v1/subscriptions", with(fields), 422, "validation_failed", advice).await;
    }
    desk.refused(
        "/v1/subscriptions",
        with(json!({ "customer": "cus_none" })),
        422,
        "stripe_refused",
        "cus_none",
    )
    .await;
    desk.refused("/v1/subscriptions/sub_none/pause", nothing(), 404, "not_found", "sub_none").await;
    desk.refused(
        "/v1/subscriptions/sub_none/cancel",
        json!({ "when": "later" }),
        422,
        "validation_failed",
        "later",
    )
    .await;
    let refused = desk.get("/v1/subscriptions").await;
    assert_eq!(refused["data"][0]["state"], "refused", "nothing half made: {refused}");
}

#[tokio::test]
async fn a_slow_old_look_never_overwrites_what_came_since() {
    let desk = Desk::open().await;
    let (id, _) = subscribed(&desk).await;
    // While a look is under way an event says that it is over; the look saw it active.
    sqlx::query("update subscriptions set next_look_at = now() - interval '1 day'")
        .execute(&desk.shop.app.pool)
        .await
        .unwrap();
    let slow = json!({ "kind": "slow", "path": format!("/v1/subscriptions/{id}"), "method": "GET", "times": 1,
      "ms": 12_000 });
    desk.shop.stripe.order_fault(serde_json::from_value(slow).unwrap());
    let subscriptions = desk.patient_subscriptions();
    let looking = tokio::spawn(async move { subscriptions.run_once().await.unwrap() });
    while desk.shop.app.value::<bool>("select next_look_at < now() from subscriptions").await {
        tokio::task::yield_now().await;
    }
    let shape = crate::support::stripe::Shape::New;
    let over = super::events::subscription(shape, &id, json!({ "status": "canceled" }));
    desk.shop.app.deliver(&[super::events::told("deleted", 900_000_000, over)]).await;
    looking.await.unwrap();

    assert_eq!(read(&desk, &id).await["status"], "canceled", "the look saw it active, and began before");
    assert!(
        desk.shop.app.value::<bool>("select next_look_at is not null from subscriptions").await,
        "it looks again"
    );
}

#[tokio::test]
async fn what_the_catalogue_made_is_subscribed_to_by_our_own_ids() {
    let desk = Desk::open().await;
    let made = async |path: &str, body: Value| {
        let (status, made) = desk.post(path, body).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {made}");
        made["id"].as_str().unwrap().to_owned()
    };
    let customer = made("/v1/customers", json!({ "name": "Ada", "email": "ada@example.com" })).await;
    let product = made("/v1/products", json!({ "name": "Tea", "sku": "TEA-250" })).await;
    let once = json!({ "product": product, "currency": "usd", "unit_amount": 900 });
    let mut monthly = once.clone();
    monthly["recurring"] = json!({ "interval": "month", "interval_count": 1 });
    let (once, monthly) = (made("/v1/prices", once).await, made("/v1/prices", monthly).await);

    let asked = |price: &str| json!({ "customer": customer, "items": [{ "price": price }] });
    desk.refused("/v1/subscriptions", asked(&once), 422, "validation_failed", "recurs").await;
    desk.refused("/v1/subscriptions", asked("tea"), 422, "validation_failed", "there is no price").await;
    let (status, made) = desk.post("/v1/subscriptions", asked(&monthly)).await;

    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["items"][0]["unit_amount"], 900);
    desk.catch_up().await;
    let invoice = made["dunning"]["invoice"].as_str().unwrap();
    let order = desk.shop.app.order(invoice).await;
    assert_eq!(order["amount_total"], 900, "{order}");
    let skus: Vec<&Value> = order["lines"].as_array().unwrap().iter().map(|line| &line["sku"]).collect();
    assert_eq!(skus, ["TEA-250"]);
}
