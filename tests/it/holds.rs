//! Holds that people open and end by the command line.

use serde_json::json;

use crate::cli::{complaint, on, printed};
use crate::support::stripe::{dispute, event, intent_succeeded, order, succeeded, with};
use crate::support::{Proxy, TestApp};

#[tokio::test]
async fn a_released_hold_lets_the_order_go_on_and_says_who_and_why() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "A-1", "payment_intent": "pi_1" }))).await;
    let short = json!({ "amount_received": 1500 });
    app.deliver(&[event("payment_intent.succeeded", with(succeeded("pi_1"), short))]).await;
    assert_eq!(app.order("A-1").await["status"], "on_hold");
    let release = |order, hold| {
        on(
            &app.database,
            &[
                "orders",
                "release",
                order,
                "--hold",
                hold,
                "--by",
                "Grace",
                "--why",
                "a voucher paid the rest",
            ],
        )
    };

    let wrong = complaint(release("A-1", "dispute"), 1);
    assert!(wrong.contains("no open hold dispute"), "{wrong}");
    assert_eq!(printed(release("A-1", "amount_mismatch")), "the hold amount_mismatch of A-1 is released\n");
    let again = complaint(release("A-1", "amount_mismatch"), 1);
    assert!(again.contains("no open hold amount_mismatch"), "{again}");

    let released = app.order("A-1").await;
    assert_eq!((&released["status"], &released["amount_paid"]), (&json!("paid"), &json!(1500)));
    // The program runs on the machine's time, which the test's clock is behind.
    app.clock.advance(std::time::Duration::from_secs(120));
    app.run_fulfilments().await;
    assert_eq!(app.order("A-1").await["status"], "fulfilled");
    let said: (String, String) =
        sqlx::query_as("select released_by, release_reason from holds").fetch_one(&app.pool).await.unwrap();
    assert_eq!(said, ("Grace".to_owned(), "a voucher paid the rest".to_owned()));
    let shown = printed(on(&app.database, &["orders", "show", "A-1"]));
    assert!(shown.contains("operator") && shown.contains("Grace"), "{shown}");
    // The same money told again changes nothing of what a person decided.
    app.deliver(&[event(
        "payment_intent.succeeded",
        with(succeeded("pi_1"), json!({ "amount_received": 1500 })),
    )])
    .await;
    assert_eq!(app.order("A-1").await["status"], "fulfilled");
}

#[tokio::test]
async fn a_refused_command_has_let_go_of_the_order_when_it_ends() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "A-1" }))).await;
    let proxy = Proxy::before(&app.database.url);
    proxy.keep_sessions();

    let mut refused = on(
        &app.database,
        &[
            "orders",
            "release",
            "A-1",
            "--hold",
            "dispute",
            "--by",
            "Grace",
            "--why",
            "the customer withdrew it",
        ],
    );
    complaint(
        {
            refused.env("DATABASE_URL", &proxy.url);
            refused
        },
        1,
    );

    let free = sqlx::query("select from orders for update skip locked").fetch_all(&app.pool).await.unwrap();
    assert_eq!(free.len(), 1, "the order is still locked");
}

#[tokio::test]
async fn an_order_that_is_released_from_a_dispute_is_sent_once() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "A-1", "payment_intent": "pi_1" }))).await;
    app.deliver(&[dispute("created", "du_1", "pi_1", "needs_response"), intent_succeeded("pi_1")]).await;
    app.run_fulfilments().await;
    assert_eq!(app.order("A-1").await["status"], "on_hold");

    let args = [
        "orders",
        "release",
        "pi_1",
        "--hold",
        "dispute",
        "--by",
        "Grace",
        "--why",
        "the customer withdrew it",
    ];
    printed(on(&app.database, &args));
    app.clock.advance(std::time::Duration::from_secs(120));
    app.run_fulfilments().await;

    assert_eq!(app.order("A-1").await["status"], "fulfilled");
    assert_eq!(app.value::<i64>("select count(*) from fulfilment_attempts").await, 1);
}

#[tokio::test]
async fn an_order_that_a_person_holds_waits_until_a_person_releases_it_however_often() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "A-1", "payment_intent": "pi_1" }))).await;
    app.deliver(&[intent_succeeded("pi_1")]).await;
    let said = ["--by", "Grace", "--why", "the customer called"];

    for _ in 0..2 {
        printed(on(&app.database, &[&["orders", "hold", "A-1"], &said[..]].concat()));
        app.clock.advance(std::time::Duration::from_secs(120));
        app.run_fulfilments().await;
        assert_eq!(app.order("A-1").await["status"], "on_hold");
        printed(on(
            &app.database,
            &[&["orders", "release", "A-1", "--hold", "operator"], &said[..]].concat(),
        ));
    }

    app.clock.advance(std::time::Duration::from_secs(120));
    app.run_fulfilments().await;
    assert_eq!(app.order("A-1").await["status"], "fulfilled");
    let opened: Vec<(String, String)> =
        sqlx::query_as("select opened_by, released_by from holds").fetch_all(&app.pool).await.unwrap();
    assert_eq!(opened, [("Grace".to_owned(), "Grace".to_owned()), ("Grace".to_owned(), "Grace".to_owned())]);
    let unknown = complaint(on(&app.database, &[&["orders", "hold", "A-2"], &said[..]].concat()), 1);
    assert!(unknown.contains("A-2"), "{unknown}");
}
