//! `GET /v1/orders`: filters, pages, and what is refused.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::{fault, fault_body};
use crate::support::TestApp;
use crate::support::stripe::{dispute, intent_failed, intent_succeeded, order};

async fn list(app: &TestApp, query: &str) -> Value {
    let response = app.get(&format!("/v1/orders?{query}")).await;
    assert_eq!(response.status(), StatusCode::OK, "{query}");
    response.json().await.unwrap()
}

fn numbers(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|order| order["number"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_filter_narrows_the_list_and_the_newest_comes_first() {
    let app = TestApp::start().await;
    let place = async |number: &str, intent: &str, email: &str| {
        let customer = json!({ "email": email });
        app.place_order(&order(json!({ "number": number, "payment_intent": intent, "customer": customer })))
            .await;
        let at = app.clock.now();
        app.clock.advance(Duration::from_secs(60));
        at.format(&Rfc3339).unwrap()
    };
    let first = place("waits", "pi_1", "ada@example.com").await;
    let second = place("paid", "pi_2", "Ada@Example.com").await;
    place("failed", "pi_3", "bob@example.com").await;
    place("held", "pi_4", "bob@example.com").await;
    place("done", "pi_5", "bob@example.com").await;
    app.deliver(&[intent_succeeded("pi_5")]).await;
    app.run_fulfilments().await;
    app.deliver(&[
        intent_succeeded("pi_2"),
        intent_failed("pi_3"),
        intent_succeeded("pi_4"),
        dispute("created", "du_1", "pi_4", "needs_response"),
    ])
    .await;

    for (query, expected) in [
        ("", vec!["done", "held", "failed", "paid", "waits"]),
        ("status=paid", vec!["paid"]),
        ("status=on_hold", vec!["held"]),
        ("status=fulfilled", vec!["done"]),
        ("status=refunded", vec![]),
        ("payment_status=paid", vec!["done", "held", "paid"]),
        ("payment_status=payment_failed", vec!["failed"]),
        ("fulfilment_status=queued", vec!["held", "paid"]),
        ("payment_status=paid&fulfilment_status=fulfilled", vec!["done"]),
        ("email=ADA@example.com", vec!["paid", "waits"]),
        ("email=nobody@example.com", vec![]),
        (&format!("created_from={second}"), vec!["done", "held", "failed", "paid"]),
        (&format!("created_before={second}"), vec!["waits"]),
        (&format!("created_from={first}&created_before={second}&email=ada@example.com"), vec!["waits"]),
        ("limit=2", vec!["done", "held"]),
    ] {
        assert_eq!(numbers(&list(&app, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_have_neither_gaps_nor_repeats_though_all_orders_are_of_one_moment() {
    let app = TestApp::start().await;
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(app.place_order(&order(json!({}))).await["number"].as_str().unwrap().to_owned());
    }

    let mut seen: Vec<String> = Vec::new();
    let mut pages = Vec::new();
    let mut query = "limit=3".to_owned();
    loop {
        let page = list(&app, &query).await;
        pages.push(numbers(&page).len());
        seen.extend(numbers(&page).into_iter().map(str::to_owned));
        // One more appears while the pages are turned; it is newer than all of them.
        app.place_order(&order(json!({}))).await;
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=3&cursor={cursor}"),
            None => break,
        }
    }

    assert_eq!(pages, [3, 3, 1]);
    placed.reverse();
    assert_eq!(seen, placed);
}

#[tokio::test]
async fn a_last_page_that_is_full_says_that_it_is_the_last() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.place_order(&order(json!({}))).await;
    }

    let page = list(&app, "limit=3").await;

    assert_eq!((numbers(&page).len(), &page["next_cursor"]), (3, &Value::Null));
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let app = TestApp::start().await;

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=", "cursor"),
        ("cursor=nonsense", "cursor"),
        ("cursor=AAAA", "cursor"),
        // 99999999999999999999999999999999.019e0000-0000-7000-8000-000000000000
        (
            "cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkuMDE5ZTAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAw",
            "cursor",
        ),
        ("status=gone", "status"),
        ("payment_status=fulfilled", "payment_status"),
        ("fulfilment_status=paid", "fulfilment_status"),
        ("created_from=yesterday", "created_from"),
        ("created_before=2026-01-31", "created_before"),
        ("email=a%00b", "email"),
    ] {
        let (status, code, fields) = fault(app.get(&format!("/v1/orders?{query}")).await).await;
        assert_eq!(
            (status, code.as_str(), fields.as_slice()),
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", &[field.to_owned()][..]),
            "{query}"
        );
    }
    let (_, _, fields) = fault(app.get("/v1/orders?limit=0&status=gone&cursor=x").await).await;
    assert_eq!(fields, ["status", "limit", "cursor"], "all at once");
    for query in ["stauts=paid", "status=paid&status=paid"] {
        let (status, fault) = fault_body(app.get(&format!("/v1/orders?{query}")).await).await;
        assert_eq!((status, &fault["code"]), (StatusCode::BAD_REQUEST, &json!("bad_query")));
        let name = query.split('=').next().unwrap();
        assert!(fault["message"].as_str().unwrap().contains(name), "{fault}");
    }
}

#[tokio::test]
async fn times_at_the_ends_of_the_calendar_are_only_times() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({}))).await;

    let page = list(&app, "created_from=0000-01-01T00:00:00Z&created_before=9999-12-31T23:59:59Z").await;

    assert_eq!(numbers(&page).len(), 1);
}
