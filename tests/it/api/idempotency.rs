//! `Idempotency-Key`: a repetition gets the same answer and has no other effect.

use packline::api;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fault;
use crate::support::TestApp;
use crate::support::stripe::order;

#[tokio::test]
async fn the_same_key_with_the_same_body_gets_the_same_answer() {
    let app = TestApp::start().await;
    let body = order(json!({ "payment_intent": "pi_1" }));

    let first = app.post_order(&body, Some("key-1")).await;
    let again = app.post_order(&body, Some("key-1")).await;

    assert_eq!((first.status(), again.status()), (StatusCode::CREATED, StatusCode::CREATED));
    assert!(!first.headers().contains_key("idempotent-replayed"));
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.headers()["content-type"], "application/json");
    assert_eq!(first.text().await.unwrap(), again.text().await.unwrap());
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn without_a_key_every_request_makes_an_order() {
    let app = TestApp::start().await;

    app.place_order(&order(json!({}))).await;
    app.place_order(&order(json!({}))).await;

    assert_eq!(app.value::<i64>("select count(*) from orders").await, 2);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let app = TestApp::start().await;
    app.post_order(&order(json!({})), Some("key-1")).await;

    let other = app.post_order(&order(json!({ "currency": "eur" })), Some("key-1")).await;

    let (status, code, _) = fault(other).await;
    assert_eq!((status, code.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn while_the_first_request_runs_the_second_is_told_to_wait() {
    let app = TestApp::start().await;
    // What a request holds while it runs.
    let mut running = app.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended(id || '/key-1', 1)) from api_keys")
        .execute(&mut *running)
        .await
        .unwrap();

    let second = app.post_order(&order(json!({})), Some("key-1")).await;
    let other_key = app.post_order(&order(json!({})), Some("key-2")).await;
    running.rollback().await.unwrap();
    let third = app.post_order(&order(json!({})), Some("key-1")).await;

    let (status, code, _) = fault(second).await;
    assert_eq!((status, code.as_str()), (StatusCode::CONFLICT, "idempotency_key_in_use"));
    assert_eq!(other_key.status(), StatusCode::CREATED);
    assert_eq!(third.status(), StatusCode::CREATED);
    assert!(!third.headers().contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn keys_of_two_merchants_do_not_meet() {
    let app = TestApp::start().await;
    let mut conn = app.pool.acquire().await.unwrap();
    let theirs = api::create_key(&mut conn, "other", app.clock.now()).await.unwrap().text;
    let ours: Value = app.post_order(&order(json!({})), Some("key-1")).await.json().await.unwrap();

    let request = app.client.post(format!("{}/v1/orders", app.base)).bearer_auth(theirs);
    let request = request.header("idempotency-key", "key-1").json(&order(json!({ "currency": "eur" })));
    let response = request.send().await.unwrap();

    assert_eq!(response.status(), StatusCode::CREATED);
    assert_ne!(response.json::<Value>().await.unwrap()["id"], ours["id"]);
}

#[tokio::test]
async fn twenty_requests_at_once_with_one_key_make_one_order() {
    let app = TestApp::start().await;
    let body = order(json!({ "payment_intent": "pi_1" }));

    let answers = futures_util::future::join_all((0..20).map(|_| app.post_order(&body, Some("key-1")))).await;

    let mut made = std::collections::BTreeSet::new();
    for answer in answers {
        match answer.status() {
            StatusCode::CREATED => drop(made.insert(answer.text().await.unwrap())),
            status => assert_eq!(status, StatusCode::CONFLICT, "{}", answer.text().await.unwrap()),
        }
    }
    assert_eq!(made.len(), 1, "all who got an answer got the same");
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 1);
    assert_eq!(app.post_order(&body, Some("key-1")).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_request_that_failed_does_not_burn_its_key() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "A-1" }))).await;
    // Often, and each at once after the other: what a failed request had locked is free before it is answered.
    for round in 0..50 {
        let key = format!("key-{round}");
        let invalid = app.post_order(&order(json!({ "currency": "dollars" })), Some(&key)).await;
        let taken = app.post_order(&order(json!({ "number": "A-1" })), Some(&key)).await;

        let mended = app.post_order(&order(json!({})), Some(&key)).await;

        assert_eq!(invalid.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(fault(taken).await.1, "number_taken");
        assert_eq!(mended.status(), StatusCode::CREATED, "round {round}");
    }
}

#[tokio::test]
async fn a_key_is_one_to_255_visible_characters() {
    let app = TestApp::start().await;

    for key in ["", "  ", "\"\"", &"x".repeat(256)] {
        let (status, code, _) = fault(app.post_order(&order(json!({})), Some(key)).await).await;
        assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "bad_idempotency_key"), "{key}");
    }
    // The draft writes keys as strings in quotes; most clients do not.
    let bare = app.post_order(&order(json!({})), Some("8e03978e")).await;
    let quoted = app.post_order(&order(json!({})), Some("\"8e03978e\"")).await;
    assert_eq!(bare.text().await.unwrap(), quoted.text().await.unwrap());
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 1);
}
