//! Steering fulfilments and providers by the program, as ops do.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::cli::{complaint, on, printed, texts};
use crate::support::TestApp;
use crate::support::stripe::{self, intent_succeeded};

const SAID: [&str; 4] = ["--by", "mia", "--why", "they asked"];

fn with(args: &[&'static str]) -> Vec<&'static str> {
    args.iter().copied().chain(SAID).collect()
}

async fn paid(app: &TestApp, number: &str) -> String {
    let intent = format!("pi_{}", number.to_lowercase());
    app.place_order(&stripe::order(json!({ "number": number, "payment_intent": intent }))).await;
    app.deliver(&[intent_succeeded(&intent)]).await;
    sqlx::query_scalar(
        "select f.id::text from fulfilments as f join orders as o on o.id = f.order_id where o.number = $1",
    )
    .bind(number)
    .fetch_one(&app.pool)
    .await
    .unwrap()
}

async fn run(app: &TestApp, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&app.pool).await.unwrap();
}

const FAIL: &str = "update fulfilments set state = 'failed', reason = 'HTTP 503', next_attempt_at = null, \
     finished_at = now() - interval '3 hours'";

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_provider_is_added_changed_and_listed_and_its_secret_is_shown_once() {
    let app = TestApp::start().await;
    let db = &app.database;
    let add = [
        "providers",
        "add",
        "eu-1",
        "--kind",
        "http",
        "--url",
        "https://u:hidden@w.example/x",
        "--rate",
        "5",
    ];

    let (code, secret, note) = texts(&on(db, &with(&add)).output().unwrap());

    let secret = secret.trim_end();
    assert!(code == 0 && secret.starts_with("whsec_") && secret.len() > 40, "{secret}");
    assert!(note.contains("cannot be shown again") && !note.contains(secret), "{note}");
    let stored: String = app.value("select secret from fulfilment_providers where name = 'eu-1'").await;
    assert_eq!(stored, secret);
    let (_, new, _) = texts(
        &on(db, &with(&["providers", "set", "eu-1", "--concurrency", "4", "--rate", "none", "--new-secret"]))
            .output()
            .unwrap(),
    );
    assert!(new.starts_with("whsec_") && new.trim_end() != secret);
    let table = printed(on(db, &["providers", "list"]));
    for text in ["default", "eu-1", "https://w.example", "4 at once", "well"] {
        assert!(table.contains(text), "{text} in\n{table}");
    }
    let rows = json_of(&printed(on(db, &["providers", "list", "--json"])));
    assert_eq!(
        (&rows[1]["name"], &rows[1]["concurrency"], &rows[1]["rate_per_second"]),
        (&json!("eu-1"), &json!(4), &Value::Null)
    );
    for (args, fault) in [
        (&add[..], "already"),
        (&["providers", "add", "Eu 1", "--kind", "log"], "no name for a provider"),
        (
            &["providers", "add", "eu-2", "--kind", "log", "--url", "https://w.example"],
            "--url goes with --kind http",
        ),
        (&["providers", "set", "nobody", "--rate", "1"], "providers list"),
        (&["providers", "set", "default", "--url", "https://w.example"], "FULFILMENT_URL"),
        (&["providers", "set", "default", "--new-secret"], "FULFILMENT_SECRET"),
    ] {
        let complaint = complaint(on(db, &with(args)), 1);
        assert!(complaint.contains(fault), "{args:?}: {complaint}");
    }
    for args in [
        &["providers", "add", "eu-2", "--kind", "http"][..],
        &["providers", "add", "eu-2", "--kind", "http", "--url", "ftp://w.example"],
        &["providers", "set", "eu-1", "--concurrency", "0"],
        &["providers", "set", "eu-1", "--rate", "-1"],
        &["providers", "set", "eu-1", "--timeout", "soon"],
    ] {
        complaint(on(db, &with(args)), 2);
    }
    let audit: Vec<String> = sqlx::query_scalar(
        "select who || ' ' || action || ' ' || subject || details::text from audit_log order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(audit.len(), 2, "{audit:?}");
    assert!(audit[0].starts_with("mia providers.add eu-1") && audit[1].starts_with("mia providers.set eu-1"));
    assert!(!audit.concat().contains("hidden") && !audit.concat().contains("whsec_"), "{audit:?}");
}

#[tokio::test]
async fn rules_and_digital_goods_are_kept_in_order() {
    let app = TestApp::start().await;
    let db = &app.database;
    printed(on(db, &with(&["providers", "add", "eu", "--kind", "log"])));

    let first = printed(on(
        db,
        &with(&[
            "providers",
            "rules",
            "add",
            "--sku",
            "TEA-*",
            "--country",
            "gb",
            "--provider",
            "eu",
            "--priority",
            "0",
        ]),
    ));
    printed(on(
        db,
        &with(&["providers", "rules", "add", "--position", "9", "--account", "acct_7", "--provider", "eu"]),
    ));
    let last = printed(on(db, &with(&["providers", "rules", "add", "--provider", "default"])));

    assert_eq!((first.as_str(), last.as_str()), ("rule 1 is there\n", "rule 10 is there\n"));
    let rules = json_of(&printed(on(db, &["providers", "rules", "list", "--json"])));
    assert_eq!(
        rules[0],
        json!({ "position": 1, "sku": "TEA-*", "country": "GB", "account": null, "provider": "eu", "priority": 0 })
    );
    assert!(printed(on(db, &["providers", "rules", "list"])).contains("acct_7"));
    let taken = with(&["providers", "rules", "add", "--position", "9", "--provider", "eu"]);
    assert!(complaint(on(db, &taken), 1).contains("a rule at 9 already"));
    let nobody = with(&["providers", "rules", "add", "--provider", "nobody"]);
    assert!(complaint(on(db, &nobody), 1).contains("no provider \"nobody\""));
    complaint(on(db, &with(&["providers", "rules", "add", "--provider", "eu", "--country", "Britain"])), 2);
    printed(on(db, &with(&["providers", "rules", "remove", "9"])));
    assert!(complaint(on(db, &with(&["providers", "rules", "remove", "9"])), 1).contains("no rule at 9"));

    printed(on(
        db,
        &with(&[
            "providers",
            "goods",
            "add",
            "BOOK",
            "--link",
            "https://f.example/b.pdf",
            "--valid",
            "30days",
        ]),
    ));
    printed(on(db, &with(&["providers", "goods", "add", "GAME", "--licence"])));
    let goods = json_of(&printed(on(db, &["providers", "goods", "list", "--json"])));
    assert_eq!(
        goods[0],
        json!({ "sku": "BOOK", "kind": "link", "url": "https://f.example/b.pdf", "valid_seconds": 2_592_000 })
    );
    assert!(printed(on(db, &["providers", "goods", "list"])).contains("30days"));
    complaint(on(db, &with(&["providers", "goods", "add", "GAME"])), 2);
    complaint(on(db, &with(&["providers", "goods", "add", "GAME", "--licence", "--valid", "1h"])), 2);
    printed(on(db, &with(&["providers", "goods", "remove", "GAME"])));
    assert!(complaint(on(db, &with(&["providers", "goods", "remove", "GAME"])), 1).contains("\"GAME\""));
}

#[tokio::test]
async fn a_provider_and_a_sku_are_paused_and_resumed() {
    let app = TestApp::start().await;
    let db = &app.database;

    let paused = printed(on(db, &with(&["providers", "pause", "default", "--for", "2h"])));
    let again = printed(on(db, &with(&["providers", "pause", "default"])));
    let sku =
        printed(on(db, &with(&["providers", "pause", "--sku", "TEA-2", "--until", "2090-01-31T12:00:00Z"])));

    assert!(paused.starts_with("the provider default is paused until 20"), "{paused}");
    assert_eq!(again, "the provider default is paused until it is resumed; its earlier pause is over\n");
    assert_eq!(sku, "the sku TEA-2 is paused until 2090-01-31 12:00:00 UTC\n");
    assert!(printed(on(db, &["providers", "list"])).contains("paused by mia"));
    assert_eq!(printed(on(db, &with(&["providers", "resume", "default"]))), "the provider default goes on\n");
    printed(on(db, &with(&["providers", "resume", "--sku", "TEA-2"])));
    assert!(complaint(on(db, &with(&["providers", "resume", "default"])), 1).contains("is not paused"));
    assert!(complaint(on(db, &with(&["providers", "pause", "nobody"])), 1).contains("providers list"));
    let over = with(&["providers", "pause", "default", "--until", "2020-01-31T12:00:00Z"]);
    assert!(complaint(on(db, &over), 1).contains("to come"));
    for args in [
        &["providers", "pause"][..],
        &["providers", "pause", "default", "--sku", "TEA-2"],
        &["providers", "pause", "default", "--for", "2h", "--until", "2090-01-31T12:00:00Z"],
        &["providers", "pause", "default", "--for", "soon"],
    ] {
        complaint(on(db, &with(args)), 2);
    }
    complaint(on(db, &["providers", "pause", "default", "--by", "mia"]), 2);
}

#[tokio::test]
async fn fulfilments_are_listed_shown_and_steered_by_any_name() {
    let app = TestApp::start().await;
    let db = &app.database;
    let id = paid(&app, "A-1").await;
    paid(&app, "A-2").await;
    run(&app, &format!("{FAIL} where id = '{id}'")).await;

    let table = printed(on(db, &["fulfilments", "list"]));
    assert!(table.contains("A-1") && table.contains("A-2") && table.contains("HTTP 503"), "{table}");
    let failed = printed(on(db, &["fulfilments", "list", "--state", "failed", "--provider", "default"]));
    assert!(failed.contains(&id) && !failed.contains("A-2"), "{failed}");
    let stuck = printed(on(db, &["fulfilments", "stuck"]));
    assert!(stuck.contains("A-1") && stuck.contains("failed") && stuck.contains("3h"), "{stuck}");
    let stuck = json_of(&printed(on(db, &["fulfilments", "stuck", "--json"])));
    assert_eq!((&stuck[0]["order_number"], &stuck[0]["fulfilment_id"]), (&json!("A-1"), &json!(id)));
    assert!(stuck[0]["next_action"].as_str().unwrap().contains(&format!("fulfilments retry {id}")));

    let args = ["fulfilments", "retry", &id, "--by", "mia", "--why", "they asked"];
    assert_eq!(printed(on(db, &args)), format!("fulfilment {id}: it is sent now\n"));
    assert_eq!(printed(on(db, &["fulfilments", "stuck"])), "nothing is stuck\n");
    let key = format!("ful_{}", id.replace('-', ""));
    for name in [id.as_str(), &key, "A-1", "pi_a-1"] {
        let page = printed(on(db, &["fulfilments", "show", name]));
        for text in [&id, "A-1 part 1", "TEA-2", "fulfilments.retry", "they asked", "mia"] {
            assert!(page.contains(text), "{text} in {page}");
        }
    }
    let page = json_of(&printed(on(db, &["fulfilments", "show", &id, "--json"])));
    assert_eq!((&page[0]["state"], &page[0]["lines"][0]["left"]), (&json!("queued"), &json!(2)));
    let order = printed(on(db, &["orders", "show", "A-1"]));
    assert!(order.contains("part 1, retry: they asked") && order.contains("operator"), "{order}");

    printed(on(db, &with(&["fulfilments", "snooze", "A-1", "--for", "2h"])));
    printed(on(db, &with(&["fulfilments", "prioritise", "A-1", "--priority", "0"])));
    assert!(printed(on(db, &["fulfilments", "show", "A-1"])).contains("priority 0"));
    printed(on(db, &with(&["fulfilments", "mark-done", "A-1", "--carrier", "DHL", "--tracking", "123"])));
    assert!(printed(on(db, &["orders", "show", "A-1"])).contains("DHL"));
    printed(on(db, &with(&["fulfilments", "cancel", "A-2"])));
    let fault = complaint(on(db, &with(&["fulfilments", "cancel", "A-2"])), 1);
    assert!(fault.contains("`retry` takes it up again"), "{fault}");
    for (args, code) in [
        (&["fulfilments", "cancel", "A-9"][..], 1),
        (&["fulfilments", "snooze", "A-2"], 1),
        (&["fulfilments", "prioritise", "A-2", "--priority", "3"], 2),
        (&["fulfilments", "retry"], 2),
        (&["fulfilments", "retry", "A-2", "--yes"], 2),
    ] {
        complaint(on(db, &with(args)), code);
    }
    complaint(on(db, &["fulfilments", "cancel", "A-2"]), 2);
    complaint(on(db, &["fulfilments", "list", "--state", "lost"]), 2);
    assert!(complaint(on(db, &["fulfilments", "show", "A-9"]), 1).contains("\"A-9\""));
}

#[tokio::test]
async fn an_order_of_several_parts_wants_one_of_them_named() {
    let app = TestApp::start().await;
    let db = &app.database;
    let id = paid(&app, "A-1").await;
    run(
        &app,
        "insert into fulfilments (id, order_id, part, idempotency_key, provider, next_attempt_at, created_at, updated_at)
         select id, order_id, 2, 'ful_' || replace(id::text, '-', ''), 'other', now(), now(), now()
         from (select gen_random_uuid() as id, order_id from fulfilments) as new",
    )
    .await;

    let fault = complaint(on(db, &with(&["fulfilments", "cancel", "A-1"])), 1);

    assert!(
        fault.contains("2 parts") && fault.contains(&id) && fault.contains("part 2, queued at other"),
        "{fault}"
    );
    let shown = printed(on(db, &["fulfilments", "show", "A-1"]));
    assert!(shown.contains("part 1") && shown.contains("part 2"), "{shown}");
}

#[tokio::test]
async fn many_are_shown_first_and_retried_only_when_told() {
    let app = TestApp::start().await;
    let db = &app.database;
    for number in 0..12 {
        paid(&app, &format!("M-{number}")).await;
    }
    run(&app, FAIL).await;
    run(
        &app,
        "update fulfilments set provider = 'other' where order_id = (select id from orders where number = 'M-0');
         update fulfilments set finished_at = now() where order_id = (select id from orders where number = 'M-1');
         update orders set payment_status = 'refunded' where number = 'M-2'",
    )
    .await;
    let filter = ["fulfilments", "retry", "--state", "failed", "--provider", "default", "--older-than", "2h"];

    let preview = printed(on(db, &with(&filter)));

    assert!(preview.contains("10 failed to retry; nothing is done yet: add --yes"), "{preview}");
    assert!(preview.contains("M-3") && !preview.contains("M-0 ") && !preview.contains("M-1 "), "{preview}");
    let queued = "select count(*) from fulfilments where state = 'queued'";
    assert_eq!(app.value::<i64>(queued).await, 0);
    let yes: Vec<&str> = with(&filter).into_iter().chain(["--yes"]).collect();
    let done = printed(on(db, &yes));
    assert!(done.starts_with("9 failed are retried\nnot ") && done.contains("its money went back"), "{done}");
    assert_eq!(app.value::<i64>(queued).await, 9);
    assert_eq!(
        app.value::<i64>("select count(*) from audit_log where action = 'fulfilments.retry'").await,
        9
    );
    let none = with(&["fulfilments", "retry", "--state", "rejected"]);
    assert_eq!(printed(on(db, &none)), "there are none of these\n");
    complaint(on(db, &with(&["fulfilments", "retry", "--provider", "default"])), 2);
    complaint(on(db, &with(&["fulfilments", "retry", "M-3", "--state", "failed"])), 2);
}

#[tokio::test]
async fn a_paid_order_that_nobody_was_told_to_send_is_queued_by_hand() {
    let app = TestApp::start().await;
    paid(&app, "LOST").await;
    run(
        &app,
        "delete from fulfilment_lines; delete from fulfilments; update orders set fulfilment_status = 'none'",
    )
    .await;

    assert_eq!(
        printed(on(&app.database, &with(&["fulfilments", "retry", "LOST"]))),
        "order LOST is queued\n"
    );
    // The program runs on the machine's clock.
    app.clock.advance(std::time::Duration::from_secs(60));
    app.run_fulfilments().await;

    assert_eq!(app.order("LOST").await["status"], "fulfilled");
    assert_eq!(app.value::<String>("select who || ' ' || action from audit_log").await, "mia orders.queue");
}

#[tokio::test]
async fn the_gauges_tell_what_waits_and_what_is_stuck() {
    let app = TestApp::start().await;
    paid(&app, "A-1").await;
    run(&app, FAIL).await;
    paid(&app, "A-2").await;
    run(
        &app,
        "update fulfilments set next_attempt_at = now() - interval '90 seconds' where state = 'queued';
         update fulfilment_provider_health set breaker = 'open', reason = 'r', opened_at = now(), retry_at = now()",
    )
    .await;
    let mut registry = packline::telemetry::registry();
    let metrics = packline::fulfilment::FulfilmentMetrics::register(&mut registry);

    packline::fulfilment::FulfilmentSampler::new(app.pool.clone(), metrics).sample().await.unwrap();

    let text = packline::telemetry::render(&registry);
    for line in [
        "packline_fulfilments{provider=\"default\",state=\"queued\"} 1",
        "packline_fulfilments{provider=\"default\",state=\"failed\"} 1",
        "packline_fulfilments{provider=\"default\",state=\"accepted\"} 0",
        "packline_fulfilment_oldest_queued_seconds{provider=\"default\"} 9",
        "packline_fulfilment_breaker{provider=\"default\"} 2",
        "packline_fulfilment_paused{provider=\"default\"} 0",
        "packline_fulfilment_dead_letters 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
