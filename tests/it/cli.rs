//! The program itself, run as people run it.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::stripe::{self, dispute, event, intent_failed, intent_succeeded, order, succeeded, with};
use crate::support::{TestApp, TestDatabase};

/// The program, without any setting of the machine that the tests run on.
fn packline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packline"));
    command.args(args).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

pub fn on(database: &TestDatabase, args: &[&str]) -> Command {
    let mut command = packline(args);
    command.env("DATABASE_URL", &database.url);
    // That a statement is slow is news of a busy machine, and no complaint of the command's.
    command.env("PACKLINE_LOG", "warn,sqlx::query=error");
    command
}

pub fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// What a command printed; it succeeded and had nothing to complain of.
pub fn printed(mut command: Command) -> String {
    let (code, out, err) = texts(&command.output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out
}

/// What a command complained of; it failed with this code and printed nothing.
pub fn complaint(mut command: Command, expected: i32) -> String {
    let (code, out, err) = texts(&command.output().unwrap());
    assert_eq!((code, out.as_str()), (expected, ""), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    err
}

/// An order that was declined, then paid, then fulfilled, and one that waits.
async fn two_orders() -> TestApp {
    let app = TestApp::start().await;
    let customer = json!({ "email": "Ada@Example.com" });
    app.place_order(&order(json!({ "number": "A-1", "payment_intent": "pi_1", "customer": customer }))).await;
    app.deliver(&[intent_failed("pi_1"), intent_succeeded("pi_1")]).await;
    app.run_fulfilments().await;
    app.clock.advance(std::time::Duration::from_secs(1));
    app.place_order(&order(json!({ "number": "A-2" }))).await;
    app
}

#[tokio::test]
async fn a_key_is_shown_once_alone_on_standard_output_and_opens_the_api() {
    let app = TestApp::start().await;

    let (code, key, note) =
        texts(&on(&app.database, &["keys", "create", "--name", "shop"]).output().unwrap());

    let key = key.strip_suffix('\n').unwrap();
    assert!(code == 0 && key.starts_with("plk_") && !key.contains(char::is_whitespace), "{key}");
    assert!(note.contains("cannot be shown again") && !note.contains(&key[..12]), "{note}");
    let response = app.client.get(format!("{}/v1/orders", app.base)).bearer_auth(key).send().await.unwrap();
    assert_eq!(response.status(), 200);
    complaint(on(&app.database, &["keys", "create"]), 2);
    complaint(on(&app.database, &["keys", "create", "--name", ""]), 2);
}

#[tokio::test]
async fn a_providers_key_opens_nothing_but_its_call_backs() {
    let app = TestApp::start().await;
    let create = ["keys", "create", "--name", "warehouse", "--provider"];

    let (code, key, _) = texts(&on(&app.database, &[&create[..], &["default"]].concat()).output().unwrap());
    let response =
        app.client.get(format!("{}/v1/orders", app.base)).bearer_auth(key.trim()).send().await.unwrap();

    assert_eq!((code, response.status().as_u16()), (0, 403));
    let said = complaint(on(&app.database, &[&create[..], &["nobody"]].concat()), 1);
    assert!(
        said.contains("no fulfilment provider \"nobody\"") && said.contains("packline providers list"),
        "{said}"
    );
}

#[tokio::test]
async fn orders_are_listed_for_people_and_for_programs() {
    let app = two_orders().await;

    let table = printed(on(&app.database, &["orders", "list"]));
    let json: Value =
        serde_json::from_str(&printed(on(&app.database, &["orders", "list", "--json"]))).unwrap();
    let one = printed(on(&app.database, &["orders", "list", "--limit", "1"]));
    let fulfilled = printed(on(&app.database, &["orders", "list", "--status", "fulfilled"]));

    for text in ["number", "A-1", "A-2", "fulfilled", "pending", "20.00 USD"] {
        assert!(table.contains(text), "{text} in\n{table}");
    }
    assert!(table.find("A-2") < table.find("A-1"), "newest first");
    assert_eq!(json[1], app.order("A-1").await, "as the API has it");
    assert!(one.contains("A-2") && !one.contains("A-1"), "{one}");
    assert!(fulfilled.contains("A-1") && !fulfilled.contains("A-2"), "{fulfilled}");
    assert!(complaint(on(&app.database, &["orders", "list", "--status", "sent"]), 2).contains("on_hold"));
    complaint(on(&app.database, &["orders", "list", "--limit", "0"]), 2);
    complaint(on(&app.database, &["orders", "list", "--limit", "-1"]), 2);
}

#[tokio::test]
async fn orders_are_listed_by_all_that_the_api_lists_them_by() {
    let app = two_orders().await;
    let list = |only: [&str; 2]| on(&app.database, &[&["orders", "list"], &only[..]].concat());

    for (only, has_first, has_second) in [
        (["--payment-status", "paid"], true, false),
        (["--payment-status", "awaiting_payment"], false, true),
        (["--fulfilment-status", "fulfilled"], true, false),
        (["--email", "ADA@example.com"], true, false),
        (["--email", "nobody@example.com"], false, false),
        (["--created-from", "2000-01-01T00:00:00Z"], true, true),
        (["--created-from", "2100-01-01T00:00:00Z"], false, false),
        (["--created-before", "2100-01-01T00:00:00Z"], true, true),
        (["--created-before", "2000-01-01T00:00:00Z"], false, false),
    ] {
        let found = printed(list(only));
        let has = (found.contains("A-1"), found.contains("A-2"));
        assert_eq!(has, (has_first, has_second), "{only:?}:\n{found}");
    }

    assert!(complaint(list(["--payment-status", "sent"]), 2).contains("partially_refunded"));
    assert!(complaint(list(["--fulfilment-status", "sent"]), 2).contains("in_progress"));
    assert!(complaint(list(["--created-from", "yesterday"]), 2).contains("2026-01-31T12:00:00Z"));
}

#[tokio::test]
async fn an_order_is_shown_with_every_move_and_its_cause() {
    let app = two_orders().await;
    let events: Vec<String> = sqlx::query_scalar("select id from stripe_events order by received_at, id")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    let key: String = app.value("select id::text from api_keys").await;

    let page = printed(on(&app.database, &["orders", "show", "pi_1"]));

    for text in [
        "order A-1  fulfilled",
        "payment     paid",
        "TEA-2",
        "20.00 USD",
        "payment_intent:pi_1",
        "- → awaiting_payment",
        "awaiting_payment → payment_failed",
        "payment_failed → paid",
        "none → queued",
        "queued → in_progress",
        "in_progress → fulfilled",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
        "insufficient_funds",
        "captured",
        "default",
        &events[0],
        &events[1],
        &key,
    ] {
        assert!(page.contains(text), "{text} in\n{page}");
    }
    let moves = ["- → awaiting", "→ payment_failed", "→ paid", "→ queued", "→ in_progress", "→ fulfilled"];
    let places: Vec<usize> = moves.iter().map(|text| page.find(text).unwrap()).collect();
    assert!(places.is_sorted(), "oldest first:\n{page}");
    for name in ["A-1", app.order("A-1").await["id"].as_str().unwrap(), "ch_1"] {
        assert_eq!(printed(on(&app.database, &["orders", "show", name])), page, "{name}");
    }
}

#[tokio::test]
async fn an_order_is_shown_to_programs_with_all_that_people_see() {
    let app = two_orders().await;

    let page = printed(on(&app.database, &["orders", "show", "A-1", "--json"]));

    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["order"], app.order("A-1").await);
    let moves: Vec<String> = page["timeline"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!("{} by {}", entry["to"].as_str().unwrap(), entry["cause_kind"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        moves,
        [
            "awaiting_payment by api",
            "payment_failed by event",
            "paid by event",
            "queued by event",
            "in_progress by attempt",
            "fulfilled by attempt"
        ]
    );
    assert_eq!(page["timeline"]["payments"][0]["amount"], 2000);
    assert_eq!(page["fulfilments"][0]["attempts"][0]["outcome"], "fulfilled");
    let fault = complaint(on(&app.database, &["orders", "show", "A-9"]), 1);
    assert_eq!(fault, "packline: no order has the id, number or Stripe object \"A-9\"\n");
}

#[tokio::test]
async fn an_order_without_lines_or_payment_is_shown_too() {
    let app = TestApp::start().await;
    app.deliver(&[intent_succeeded("pi_1")]).await;
    app.clock.advance(std::time::Duration::from_secs(15));
    app.apply_events().await;
    app.place_order(&order(json!({ "number": "A-1" }))).await;

    let adopted = printed(on(&app.database, &["orders", "show", "pi_1"]));
    let placed = printed(on(&app.database, &["orders", "show", "A-1"]));

    assert!(adopted.contains("No lines") && adopted.contains("Money"), "{adopted}");
    assert!(!placed.contains("Money") && !placed.contains("Fulfilment attempts"), "{placed}");
}

#[tokio::test]
async fn events_are_listed_and_shown() {
    let app = two_orders().await;
    let stranger = event("customer.created", json!({ "id": "cus_1", "object": "customer" }));
    app.post_event(&stranger).await;
    let stranger = stripe::id(&stranger);

    let table = printed(on(&app.database, &["events", "list"]));
    let aside = printed(on(&app.database, &["events", "list", "--state", "set_aside"]));
    let by_type =
        printed(on(&app.database, &["events", "list", "--type", "payment_intent.succeeded", "--json"]));
    let page = printed(on(&app.database, &["events", "show", stranger]));
    let json: Value =
        serde_json::from_str(&printed(on(&app.database, &["events", "show", stranger, "--json"]))).unwrap();

    assert!(
        ["payment_intent.payment_failed", "customer.created", "A-1"].iter().all(|text| table.contains(text)),
        "{table}"
    );
    assert!(aside.contains("customer.created") && !aside.contains("payment_intent"), "{aside}");
    let by_type: Value = serde_json::from_str(&by_type).unwrap();
    assert_eq!((by_type.as_array().unwrap().len(), &by_type[0]["state"]), (1, &json!("applied")));
    for text in ["set_aside", "nothing here acts on customer.created", "on platform", "current", "\"cus_1\""]
    {
        assert!(page.contains(text), "{text} in\n{page}");
    }
    assert_eq!((&json["id"], &json["state"]), (&json!(stranger), &json!("set_aside")));
    assert!(complaint(on(&app.database, &["events", "show", "evt_9"]), 1).contains("\"evt_9\""));
    assert!(complaint(on(&app.database, &["events", "list", "--state", "lost"]), 2).contains("parked"));
}

#[tokio::test]
async fn an_event_that_failed_is_applied_again_and_one_that_had_its_effect_is_not() {
    let app = TestApp::start().await;
    let broken = event("payment_intent.succeeded", with(succeeded("pi_1"), json!({ "amount": "a lot" })));
    let sound = intent_succeeded("pi_2");
    app.place_order(&order(json!({ "payment_intent": "pi_2" }))).await;
    app.deliver(&[broken.clone(), sound.clone()]).await;
    for _ in 0..5 {
        app.clock.advance(std::time::Duration::from_secs(60));
        app.apply_events().await;
    }
    assert_eq!(app.event_state(stripe::id(&broken)).await.0, "failed");

    let replayed = printed(on(&app.database, &["events", "replay", stripe::id(&broken)]));

    assert_eq!(replayed, format!("{} is due again\n", stripe::id(&broken)));
    assert_eq!(app.event_state(stripe::id(&broken)).await.0, "pending");
    for name in [stripe::id(&sound), stripe::id(&broken), "evt_9"] {
        let fault = complaint(on(&app.database, &["events", "replay", name]), 1);
        assert!(fault.contains("is not there, or is applied or due already"), "{fault}");
    }
    assert_eq!(app.event_state(stripe::id(&sound)).await.0, "applied");
}

#[tokio::test]
async fn migrate_makes_the_schema_and_changes_nothing_the_second_time() {
    let database = TestDatabase::create_empty().await;
    let mut conn = PgConnection::connect(&database.url).await.unwrap();

    // Together, as processes of one deployment start.
    let both = [
        on(&database, &["migrate"]).stdout(Stdio::piped()).spawn(),
        on(&database, &["migrate"]).stdout(Stdio::piped()).spawn(),
    ];
    for process in both {
        let (code, out, _) = texts(&process.unwrap().wait_with_output().unwrap());
        assert_eq!((code, out.as_str()), (0, "the database's schema is up to date\n"));
    }
    printed(on(&database, &["migrate"]));

    let versions: i64 =
        sqlx::query_scalar("select count(*) from _sqlx_migrations").fetch_one(&mut conn).await.unwrap();
    assert_eq!(versions, i64::try_from(packline::db::MIGRATIONS.iter().count()).unwrap());
    conn.close().await.unwrap();
}

#[test]
fn help_names_commands_and_settings_and_shows_no_secret() {
    let mut command = packline(&["--help"]);
    for (name, value) in [
        ("DATABASE_URL", "postgres://user:hidden@db/packline"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hidden"),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", "whsec_hidden"),
        ("FULFILMENT_SECRET", "whsec_hidden"),
        ("FULFILMENT_URL", "https://user:hidden@warehouse/"),
    ] {
        command.env(name, value);
    }

    let help = printed(command);

    for text in [
        "serve",
        "worker",
        "demo",
        "migrate",
        "orders",
        "events",
        "keys",
        "DATABASE_URL",
        "PACKLINE_LISTEN",
        "FULFILMENT_URL",
    ] {
        assert!(help.contains(text), "{text} in\n{help}");
    }
    assert!(!help.contains("hidden"), "{help}");
    assert_eq!(printed(packline(&["--version"])), format!("packline {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_mistyped_command_or_flag_is_refused_with_a_hint() {
    assert!(complaint(packline(&["order", "list"]), 2).contains("orders"));
    assert!(complaint(packline(&["serve", "--no-workers"]), 2).contains("--no-worker"));
    let nothing = packline(&[]).output().unwrap();
    assert!(texts(&nothing).2.contains("Usage: packline"));
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn all_wrong_settings_are_told_at_once_without_their_secrets() {
    let mut command = packline(&["serve"]);
    for (name, value) in [
        ("DATABASE_URL", "postgres://user:hidden@db/packline"),
        ("PACKLINE_LISTEN", "here"),
        ("STRIPE_WEBHOOK_SECRET", "sk_test_hidden"),
        ("STRIPE_MODE", "prod"),
        ("FULFILMENT_URL", "user:hidden@warehouse"),
        ("FULFILMENT_RETRY_BASE", "10"),
        ("PACKLINE_SHUTDOWN_GRACE", "soon"),
    ] {
        command.env(name, value);
    }

    let faults = complaint(command, 1);

    for name in [
        "PACKLINE_LISTEN",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_MODE",
        "FULFILMENT_URL",
        "FULFILMENT_RETRY_BASE",
        "PACKLINE_SHUTDOWN_GRACE",
    ] {
        assert_eq!(faults.matches(name).count(), 1, "{name} in {faults}");
    }
    assert!(!faults.contains("hidden"), "{faults}");
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_named_without_its_password() {
    let database = TestDatabase::create().await;
    let (server, _) = database.url.rsplit_once('/').unwrap();
    let gone = format!("{server}/packline_gone");

    for (url, expected) in [
        ("nonsense:hidden", "DATABASE_URL is not a URL of Postgres"),
        ("mysql://user:hidden@db/packline", "DATABASE_URL is not a URL of Postgres"),
        (gone.as_str(), "database \"packline_gone\" does not exist"),
    ] {
        let mut command = packline(&["orders", "list"]);
        command.env("DATABASE_URL", url);
        let fault = complaint(command, 1);
        assert!(fault.starts_with("packline: ") && fault.contains(expected), "{url}: {fault}");
        assert!(!fault.contains("hidden"), "{fault}");
    }
    for (name, value) in [("PACKLINE_LOG_FORMAT", "xml"), ("PACKLINE_LOG", "packline=[")] {
        let mut command = on(&database, &["orders", "list"]);
        command.env(name, value);
        assert!(complaint(command, 1).contains(name));
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_fault() {
    let app = two_orders().await;
    let event: String = app.value("select min(id) from stripe_events").await;

    for args in [
        &["orders", "list"][..],
        &["orders", "list", "--json"],
        &["orders", "show", "A-1"],
        &["orders", "show", "A-1", "--json"],
        &["events", "list"],
        &["events", "show", &event],
        &["migrate"],
        &["--help"],
    ] {
        let mut child =
            on(&app.database, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // As `| head` does, before anything was written.
        drop(child.stdout.take());

        let (code, _, err) = texts(&child.wait_with_output().unwrap());

        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
    }
}

#[tokio::test]
async fn accounts_are_shown_whatever_else_is_set_wrong() {
    let database = TestDatabase::create().await;
    let wrong = |args: &[&str]| {
        let mut command = on(&database, args);
        command.env("FULFILMENT_RETRY_BASE", "soon").env("STRIPE_SECRET_KEY", "nonsense");
        command.env("FULFILMENT_PROVIDER", "pigeon");
        command
    };

    assert!(printed(wrong(&["accounts", "list"])).contains("can receive"));
    assert!(complaint(wrong(&["accounts", "show", "acct_1"]), 1).contains("acct_1"));
    let mut mode = wrong(&["accounts", "list"]);
    mode.env("STRIPE_MODE", "both");
    assert!(complaint(mode, 1).contains("STRIPE_MODE"));
}

#[tokio::test]
async fn a_dispute_is_explained_from_its_first_word_to_its_last() {
    let app = TestApp::start().await;
    for (number, intent, id, ends) in
        [("A-1", "pi_1", "du_1", ["closed", "lost"]), ("A-2", "pi_2", "du_2", ["funds_reinstated", "won"])]
    {
        app.place_order(&order(json!({ "number": number, "payment_intent": intent }))).await;
        let events = [
            intent_succeeded(intent),
            dispute("created", id, intent, "needs_response"),
            dispute("funds_withdrawn", id, intent, "needs_response"),
            dispute(ends[0], id, intent, ends[1]),
        ];
        app.deliver(&events).await;
    }

    let lost = printed(on(&app.database, &["orders", "show", "A-1"]));
    let won = printed(on(&app.database, &["orders", "show", "A-2"]));

    for text in [
        "held for    dispute",
        "20.00 USD is disputed: fraudulent",
        "noted: dispute_withdrawn 20.00 USD (du_1); it moved nothing",
        "stays dispute",
        "20.00 USD was disputed, and the dispute is lost: fraudulent",
        "dispute_lost",
    ] {
        assert!(lost.contains(text), "{text}: {lost}");
    }
    for text in ["held for    -", "the dispute ended: won", "dispute_withdrawn", "dispute_reinstated"] {
        assert!(won.contains(text), "{text}: {won}");
    }
}
