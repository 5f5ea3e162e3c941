//! Storing: once, together, durably, or not at all and soon; through whatever happens to the database.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use packline::inbox::{Disposition, Endpoint, InboxMetrics, NewEvent, NotStored, Recorded, Recorder};
use packline::stripe::Envelope;
use packline::{db, telemetry};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::stripe::{event, intent, intent_succeeded, order};
use crate::support::{Proxy, SECRET, TestApp, TestDatabase};

/// Longer than the service may take to say that it could not store an event.
const BOUND: Duration = Duration::from_secs(10);

/// A recorder on a database of its own, and its metrics.
fn recorder(url: &str) -> (Recorder, prometheus_client::registry::Registry) {
    recorder_of(url, 1)
}

fn recorder_of(url: &str, committers: usize) -> (Recorder, prometheus_client::registry::Registry) {
    let mut registry = telemetry::registry();
    let metrics = InboxMetrics::register(&mut registry);
    let (recorder, _) = Recorder::start(&db::connect(url, "packline-test", 4).unwrap(), &metrics, committers);
    (recorder, registry)
}

fn new_event(id: &str) -> NewEvent {
    let body = json!({ "id": id, "type": "payment_intent.created", "data": { "object": intent("pi_1") } })
        .to_string();
    NewEvent {
        envelope: Envelope::read(&body).unwrap(),
        body: body.into(),
        endpoint: Endpoint::Platform,
        verified_by: "current".to_owned(),
        received_at: packline::clock::Clock::system().now(),
        disposition: Disposition::Apply,
    }
}

/// Records events that arrive at the same moment.
async fn record_all(recorder: &Recorder, events: Vec<NewEvent>) -> Vec<Result<Recorded, NotStored>> {
    join_all(events.into_iter().map(|event| recorder.record(event))).await
}

async fn count(pool: &PgPool, table: &'static str) -> i64 {
    let query = format!("select count(*) from {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn two_hundred_deliveries_of_one_event_are_one_row_one_move_and_one_fulfilment() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    let event = intent_succeeded("pi_1");

    let answers = join_all((0..200).map(|_| app.post_event(&event))).await;
    let appliers = [app.applier(), app.applier(), app.applier()];
    let applied = join_all(appliers.iter().map(async |applier| applier.run_once().await.unwrap())).await;
    app.apply_events().await;

    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
    assert_eq!(applied.iter().sum::<usize>(), 1);
    assert_eq!(count(&app.pool, "stripe_events").await, 1);
    assert_eq!(count(&app.pool, "stripe_event_payloads").await, 1);
    assert_eq!(
        count(&app.pool, "order_transitions where cause_kind = 'event' and axis = 'payment'").await,
        1
    );
    assert_eq!(count(&app.pool, "payments").await, 1);
    assert_eq!(count(&app.pool, "fulfilments").await, 1);
    let metrics = app.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains(r#"endpoint="platform",answer="stored"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"endpoint="platform",answer="duplicate"} 199"#), "{metrics}");
}

#[tokio::test]
async fn events_that_arrive_together_share_transactions() {
    let database = TestDatabase::create().await;
    let (recorder, registry) = recorder(&database.url);
    let events = (0..200).map(|n| new_event(&format!("evt_{n}"))).collect();

    let recorded = record_all(&recorder, events).await;

    assert!(recorded.iter().all(|recorded| *recorded == Ok(Recorded::Stored)), "{recorded:?}");
    let metrics = telemetry::render(&registry);
    assert!(metrics.contains("packline_events_stored_in_batch_count 4\n"), "{metrics}");
    assert!(metrics.contains("packline_events_stored_in_batch_sum 200.0\n"), "{metrics}");
}

#[tokio::test]
async fn duplicates_inside_a_batch_and_across_batches_are_told_apart_from_the_first() {
    let database = TestDatabase::create().await;
    let (recorder, _) = recorder(&database.url);

    let together = record_all(&recorder, ["evt_1", "evt_2", "evt_1", "evt_1"].map(new_event).into()).await;
    let later = record_all(&recorder, ["evt_2", "evt_3"].map(new_event).into()).await;

    let (stored, duplicate) = (Ok(Recorded::Stored), Ok(Recorded::Duplicate));
    assert_eq!(together, [stored, stored, duplicate, duplicate]);
    assert_eq!(later, [duplicate, stored]);
}

#[tokio::test]
async fn while_one_committer_waits_for_the_database_another_stores() {
    let database = TestDatabase::create().await;
    let (recorder, _) = recorder_of(&database.url, 2);
    let pool = db::connect(&database.url, "packline-test", 2).unwrap();
    // Whoever stores this event waits for the one who has its id already.
    let mut held = pool.begin().await.unwrap();
    sqlx::query(
        "insert into stripe_events (id, type, livemode, received_at, endpoint, verified_by, state, next_attempt_at)
         values ('evt_held', 'payment_intent.created', false, now(), 'platform', 'current', 'pending', now())",
    )
    .execute(&mut *held)
    .await
    .unwrap();

    let waits = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(new_event("evt_held")).await }
    });
    while count(&pool, "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
        .await
        == 0
    {
        tokio::task::yield_now().await;
    }
    let events = (0..200).map(|n| new_event(&format!("evt_{n}"))).collect();
    let recorded = record_all(&recorder, events).await;

    assert!(recorded.iter().all(|recorded| *recorded == Ok(Recorded::Stored)), "{recorded:?}");
    assert!(!waits.is_finished());
    held.rollback().await.unwrap();
    assert_eq!(waits.await.unwrap(), Ok(Recorded::Stored));
    assert_eq!(count(&pool, "stripe_event_payloads").await, 201);
}

#[tokio::test]
async fn two_committers_with_the_same_events_in_different_order_do_not_meet() {
    let database = TestDatabase::create().await;
    let (one, _) = recorder(&database.url);
    let (other, _) = recorder(&database.url);
    let events = |order: &mut dyn Iterator<Item = usize>| -> Vec<NewEvent> {
        order.map(|n| new_event(&format!("evt_{n}"))).collect()
    };

    let (first, second) = tokio::join!(
        record_all(&one, events(&mut (0..600))),
        record_all(&other, events(&mut (0..600).rev())),
    );

    let stored = |recorded: &[Result<Recorded, NotStored>]| {
        assert!(recorded.iter().all(Result::is_ok), "{recorded:?}");
        recorded.iter().filter(|recorded| **recorded == Ok(Recorded::Stored)).count()
    };
    assert_eq!(stored(&first) + stored(&second), 600);
}

#[tokio::test]
async fn an_event_that_postgres_refuses_does_not_take_its_batch_with_it() {
    let database = TestDatabase::create().await;
    let (recorder, _) = recorder(&database.url);
    // Nothing that the front door lets in is refused by Postgres; a label with a NUL stands for what we overlooked.
    let poison = NewEvent { verified_by: "\0".to_owned(), ..new_event("evt_poison") };

    let recorded = record_all(&recorder, vec![new_event("evt_1"), poison, new_event("evt_2")]).await;

    assert_eq!(recorded, [Ok(Recorded::Stored), Err(NotStored::Database), Ok(Recorded::Stored)]);
}

#[tokio::test]
async fn a_full_queue_says_so_at_once_and_keeps_what_it_has() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::before(&database.url);
    let (recorder, _) = recorder(&proxy.url);
    recorder.record(new_event("evt_first")).await.unwrap();
    proxy.stall();

    let events = (0..1100).map(|n| new_event(&format!("evt_{n}"))).collect();
    let mended = async { proxy.mend() };
    let (recorded, ()) = tokio::join!(record_all(&recorder, events), mended);

    assert_eq!(
        recorded.iter().filter(|recorded| **recorded == Err(NotStored::QueueFull)).count(),
        1100 - 1024
    );
    assert_eq!(recorded.iter().filter(|recorded| **recorded == Ok(Recorded::Stored)).count(), 1024);
}

/// Posts an event; the status, the answer's Retry-After, and how long it took.
async fn post(app: &TestApp, event: &Value) -> (StatusCode, Option<String>, Duration) {
    let started = Instant::now();
    let response = app.post_event_to("/webhooks/stripe", SECRET, event).await;
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (response.status(), retry_after, started.elapsed())
}

/// The status of an ops route, which must come in time.
async fn status(app: &TestApp, path: &str) -> StatusCode {
    let started = Instant::now();
    let status = app.get(path).await.status();
    assert!(started.elapsed() < BOUND, "{path} took {:?}", started.elapsed());
    status
}

/// Posts more events than there are connections, and expects a timely refusal of each.
async fn assert_refused_in_time(app: &TestApp) {
    let events: Vec<Value> = (0..100).map(|_| intent_succeeded("pi_1")).collect();
    for (status, retry_after, took) in join_all(events.iter().map(|event| post(app, event))).await {
        assert_eq!((status, retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
        assert!(took < BOUND, "{took:?}");
    }
    let checks = join_all((0..20).map(|_| status(app, "/readyz"))).await;
    assert!(checks.iter().all(|status| *status == StatusCode::SERVICE_UNAVAILABLE), "{checks:?}");
    assert_eq!(status(app, "/healthz").await, StatusCode::OK);
    let metrics = app.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains(r#"answer="not_stored"} 100"#), "{metrics}");
    assert!(!metrics.contains("packline_oldest_due_event_seconds "), "{metrics}");
}

/// The service works again without a restart: storing at once, the rest soon.
async fn assert_serves_again(app: &TestApp) {
    let (answer, _, _) = post(app, &intent_succeeded("pi_2")).await;
    assert_eq!(answer, StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(20);
    while status(app, "/readyz").await != StatusCode::OK {
        assert!(Instant::now() < deadline, "it is not ready again");
    }
    let metrics = app.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("packline_oldest_due_event_seconds "), "{metrics}");
}

async fn app_behind_proxy() -> (TestApp, Proxy) {
    let database = TestDatabase::create().await;
    let proxy = Proxy::before(&database.url);
    let app = TestApp::start_through(database, &proxy.url).await;
    assert_eq!(app.post_event(&intent_succeeded("pi_1")).await, StatusCode::OK);
    assert_eq!(status(&app, "/readyz").await, StatusCode::OK);
    (app, proxy)
}

#[tokio::test]
async fn while_the_database_is_gone_events_are_refused_in_time_and_afterwards_taken_again() {
    let (app, proxy) = app_behind_proxy().await;

    proxy.cut();
    assert_refused_in_time(&app).await;
    assert_eq!(count(&app.pool, "stripe_events").await, 1);

    proxy.mend();
    assert_serves_again(&app).await;
    assert!(app.stop().await.url.contains("packline_test"));
}

#[tokio::test]
async fn while_the_database_does_not_answer_events_are_refused_in_time_and_afterwards_taken_again() {
    let (app, proxy) = app_behind_proxy().await;

    proxy.stall();
    assert_refused_in_time(&app).await;

    // As after a failover: the old connections never say a word again.
    proxy.move_away();
    assert_serves_again(&app).await;
}

#[tokio::test]
async fn connections_that_postgres_ended_cost_nobody_an_answer() {
    let app = TestApp::start().await;
    assert_eq!(app.post_event(&intent_succeeded("pi_1")).await, StatusCode::OK);
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name = 'packline'";

    for _ in 0..3 {
        assert!(app.value::<i64>(end).await > 0);
        assert_eq!(app.post_event(&intent_succeeded("pi_1")).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_age_of_the_oldest_unapplied_event_is_shown() {
    let app = TestApp::start().await;
    app.post_event(&event("payment_intent.created", intent("pi_1"))).await;
    app.clock.advance(Duration::from_secs(30));

    let readiness: Value = app.get("/readyz").await.json().await.unwrap();
    let metrics = app.get("/metrics").await.text().await.unwrap();

    let expected =
        json!({ "status": "ok", "database": "ok", "migrations": "ok", "oldest_due_event_seconds": 30.0 });
    assert_eq!(readiness, expected);
    assert!(metrics.contains("packline_oldest_due_event_seconds 30\n"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let names: HashSet<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(names.len(), metrics.matches("# TYPE ").count(), "{metrics}");
}
