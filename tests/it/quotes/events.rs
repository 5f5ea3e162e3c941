//! What Stripe's events tell of quotes, in whatever order and however often.

use packline::quotes::QuoteState;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{event, id, with};

/// A quote of 150.00 USD each month, as Stripe tells it in a state.
pub fn quote(id: &str, status: &str) -> Value {
    let is_finalized = status != "draft";
    let is_accepted = status == "accepted";
    json!({
        "id": id, "object": "quote", "amount_subtotal": 15_000, "amount_total": 15_000, "application": null,
        "collection_method": "charge_automatically",
        "computed": {
            "recurring": { "amount_subtotal": 15_000, "amount_total": 15_000, "interval": "month", "interval_count": 1 },
            "upfront": { "amount_subtotal": 15_000, "amount_total": 15_000 }
        },
        "created": 1_760_000_000, "currency": "usd", "customer": "cus_1", "description": "Tea", "discounts": [],
        "expires_at": 1_762_592_000, "footer": null, "from_quote": null, "header": null,
        "invoice": is_accepted.then_some("in_1"), "livemode": false, "metadata": { "desk": "7" },
        "number": is_finalized.then_some("QT-1-1"), "status": status,
        "status_transitions": {
            "accepted_at": is_accepted.then_some(1_760_000_200),
            "canceled_at": (status == "canceled").then_some(1_760_000_200),
            "finalized_at": is_finalized.then_some(1_760_000_100)
        },
        "subscription": is_accepted.then_some("sub_1"), "subscription_schedule": null
    })
}

/// `quote.created`, `quote.finalized`, `quote.accepted` or `quote.canceled`.
fn told(event_type: &str, id: &str) -> Value {
    let status = match event_type {
        "created" => "draft",
        "finalized" => "open",
        status => status,
    };
    event(&format!("quote.{event_type}"), quote(id, status))
}

async fn read(app: &TestApp, name: &str) -> Value {
    let response = app.get(&format!("/v1/quotes/{name}")).await;
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_quote_of_the_dashboard_is_learnt_and_followed() {
    let app = TestApp::start().await;

    app.deliver(&[told("created", "qt_1")]).await;
    let learnt = read(&app, "qt_1").await;
    app.deliver(&[told("finalized", "qt_1"), told("accepted", "qt_1")]).await;
    let accepted = read(&app, learnt["id"].as_str().unwrap()).await;

    assert_eq!((&learnt["origin"], &learnt["state"]), (&json!("stripe"), &json!("draft")));
    assert_eq!(learnt["metadata"], json!({ "desk": "7" }));
    assert_eq!(learnt["lines"], Value::Null, "events do not tell them");
    assert_eq!(accepted["state"], "accepted");
    assert_eq!((&accepted["invoice"], &accepted["subscription"]), (&json!("in_1"), &json!("sub_1")));
    assert_eq!((&accepted["number"], &accepted["amount_total"]), (&json!("QT-1-1"), &json!(15_000)));
    assert_eq!(
        accepted["recurring"],
        json!({ "amount_total": 15_000, "interval": "month", "interval_count": 1 })
    );
    assert_eq!(accepted["finalized_at"], "2025-10-09T08:55:00Z");
}

#[tokio::test]
async fn any_order_of_its_events_with_any_duplicates_ends_in_the_same_quote() {
    let app = TestApp::start().await;
    let mut orders = Vec::new();
    for first in 0..3 {
        for second in (0..3).filter(|second| *second != first) {
            orders.push([first, second, 3 - first - second]);
        }
    }
    let events = ["created", "finalized", "accepted"];
    let mut seen: Option<Value> = None;
    for (number, order) in orders.iter().enumerate() {
        let name = format!("qt_{number}");
        let told: Vec<Value> = order.iter().map(|at| told(events[*at], &name)).collect();
        if number % 2 == 0 {
            app.deliver(&told).await;
        } else {
            app.deliver_at_once(&told).await;
        }
        app.deliver(&told).await;

        let quote = read(&app, &name).await;
        let quote =
            with(quote, json!({ "id": null, "stripe_id": null, "created_at": null, "updated_at": null }));
        assert_eq!(quote["state"], "accepted", "{order:?}");
        assert_eq!(seen.get_or_insert_with(|| quote.clone()), &quote, "{order:?}");
    }
    assert_eq!(app.value::<i64>("select count(*) from quotes").await, 6, "one each");
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where state <> 'applied'").await, 0);
}

#[tokio::test]
async fn late_news_never_undoes_what_is_known_and_says_so() {
    let app = TestApp::start().await;
    let late = told("finalized", "qt_1");

    app.deliver(&[told("canceled", "qt_1"), late.clone()]).await;

    let quote = read(&app, "qt_1").await;
    assert_eq!((&quote["state"], &quote["reason"]), (&json!("cancelled"), &json!("it was called off")));
    let (state, reason) = app.event_state(id(&late)).await;
    assert_eq!((state.as_str(), reason.as_deref()), ("applied", Some("the quote is cancelled already")));
}

#[tokio::test]
async fn a_quote_whose_time_is_over_says_so_before_and_after_stripe_does() {
    let app = TestApp::start().await;
    app.deliver(&[told("finalized", "qt_1")]).await;
    let now = app.clock.now().unix_timestamp();
    let open = with(quote("qt_2", "open"), json!({ "expires_at": now + 60 }));
    app.deliver(&[event("quote.finalized", open.clone())]).await;
    assert_eq!(read(&app, "qt_2").await["expired"], false);

    app.clock.advance(std::time::Duration::from_secs(61));
    let expired = read(&app, "qt_2").await;
    assert_eq!((&expired["state"], &expired["expired"]), (&json!("open"), &json!(true)));

    let transitions = json!({ "accepted_at": null, "canceled_at": now + 60, "finalized_at": now });
    let cancelled = with(open, json!({ "status": "canceled", "status_transitions": transitions }));
    app.deliver(&[event("quote.canceled", cancelled)]).await;
    let cancelled = read(&app, "qt_2").await;
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!((&cancelled["expired"], &cancelled["reason"]), (&json!(false), &json!("its time was over")));
}

#[tokio::test]
async fn a_quote_of_a_connected_account_and_one_in_no_known_status_are_set_aside_or_failed_and_harm_nobody() {
    let app = TestApp::start().await;
    let theirs = with(told("created", "qt_1"), json!({ "account": "acct_1" }));
    let strange = event("quote.created", with(quote("qt_2", "draft"), json!({ "status": "haggling" })));
    assert_eq!(app.post_connect_event(&theirs).await, StatusCode::OK);
    assert_eq!(app.post_event(&strange).await, StatusCode::OK);

    app.deliver_at_once(&[told("created", "qt_3")]).await;

    let (state, reason) = app.event_state(id(&theirs)).await;
    assert_eq!(state, "set_aside", "{reason:?}");
    let (state, reason) = app.event_state(id(&strange)).await;
    assert!(state == "pending" && reason.clone().unwrap().contains("haggling"), "{state}: {reason:?}");
    assert_eq!(read(&app, "qt_3").await["state"], QuoteState::Draft.as_str());
    assert_eq!(app.value::<i64>("select count(*) from quotes").await, 1);
}

#[tokio::test]
async fn quotes_are_listed_and_people_see_them_in_sql() {
    let app = TestApp::start().await;
    app.deliver(&[told("created", "qt_1"), told("accepted", "qt_2")]).await;

    let list = |query: &str| {
        let path = format!("/v1/quotes{query}");
        let app = &app;
        async move { app.get(&path).await.json::<Value>().await.unwrap()["data"].as_array().unwrap().len() }
    };
    assert_eq!(list("").await, 2);
    assert_eq!(list("?state=accepted").await, 1);
    assert_eq!(list("?customer=cus_1").await, 2);
    assert_eq!(list("?customer=cus_2").await, 0);
    assert_eq!(app.get("/v1/quotes?state=haggling").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(app.get("/v1/quotes/qt_none").await.status(), StatusCode::NOT_FOUND);
    let row: String =
        app.value("select state || ' ' || invoice from ops_v1.quotes where stripe_id = 'qt_2'").await;
    assert_eq!(row, "accepted in_1");
}

#[tokio::test]
async fn what_is_billed_in_the_other_mode_of_stripe_leaves_nothing_but_its_event() {
    let app = TestApp::start().await;
    let object = |id: &str, kind: &str| {
        json!({
            "id": id, "object": kind, "livemode": true, "status": "open", "currency": "usd", "customer": "cus_1",
            "amount_due": 500, "amount_paid": 0, "amount_remaining": 500, "created": 1_760_000_000,
            "items": { "data": [] }, "lines": { "data": [] }, "payment_status": "paid", "mode": "payment"
        })
    };
    let live = [
        event("quote.finalized", with(quote("qt_live", "open"), json!({ "livemode": true }))),
        event("invoice.finalized", object("in_live", "invoice")),
        event(
            "customer.subscription.created",
            with(object("sub_live", "subscription"), json!({ "status": "active" })),
        ),
        event("checkout.session.completed", object("cs_live", "checkout.session")),
    ]
    .map(|told| with(told, json!({ "livemode": true })));

    app.deliver(&live).await;

    for told in &live {
        let (state, reason) = app.event_state(id(told)).await;
        assert_eq!(state, "set_aside", "{told}");
        assert!(reason.as_deref().unwrap_or_default().contains("live"), "{reason:?}");
    }
    for (table, path) in [
        ("quotes", "quotes/qt_live"),
        ("invoices", "invoices/in_live"),
        ("subscriptions", "subscriptions/sub_live"),
    ] {
        assert_eq!(app.get(&format!("/v1/{path}")).await.status(), StatusCode::NOT_FOUND, "{table}");
    }
    let rows = "select (select count(*) from quotes) + (select count(*) from invoices) + (select count(*) from orders)
                  + (select count(*) from subscriptions) + (select count(*) from order_refs)";
    assert_eq!(app.value::<i64>(rows).await, 0);
}
