//! Stripe's own shapes, of other origin than ours: whatever lies in `../shared/stripe-fixtures/` (or where
//! `PACKLINE_FIXTURES` points to) is signed and posted. Without the folder these tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use packline::inbox::dispatch;
use packline::stripe::{Id, Invoice};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::stripe::{event, id, with};
use crate::support::{SECRET, TestApp};

pub fn folder(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    let set = std::env::var_os("PACKLINE_FIXTURES").map(PathBuf::from);
    let folder =
        set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/stripe-fixtures"));
    let folder = folder.join(name);
    if !folder.is_dir() {
        eprintln!("skipped: there is no folder {}", folder.display());
        return None;
    }
    Some(folder)
}

/// All JSON files below a folder, by their paths.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The fixtures' ids are all zeros: gives those of one file a name of their own.
fn with_own_ids(text: &str, name: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_0000000000") {
        let (before, from) = rest.split_at(at + 1);
        named.push_str(before);
        named.push_str(name);
        rest = from.trim_start_matches('0');
    }
    named + rest
}

/// Posts the bytes of an event, signed.
async fn post(app: &TestApp, body: &str) -> StatusCode {
    let signature = app.sign(SECRET, body.as_bytes());
    app.post_raw("/webhooks/stripe", Some(&signature), body.to_owned().into()).await.status()
}

/// Applies what is there, at once and after everything that was waited for did not come.
async fn apply_to_the_end(app: &TestApp) {
    for wait in [0, 15, 600, 600] {
        app.clock.advance(Duration::from_secs(wait));
        app.apply_events().await;
    }
    let unsettled: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "select type, state, reason from stripe_events where state not in ('applied', 'set_aside')",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert!(unsettled.is_empty(), "{unsettled:#?}");
    let unexplained = "select count(*) from stripe_events where state = 'set_aside' and reason is null";
    assert_eq!(app.value::<i64>(unexplained).await, 0);
}

/// What the facts call for: a success is one paid order of the object's amounts, an invoice's with its lines.
async fn assert_order_of(app: &TestApp, object: &Value) {
    let name = object["id"].as_str().unwrap_or_default();
    match (object["object"].as_str(), object["status"].as_str()) {
        (Some("payment_intent"), Some("succeeded")) => {
            let order = app.order(name).await;
            assert_eq!(order["payment_status"], "paid", "{name}");
            assert_eq!(order["amount_total"], object["amount"], "{name}");
            assert_eq!(order["amount_paid"], object["amount_received"], "{name}");
            assert_eq!(order["currency"], object["currency"], "{name}");
        }
        (Some("invoice"), Some("paid")) => {
            let order = app.order(name).await;
            assert_eq!(order["payment_status"], "paid", "{name}");
            assert_eq!(order["amount_total"], object["amount_due"], "{name}");
            assert_eq!(order["amount_paid"], object["amount_paid"], "{name}");
            let lines = object["lines"]["data"].as_array().unwrap();
            let kept = order["lines"].as_array().unwrap();
            let to_send = lines.iter().filter(|line| line["amount"].as_i64() >= Some(0));
            assert_eq!(kept.iter().filter(|line| line["kind"] == "goods").count(), to_send.count(), "{name}");
            assert_eq!(kept.len(), lines.len(), "{name}");
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_event_of_other_origin_is_taken_and_settled() {
    let Some(folder) = folder("webhook_events") else { return };
    let app = TestApp::start().await;
    let mut events: Vec<Value> = Vec::new();
    for (number, (path, text)) in files(&folder).into_iter().enumerate() {
        let text = with_own_ids(&text, &format!("fixture{number}"));
        assert_eq!(post(&app, &text).await, StatusCode::OK, "{path}");
        events.push(serde_json::from_str(&text).unwrap());
    }
    assert!(!events.is_empty());

    apply_to_the_end(&app).await;

    for event in &events {
        let event_type = event["type"].as_str().unwrap();
        let object = &event["data"]["object"];
        let (state, reason) = app.event_state(id(event)).await;
        if !dispatch::is_handled(event_type) {
            assert_eq!(state, "set_aside", "{event_type}");
            continue;
        }
        assert_order_of(&app, object).await;
        if event_type.starts_with("charge.dispute") || event_type.starts_with("charge.refund") {
            assert_eq!(state, "set_aside", "{event_type}: its charge is unknown");
            assert!(reason.is_some());
        }
    }
    // A payment that succeeded, an invoice that is finalised, a purchase on a page of Stripe's.
    let purchases = events.iter().filter(|event| {
        let object = &event["data"]["object"];
        let is_purchase = match object["object"].as_str() {
            Some("payment_intent") => object["status"] == "succeeded",
            Some("invoice") => object["status"] == "paid" || object["status"] == "open",
            Some("checkout.session") => object["mode"] == "payment" && object["payment_status"] == "paid",
            _ => false,
        };
        is_purchase && dispatch::is_handled(event["type"].as_str().unwrap())
    });
    let orders: i64 = app.value("select count(*) from orders").await;
    assert_eq!(usize::try_from(orders).unwrap(), purchases.count());
}

/// The event that Stripe would send about an object in this state.
fn event_about(object: &Value) -> Option<Value> {
    let event_type = match (object["object"].as_str()?, object["status"].as_str().unwrap_or_default()) {
        ("payment_intent", "succeeded") => "payment_intent.succeeded",
        ("payment_intent", "requires_action") => "payment_intent.requires_action",
        ("payment_intent", "requires_capture") => "payment_intent.amount_capturable_updated",
        ("payment_intent", _) => "payment_intent.created",
        ("charge", _) if object["amount_refunded"].as_i64() > Some(0) => "charge.refunded",
        ("charge", _) => "charge.succeeded",
        ("refund", _) => "refund.created",
        ("dispute", _) => "charge.dispute.created",
        ("invoice", "paid") => "invoice.paid",
        ("invoice", _) => "invoice.created",
        ("invoice_payment", "paid") => "invoice_payment.paid",
        _ => return None,
    };
    Some(event(event_type, object.clone()))
}

#[tokio::test]
async fn every_object_of_the_api_in_an_envelope_is_taken_and_settled_in_any_order() {
    let Some(folder) = folder("api_objects") else { return };
    let mut events = Vec::new();
    for (_, text) in files(&folder) {
        let answer: Value = serde_json::from_str(&text).unwrap();
        let object = &answer["body"];
        let listed = object["data"].as_array().into_iter().flatten();
        let api_version = json!({ "api_version": answer["_headers"]["Stripe-Version"] });
        let about = std::iter::once(object).chain(listed).filter_map(event_about);
        events.extend(about.map(|event| with(event, api_version.clone())));
    }
    assert!(!events.is_empty());

    for is_reversed in [false, true] {
        let app = TestApp::start().await;
        if is_reversed {
            events.reverse();
        }
        for event in &events {
            assert_eq!(app.post_event(event).await, StatusCode::OK, "{event}");
        }
        apply_to_the_end(&app).await;

        for event in &events {
            assert_order_of(&app, &event["data"]["object"]).await;
        }
    }
}

#[test]
fn what_the_invoices_of_all_versions_say_is_read() {
    let (Some(events), Some(objects)) = (folder("webhook_events"), folder("api_objects")) else { return };
    let in_events = files(&events).into_iter().map(|(_, text)| serde_json::from_str::<Value>(&text).unwrap());
    let in_answers =
        files(&objects).into_iter().map(|(_, text)| serde_json::from_str::<Value>(&text).unwrap());
    let all = in_events.map(|event| event["data"]["object"].clone());
    let all = all.chain(in_answers.map(|answer| answer["body"].clone()));
    let mut read = 0;
    for object in all.filter(|object| object["object"] == "invoice") {
        let invoice: Invoice = serde_json::from_value(object.clone()).unwrap();

        assert_eq!(invoice.number.as_deref(), object["number"].as_str());
        assert_eq!(invoice.hosted_invoice_url.as_deref(), object["hosted_invoice_url"].as_str());
        assert_eq!(invoice.attempt_count, object["attempt_count"].as_i64().unwrap_or_default());
        assert_eq!(invoice.amount_remaining, object["amount_remaining"].as_i64());
        let subscription = object["subscription"].as_str();
        let subscription =
            subscription.or_else(|| object["parent"]["subscription_details"]["subscription"].as_str());
        assert_eq!(invoice.subscription().map(Id::as_str), subscription, "{}", object["id"]);
        for (line, object) in invoice.lines().iter().zip(object["lines"]["data"].as_array().unwrap()) {
            let price = object["price"]["id"].as_str();
            let price = price.or_else(|| object["pricing"]["price_details"]["price"].as_str());
            assert_eq!(line.price().map(|price| price.id.as_str()), price);
        }
        read += 1;
    }
    assert!(read > 8, "{read} invoices");
}
