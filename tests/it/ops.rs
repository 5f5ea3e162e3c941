//! What ops see: `ops_v1.stuck_orders` has a row for each kind of trouble, with what to do about it.

use std::sync::atomic::{AtomicU32, Ordering};

use packline::fulfilment::{self, Decision, PauseOf, StuckOrder};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::TestApp;
use crate::support::stripe::{self, dispute, intent_succeeded};

/// A paid order with this number; its PaymentIntent.
async fn paid(app: &TestApp, number: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let intent = format!("pi_ops{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let fields = json!({ "number": number, "payment_intent": intent });
    app.place_order(&stripe::order(fields)).await;
    app.deliver(&[intent_succeeded(&intent)]).await;
    intent
}

/// Puts the fulfilment of an order where a test wants it.
async fn put(app: &TestApp, number: &str, set: &str) {
    let statement = format!(
        "update fulfilments set {set} where order_id = (select id from orders where number = '{number}')"
    );
    let result = sqlx::query(AssertSqlSafe(statement)).execute(&app.pool).await.unwrap();
    assert_eq!(result.rows_affected(), 1);
}

async fn run(app: &TestApp, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&app.pool).await.unwrap();
}

async fn stuck(app: &TestApp) -> Vec<StuckOrder> {
    fulfilment::list_stuck(&mut app.pool.acquire().await.unwrap(), 100).await.unwrap()
}

/// The only row that there is.
async fn only(app: &TestApp) -> StuckOrder {
    let mut rows = stuck(app).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.remove(0)
}

fn says(row: &StuckOrder, kind: &str, reason: &str, next_action: &str) {
    assert_eq!(row.stuck, kind, "{row:#?}");
    assert!(row.reason.as_deref().unwrap_or_default().contains(reason), "{reason} in {row:#?}");
    assert!(row.next_action.contains(next_action), "{next_action} in {row:#?}");
}

const LONG_AGO: &str = "created_at = now() - interval '1 hour', next_attempt_at = now() - interval '1 hour'";

#[tokio::test]
async fn what_is_on_its_way_by_itself_is_not_stuck() {
    let app = TestApp::start().await;
    paid(&app, "NEW").await;
    paid(&app, "UNDER-WAY").await;
    let leased = "state = 'in_progress', next_attempt_at = null, lease_holder = 'w', attempts = 1,
       lease_until = now() + interval '20 seconds'";
    put(&app, "UNDER-WAY", leased).await;
    run(
        &app,
        "insert into fulfilment_attempts (fulfilment_id, attempt, lease_holder, provider, started_at)
         select id, 1, 'w', 'default', now() from fulfilments where state = 'in_progress'",
    )
    .await;
    paid(&app, "ACCEPTED").await;
    put(
        &app,
        "ACCEPTED",
        "state = 'accepted', next_attempt_at = null, accepted_at = now() - interval '1 day'",
    )
    .await;
    app.place_order(&stripe::order(json!({ "number": "UNPAID" }))).await;

    assert!(stuck(&app).await.is_empty());
}

#[tokio::test]
async fn what_a_provider_refused_or_never_took_waits_for_a_person() {
    let app = TestApp::start().await;
    let ended = "next_attempt_at = null, finished_at = now() - interval '3 hours', attempts = 1";

    paid(&app, "NO").await;
    put(&app, "NO", &format!("state = 'rejected', reason = 'bad address', {ended}")).await;
    let row = only(&app).await;
    says(&row, "rejected", "bad address", "sends it under a new key");
    assert!(row.next_action.contains(&format!("fulfilments retry {}", row.fulfilment_id.unwrap())));
    assert_eq!((row.order_number.as_str(), row.provider.as_deref()), ("NO", Some("default")));
    assert!((10_790..10_900).contains(&row.age.as_secs()), "{row:?}");

    put(&app, "NO", "state = 'failed', reason = 'gave up', last_outcome = 'not_done'").await;
    says(&only(&app).await, "failed", "gave up", "see that the provider is well");

    put(&app, "NO", "last_outcome = 'unknown'").await;
    says(&only(&app).await, "failed", "gave up", "asks it by key");

    run(&app, "update orders set payment_status = 'refunded'").await;
    says(&only(&app).await, "failed", "gave up", "--even-if-sent");

    put(&app, "NO", "last_outcome = 'not_done'").await;
    assert!(stuck(&app).await.is_empty(), "its money went back, and it was not sent");
}

#[tokio::test]
async fn a_hold_is_told_with_its_kinds_and_what_ends_each() {
    let app = TestApp::start().await;
    let intent = paid(&app, "HELD").await;
    app.deliver(&[dispute("created", "du_1", &intent, "needs_response")]).await;

    let row = only(&app).await;
    says(&row, "held", "dispute: ", "it ends when it is won");
    assert!(row.next_action.contains("orders release HELD --hold"), "{row:?}");
    assert_eq!(row.state.as_deref(), Some("queued"));

    app.deliver(&[dispute("closed", "du_1", &intent, "won")]).await;
    assert!(stuck(&app).await.is_empty());

    // Money arrived, but not what was asked: it does not even count as paid.
    let order = stripe::with(
        stripe::order(json!({ "number": "LESS", "payment_intent": "pi_less" })),
        json!({ "lines": [{ "sku": "TEA-9", "quantity": 1, "unit_amount": 9_999 }] }),
    );
    app.place_order(&order).await;
    app.deliver(&[intent_succeeded("pi_less")]).await;
    let row = only(&app).await;
    says(&row, "held", "amount_mismatch", "compare what arrived");
    assert_eq!((row.order_number.as_str(), row.fulfilment_id), ("LESS", None));
}

#[tokio::test]
async fn what_has_been_queued_for_long_says_what_it_waits_for() {
    let app = TestApp::start().await;
    let decision = Decision { by: "mia".into(), why: "stocktaking".into() };
    let mut conn = app.pool.acquire().await.unwrap();
    let now = app.clock.now();
    paid(&app, "Q").await;
    put(&app, "Q", LONG_AGO).await;

    says(&only(&app).await, "unclaimed", "no worker took it", "see that a worker runs");

    put(&app, "Q", "attempts = 3, reason = 'HTTP 503', next_attempt_at = now() + interval '1 hour'").await;
    says(&only(&app).await, "retrying", "HTTP 503", "by itself, or now by `packline fulfilments retry");

    run(
        &app,
        "update fulfilment_provider_health set breaker = 'open', reason = '9 of 10 attempts failed', trips = 1,
           opened_at = now(), retry_at = '2030-01-02 03:04:05Z'",
    )
    .await;
    says(
        &only(&app).await,
        "breaker_open",
        "9 of 10 attempts failed; tried again at 2030-01-02 03:04:05 UTC",
        "ails",
    );

    let sku: String = app.value("select sku from order_lines").await;
    fulfilment::pause(&mut conn, &PauseOf::Sku(sku.clone()), None, &decision, now).await.unwrap();
    let resume = format!("providers resume --sku {sku}");
    says(&only(&app).await, "sku_paused", "paused by mia: stocktaking", &resume);

    let until = Some(now + time::Duration::hours(2));
    let default = PauseOf::Provider("default".into());
    fulfilment::pause(&mut conn, &default, until, &decision, now).await.unwrap();
    says(&only(&app).await, "provider_paused", "stocktaking; until 20", "providers resume default");

    put(&app, "Q", "snoozed_until = '2030-01-02 03:04:05Z'").await;
    says(&only(&app).await, "snoozed", "until 2030-01-02 03:04 UTC", "try it now");

    put(&app, "Q", "provider = 'gone', snoozed_until = null").await;
    says(&only(&app).await, "no_provider", "no provider gone", "providers add gone");
}

#[tokio::test]
async fn an_expired_or_ended_pause_is_no_reason() {
    let app = TestApp::start().await;
    let decision = Decision { by: "mia".into(), why: "stocktaking".into() };
    let mut conn = app.pool.acquire().await.unwrap();
    paid(&app, "Q").await;
    put(&app, "Q", LONG_AGO).await;
    let default = PauseOf::Provider("default".into());
    let now = app.clock.now();

    fulfilment::pause(&mut conn, &default, None, &decision, now).await.unwrap();
    run(&app, "update fulfilment_pauses set expires_at = now() - interval '1 minute'").await;

    says(&only(&app).await, "unclaimed", "no worker took it", "see that a worker runs");
    assert!(
        !fulfilment::pause(&mut conn, &default, None, &decision, now).await.unwrap(),
        "the expired one is over"
    );
    assert!(
        fulfilment::pause(&mut conn, &default, None, &decision, now).await.unwrap(),
        "this one is replaced"
    );
    fulfilment::resume(&mut conn, &default, &decision, now).await.unwrap();
    says(&only(&app).await, "unclaimed", "no worker took it", "see that a worker runs");
    let ends: Vec<String> =
        sqlx::query_scalar("select ended_by from fulfilment_pauses order by paused_at, id")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(ends, ["expiry", "mia", "mia"]);
    let again = fulfilment::resume(&mut conn, &default, &decision, now).await.unwrap_err();
    assert_eq!(again.to_string(), "the provider default is not paused");
    let unknown = PauseOf::Provider("nobody".into());
    let unknown = fulfilment::pause(&mut conn, &unknown, None, &decision, now).await.unwrap_err();
    assert!(unknown.to_string().contains("providers list"), "{unknown}");
    let over = fulfilment::pause(&mut conn, &default, Some(now), &decision, now).await.unwrap_err();
    assert!(over.to_string().contains("to come"), "{over}");
}

#[tokio::test]
async fn a_worker_or_a_provider_that_is_silent_for_long_is_told() {
    let app = TestApp::start().await;
    paid(&app, "SLOW").await;
    let leased = "state = 'in_progress', next_attempt_at = null, lease_holder = 'w7', attempts = 2,
       lease_until = now() + interval '20 seconds'";
    put(&app, "SLOW", leased).await;
    run(
        &app,
        "insert into fulfilment_attempts (fulfilment_id, attempt, lease_holder, provider, started_at)
         select id, 2, 'w7', 'default', now() - interval '20 minutes' from fulfilments",
    )
    .await;

    says(&only(&app).await, "in_progress", "w7 is at it", "look at the worker's log");
    put(&app, "SLOW", "lease_until = now() - interval '10 minutes'").await;
    says(&only(&app).await, "in_progress", "the lease of w7 is over", "see that a worker runs");

    let accepted = "state = 'accepted', lease_holder = null, lease_until = null, provider_reference = 'W-1',
       accepted_at = now() - interval '3 days'";
    put(&app, "SLOW", accepted).await;
    says(
        &only(&app).await,
        "accepted",
        "has told nothing for 3 days",
        "about W-1; `packline fulfilments mark-done",
    );
    run(
        &app,
        "insert into fulfilment_events (fulfilment_id, event_id, round, type, occurred_at, received_at, body)
         select id, 'e', 1, 'accepted', now(), now(), '{}' from fulfilments",
    )
    .await;
    assert!(stuck(&app).await.is_empty(), "it told something a moment ago");
}

#[tokio::test]
async fn what_is_to_be_stopped_and_is_not_is_told_until_a_person_accepts_it() {
    let app = TestApp::start().await;
    let intent = paid(&app, "SENT").await;
    app.run_fulfilments().await;
    put(
        &app,
        "SENT",
        "state = 'recalling', recalls_from = 'fulfilled', reason = 'on hold: dispute', next_attempt_at = now(),
         finished_at = null, updated_at = now() - interval '1 hour', provider_reference = 'W-2'",
    )
    .await;

    says(&only(&app).await, "recalling", "on hold: dispute", "stop W-2 at the provider default");

    for (outcome, reason) in [("too_late", "too late to stop it"), ("not_offered", "takes nothing back")] {
        let set = format!(
            "state = 'fulfilled', recalls_from = null, next_attempt_at = null, finished_at = now(),
             recall_outcome = '{outcome}', updated_at = now()"
        );
        put(&app, "SENT", &set).await;
        assert!(stuck(&app).await.is_empty(), "nothing wants it stopped any more");
        app.deliver(&[dispute("created", &format!("du_{outcome}"), &intent, "needs_response")]).await;
        put(&app, "SENT", &set).await;
        says(&only(&app).await, "not_stopped", reason, "stop W-2 on its way");
        app.deliver(&[dispute("closed", &format!("du_{outcome}"), &intent, "won")]).await;
        put(&app, "SENT", &set).await;
    }

    put(&app, "SENT", "called_off = 'wrong address'").await;
    says(&only(&app).await, "not_stopped", "called off: wrong address", "mark-done");
    run(&app, "update fulfilment_lines set quantity_returned = quantity").await;
    assert!(stuck(&app).await.is_empty(), "it came back");
    run(&app, "update fulfilment_lines set quantity_returned = 0").await;
    put(&app, "SENT", "updated_at = now() - interval '15 days'").await;
    assert!(stuck(&app).await.is_empty(), "it has long arrived");
}

#[tokio::test]
async fn a_paid_order_that_nobody_was_told_to_send_is_found() {
    let app = TestApp::start().await;
    paid(&app, "LOST").await;
    run(
        &app,
        "delete from fulfilment_lines; delete from fulfilments; update orders set fulfilment_status = 'none'",
    )
    .await;

    let row = only(&app).await;

    says(&row, "no_fulfilment", "nothing was queued", "fulfilments retry LOST");
    assert_eq!((row.fulfilment_id, row.state), (None, None));
}

#[tokio::test]
async fn the_view_reads_open_work_only_however_many_orders_there_are() {
    let app = TestApp::start().await;
    run(
        &app,
        "insert into orders (id, number, payment_status, fulfilment_status, currency, amount_total, amount_paid, origin,
           created_at, updated_at, paid_at, fulfilled_at)
         select gen_random_uuid(), 'N' || n, 'paid', 'fulfilled', 'usd', 1, 1, 'api', now(), now(), now(), now()
         from generate_series(1, 20000) as n;
         insert into fulfilments (id, order_id, state, idempotency_key, created_at, updated_at, finished_at)
         select id, id, 'fulfilled', 'ful_' || replace(id::text, '-', ''), now(), now(), now() from orders;
         insert into order_payments (order_id, mode, capture, off_session, save_for_later, payment_intent, intent_status,
           created_at, updated_at)
         select id, 'server', 'automatic', false, false, 'pi_' || number, 'succeeded', now(), now() from orders;
         analyze",
    )
    .await;

    for view in ["ops_v1.stuck_orders", "ops_v1.providers"] {
        let explain = format!("explain (format json) select * from {view}");
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&app.pool).await.unwrap();
        let read = tables_read_in_full(&plan);
        for table in ["orders", "fulfilments", "order_payments"] {
            assert!(!read.contains(&table), "{view} reads all of {table}: {plan:#}");
        }
    }
}

/// The tables that a plan scans from end to end.
fn tables_read_in_full(plan: &Value) -> Vec<&str> {
    let mut read = Vec::new();
    match plan {
        Value::Array(nodes) => read.extend(nodes.iter().flat_map(tables_read_in_full)),
        Value::Object(node) => {
            if node.get("Node Type").is_some_and(|kind| kind == "Seq Scan") {
                read.extend(node["Relation Name"].as_str());
            }
            read.extend(node.values().flat_map(tables_read_in_full));
        }
        _ => {}
    }
    read
}

#[tokio::test]
async fn no_view_shows_a_secret() {
    let app = TestApp::start().await;
    run(
        &app,
        "insert into fulfilment_providers (name, kind, url, secret, created_at, updated_at)
         values ('w', 'http', 'https://user:hidden@w.example:8443/hidden?token=hidden', 'whsec_hidden', now(), now())",
    )
    .await;

    let rows: Vec<String> =
        sqlx::query_scalar("select p::text from ops_v1.providers as p").fetch_all(&app.pool).await.unwrap();

    assert!(rows.iter().any(|row| row.contains("https://w.example:8443,")), "{rows:?}");
    assert!(!rows.concat().contains("hidden"), "{rows:?}");
}
