//! Retention: what nobody can need any more goes, in small batches; everything else stays, however old it is.

use std::time::Duration;

use packline::retention::{Retention, RetentionMetrics, RetentionSettings, Round};
use packline::telemetry;
use prometheus_client::registry::Registry;
use reqwest::StatusCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::{complaint, on, printed};
use crate::payments::Shop;
use crate::support::stripe::{self, charge_refunded, event, intent_succeeded, order, succeeded, with};
use crate::support::{Process, TestApp};

const DAY: Duration = Duration::from_secs(86_400);
const SETTINGS: RetentionSettings = RetentionSettings {
    payloads: Some(Duration::from_secs(90 * 86_400)),
    answers: Some(Duration::from_secs(30 * 86_400)),
    batch: 500,
    batches: 40,
    rest: Duration::ZERO,
};

fn retention(app: &TestApp, settings: RetentionSettings, registry: &mut Registry) -> Retention {
    Retention::new(app.pool.clone(), app.clock.clone(), settings, RetentionMetrics::register(registry))
}

/// One round.
async fn delete(app: &TestApp, settings: RetentionSettings) -> Round {
    let retention = retention(app, settings, &mut telemetry::registry());
    retention.run_once(&CancellationToken::new()).await.unwrap()
}

async fn has_payload(app: &TestApp, event: &serde_json::Value) -> bool {
    sqlx::query_scalar("select exists (select from stripe_event_payloads where event_id = $1)")
        .bind(stripe::id(event))
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

/// Paid orders, and the events that paid them.
async fn paid(app: &TestApp, count: usize) -> Vec<serde_json::Value> {
    let mut events = Vec::new();
    for number in 0..count {
        let intent = format!("pi_paid_{number}");
        app.place_order(&order(json!({ "payment_intent": &intent }))).await;
        events.push(intent_succeeded(&intent));
        // Each has a time of its own but for the last two.
        if number + 2 < count {
            app.clock.advance(Duration::from_millis(1));
        }
        assert_eq!(app.post_event(&events[number]).await, StatusCode::OK);
    }
    app.apply_events().await;
    events
}

#[tokio::test]
async fn the_payload_of_an_applied_event_expires_after_its_time_and_the_ledger_stays() {
    let app = TestApp::start().await;
    let events = paid(&app, 1).await;

    app.clock.advance(90 * DAY);
    let at_its_time = delete(&app, SETTINGS).await;
    app.clock.advance(Duration::from_secs(1));
    let after_it = delete(&app, SETTINGS).await;

    assert_eq!((at_its_time.payloads, after_it.payloads), (0, 1));
    assert!(!has_payload(&app, &events[0]).await);
    assert_eq!(app.event_state(stripe::id(&events[0])).await.0, "applied");
    let shown = printed(on(&app.database, &["events", "show", stripe::id(&events[0])]));
    assert!(shown.contains("The payload has expired (PACKLINE_PAYLOAD_RETENTION)."), "{shown}");
    let shown = printed(on(&app.database, &["orders", "show", "pi_paid_0"]));
    assert!(shown.contains("payment_intent.succeeded"), "its history is whole: {shown}");
}

#[tokio::test]
async fn an_event_that_comes_again_after_its_payload_expired_is_known_and_has_no_second_effect() {
    let app = TestApp::start().await;
    let events = paid(&app, 1).await;
    app.clock.advance(91 * DAY);
    delete(&app, SETTINGS).await;

    assert_eq!(app.post_event(&events[0]).await, StatusCode::OK);
    app.apply_events().await;

    assert_eq!(app.value::<i64>("select count(*) from stripe_events").await, 1);
    assert_eq!(app.value::<i64>("select count(*) from payments").await, 1);
    assert!(!has_payload(&app, &events[0]).await);
}

#[tokio::test]
async fn what_is_pending_or_failed_keeps_its_payload_however_old_it_is() {
    let app = TestApp::start().await;
    let poison = event("payment_intent.succeeded", json!({ "id": 5 }));
    assert_eq!(app.post_event(&poison).await, StatusCode::OK);
    for wait in [0, 1, 2, 4, 8] {
        app.wait(Duration::from_secs(wait)).await;
    }
    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    let waiting = intent_succeeded("pi_1");
    assert_eq!(app.post_event(&waiting).await, StatusCode::OK);

    app.clock.advance(2000 * DAY);
    let round = delete(&app, SETTINGS).await;
    app.apply_events().await;

    assert_eq!(round.payloads, 0);
    assert_eq!(app.event_state(stripe::id(&poison)).await.0, "failed");
    assert!(has_payload(&app, &poison).await);
    assert_eq!(app.order("pi_1").await["payment_status"], "paid", "nothing that waited is lost");
}

#[tokio::test]
async fn a_set_aside_event_keeps_its_payload_four_times_as_long_and_then_fails_with_that_reason_if_it_wakes_up()
 {
    let app = TestApp::start().await;
    let refunds = [charge_refunded("pi_1", 500), charge_refunded("pi_2", 500)];
    let unknown = event("customer.created", json!({ "id": "cus_1" }));
    for event in refunds.iter().chain([&unknown]) {
        assert_eq!(app.post_event(event).await, StatusCode::OK);
    }
    app.apply_events().await;
    app.wait(Duration::from_secs(15)).await;
    assert_eq!(app.event_state(stripe::id(&refunds[0])).await.0, "set_aside");
    let pay = async |intent: &str| {
        app.place_order(&order(json!({ "payment_intent": intent }))).await;
        app.deliver(&[intent_succeeded(intent)]).await;
    };

    app.clock.advance(350 * DAY);
    let early = delete(&app, SETTINGS).await;
    pay("pi_1").await;
    assert_eq!(app.order("pi_1").await["amount_refunded"], 500, "it woke up in time");
    app.clock.advance(11 * DAY);
    let late = delete(&app, SETTINGS).await;
    let replayed = complaint(on(&app.database, &["events", "replay", stripe::id(&refunds[1])]), 1);
    pay("pi_2").await;

    assert_eq!((early.payloads, late.payloads), (0, 3), "the one that woke up was applied since");
    assert!(replayed.contains("has expired (PACKLINE_PAYLOAD_RETENTION)"), "{replayed}");
    assert_eq!(
        app.event_state(stripe::id(&refunds[1])).await,
        ("failed".into(), Some("its payload has expired".into()))
    );
    assert_eq!(app.order("pi_2").await["amount_refunded"], 0);
    let failed = printed(on(&app.database, &["events", "list", "--state", "failed"]));
    assert!(
        failed.contains(stripe::id(&refunds[1])) && failed.contains("its payload has expired"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_round_is_bounded_and_the_next_goes_on_where_it_ended() {
    let app = TestApp::start().await;
    paid(&app, 7).await;
    app.clock.advance(91 * DAY);
    let small = RetentionSettings { batch: 2, batches: 1, ..SETTINGS };
    let reached = "select extract(epoch from reached_at)::numeric(20, 6) || reached_id
                   from retention_marks where what = 'applied_payloads'";

    let mut deleted = Vec::new();
    let mut marks = vec![app.value::<String>(reached).await];
    loop {
        let round = delete(&app, small).await;
        deleted.push(round.payloads);
        marks.push(app.value::<String>(reached).await);
        if !round.has_more {
            break;
        }
    }

    assert_eq!(deleted, [2, 2, 2, 1]);
    assert!(marks.is_sorted_by(|one, next| one < next), "it never goes back: {marks:?}");
    assert_eq!(delete(&app, small).await, Round::default());
    assert_eq!(app.value::<i64>("select count(*) from stripe_event_payloads").await, 0);
}

#[tokio::test]
async fn one_process_at_a_time_deletes_and_nobody_waits_for_it() {
    let app = TestApp::start().await;
    paid(&app, 1).await;
    app.clock.advance(91 * DAY);

    let mut other = app.pool.begin().await.unwrap();
    sqlx::query("select from retention_marks for update").execute(&mut *other).await.unwrap();
    let meanwhile = delete(&app, SETTINGS).await;
    other.rollback().await.unwrap();
    let afterwards = delete(&app, SETTINGS).await;

    assert_eq!(meanwhile, Round::default());
    assert_eq!(afterwards.payloads, 1);
}

#[tokio::test]
async fn nothing_is_deleted_that_is_to_be_kept_for_ever_or_once_it_is_to_stop() {
    let app = TestApp::start().await;
    paid(&app, 1).await;
    assert_eq!(app.post_order(&order(json!({})), Some("key-1")).await.status(), StatusCode::CREATED);
    app.clock.advance(4000 * DAY);
    let never = RetentionSettings { payloads: None, answers: None, ..SETTINGS };
    let stopped = CancellationToken::new();
    stopped.cancel();

    assert_eq!(delete(&app, never).await, Round::default());
    let told_to_stop =
        retention(&app, SETTINGS, &mut telemetry::registry()).run_once(&stopped).await.unwrap();
    assert_eq!(told_to_stop, Round::default());
    let round = delete(&app, SETTINGS).await;
    assert_eq!((round.payloads, round.answers), (1, 1));
}

#[tokio::test]
async fn an_idempotency_key_is_remembered_for_its_time_and_is_a_new_one_after_it() {
    let app = TestApp::start().await;
    let (one, other) = (order(json!({})), order(json!({ "metadata": { "cart": "2" } })));
    assert_eq!(app.post_order(&one, Some("key-1")).await.status(), StatusCode::CREATED);

    app.clock.advance(30 * DAY);
    delete(&app, SETTINGS).await;
    let again = app.post_order(&one, Some("key-1")).await;
    let refused = app.post_order(&other, Some("key-1")).await.status();
    app.clock.advance(Duration::from_secs(1));
    let round = delete(&app, SETTINGS).await;
    let made = app.post_order(&other, Some("key-1")).await;

    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(refused, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(round.answers, 1);
    assert_eq!(made.status(), StatusCode::CREATED);
    assert!(!made.headers().contains_key("idempotent-replayed"));
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 2);
}

#[tokio::test]
async fn a_checkout_token_goes_a_day_after_it_expired() {
    let shop = Shop::open().await;
    shop.place_for_server(json!({})).await;
    let app = &shop.app;

    app.clock.advance(2 * DAY);
    let early = delete(app, SETTINGS).await;
    app.clock.advance(Duration::from_secs(1));
    let late = delete(app, SETTINGS).await;

    assert_eq!((early.tokens, late.tokens), (0, 1));
    assert_eq!(app.value::<i64>("select count(*) from checkout_tokens").await, 0);
}

#[tokio::test]
async fn what_was_deleted_is_counted() {
    let app = TestApp::start().await;
    paid(&app, 3).await;
    app.clock.advance(91 * DAY);
    let mut registry = telemetry::registry();

    let retention = retention(&app, SETTINGS, &mut registry);
    retention.run_once(&CancellationToken::new()).await.unwrap();

    let metrics = telemetry::render(&registry);
    for line in [
        "packline_retention_deleted_total{what=\"payloads\"} 3",
        "packline_retention_deleted_total{what=\"idempotency_keys\"} 0",
        "packline_retention_deleted_total{what=\"checkout_tokens\"} 0",
    ] {
        assert!(metrics.lines().any(|there| there == line), "{line} in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_deletes_by_itself_and_stops_when_it_is_told_to() {
    let app = TestApp::start().await;
    let named = with(succeeded("pi_1"), json!({ "metadata": {} }));
    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    app.deliver(&[event("payment_intent.succeeded", named)]).await;
    // The program has the machine's clock, so the event is made old.
    sqlx::query("update stripe_events set received_at = received_at - interval '8 days'")
        .execute(&app.pool)
        .await
        .unwrap();

    let settings = [
        ("DATABASE_URL", app.database.url.as_str()),
        ("PACKLINE_LOG", "info"),
        ("PACKLINE_PAYLOAD_RETENTION", "7d"),
    ];
    let mut worker = Process::spawn(&["worker"], &settings);
    worker.logged("deleted what is not needed any more").await;

    assert_eq!(app.value::<i64>("select count(*) from stripe_event_payloads").await, 0);
    assert!(
        worker.terminate().await < Duration::from_secs(10),
        "it rests for a minute, and wakes up to stop"
    );
}
