//! What events tell of invoices: the same rows in any order, with any duplicates, in both shapes.

use packline::app;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{
    Shape, charge, event, intent_failed, invoice, invoice_intent_succeeded, invoice_payment_paid, with,
};

const FINALISED: &str = "https://invoice.example/i/";

/// An invoice's event, `second` seconds after the first.
fn told(shape: Shape, event_type: &str, id: &str, intent: &str, second: i64, fields: Value) -> Value {
    let base = with(
        invoice(shape, id, intent),
        json!({ "number": null, "hosted_invoice_url": null, "invoice_pdf": null, "attempt_count": 0,
          "next_payment_attempt": null, "auto_advance": true }),
    );
    let event = event(&format!("invoice.{event_type}"), with(base, fields));
    with(event, json!({ "created": 1_760_000_000 + second }))
}

fn open(id: &str) -> Value {
    json!({ "status": "open", "number": "PL-0001", "hosted_invoice_url": format!("{FINALISED}{id}"),
      "invoice_pdf": format!("{FINALISED}{id}/pdf") })
}

/// A purchase by invoice whose card fails first: its whole story.
fn story(shape: Shape, id: &str) -> Vec<Value> {
    let intent = id.replace("in_", "pi_");
    let told = |event_type: &str, second, fields| told(shape, event_type, id, &intent, second, fields);
    let failed = json!({ "attempt_count": 1, "next_payment_attempt": 1_760_300_000 });
    let paid = json!({ "status": "paid", "amount_paid": 2000, "amount_remaining": 0, "attempt_count": 2,
      "next_payment_attempt": null });
    let mut events = vec![
        told("created", 0, json!({ "status": "draft", "amount_due": 500, "amount_remaining": 500 })),
        told("updated", 1, json!({ "status": "draft" })),
        told("finalized", 2, open(id)),
        told("payment_failed", 2, with(open(id), failed)),
        told("paid", 9, with(open(id), paid)),
        with(intent_failed(&intent), json!({ "created": 1_760_000_002 })),
        with(invoice_intent_succeeded(shape, id, &intent), json!({ "created": 1_760_000_009 })),
    ];
    let receipt = json!({ "receipt_url": format!("https://receipt.example/{id}") });
    let mut charged = charge("succeeded", &intent, 0);
    charged["data"]["object"] = with(charged["data"]["object"].clone(), receipt);
    events.push(with(charged, json!({ "created": 1_760_000_009 })));
    if shape == Shape::New {
        events.push(invoice_payment_paid(id, &intent));
    }
    events
}

async fn invoice_of(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/v1/invoices/{id}")).await.json().await.unwrap()
}

/// All that the API shows of an invoice, without what differs from one to the next.
async fn shown(app: &TestApp, id: &str) -> String {
    let mut invoice = invoice_of(app, id).await;
    for own in ["id", "order_id", "updated_at"] {
        invoice[own] = if invoice[own].is_null() { "none" } else { "some" }.into();
    }
    invoice.to_string().replace(&id[3..], "N")
}

#[tokio::test]
async fn an_invoice_ends_in_the_same_row_in_whatever_order_its_events_come() {
    let app = TestApp::start().await;
    for shape in [Shape::Old, Shape::New] {
        let name = |number: usize| format!("in_{shape:?}{number}x");
        let mut expected = None;
        let length = story(shape, "in_0").len();
        // Each event once at each place, forwards and backwards, with some told twice.
        for turn in 0..2 * length {
            let id = name(turn);
            let mut events = story(shape, &id);
            events.rotate_left(turn % length);
            if turn >= length {
                events.reverse();
            }
            events.push(events[turn % length].clone());
            for event in &events {
                app.deliver(std::slice::from_ref(event)).await;
            }
            app.wait(std::time::Duration::from_secs(60)).await;
            let end = shown(&app, &id).await;
            assert!(end.contains("\"status\":\"paid\"") && end.contains("https://receipt.example/"), "{end}");
            let expected = expected.get_or_insert_with(|| end.clone());
            assert_eq!(*expected, end, "{shape:?}, turn {turn}");
            let order = invoice_of(&app, &id).await["order_id"].clone();
            assert!(order.is_string(), "{shape:?}, turn {turn}: it became an order");
        }
    }
}

#[tokio::test]
async fn an_open_invoice_says_how_to_pay_it_and_why_it_is_not_paid() {
    let app = TestApp::start().await;
    let id = "in_unpaid";
    app.deliver(&story(Shape::Old, id)[..4]).await;
    app.deliver(&story(Shape::Old, id)[5..6]).await;

    let invoice = invoice_of(&app, id).await;
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["number"], "PL-0001");
    assert_eq!(invoice["hosted_invoice_url"], format!("{FINALISED}{id}"));
    assert_eq!(invoice["attempt_count"], 1);
    assert_eq!(invoice["next_payment_attempt"], "2025-10-12T20:13:20Z");
    assert_eq!(invoice["problem"], "insufficient_funds");
    assert_eq!(invoice["payment_intents"], json!(["pi_unpaid"]));
    assert_eq!(invoice["action_required"], false);

    let wanted = told(Shape::Old, "payment_action_required", id, "pi_unpaid", 30, open(id));
    app.deliver(&[wanted]).await;
    assert_eq!(invoice_of(&app, id).await["action_required"], true);
}

#[tokio::test]
async fn an_order_shows_the_invoice_that_it_was_billed_by() {
    let app = TestApp::start().await;
    let subscribed = json!({ "parent": { "type": "subscription_details", "quote_details": null,
      "subscription_details": { "subscription": "sub_1", "metadata": {} } } });
    let mut events = story(Shape::New, "in_1");
    for event in &mut events {
        if event["type"].as_str().unwrap().starts_with("invoice.") {
            event["data"]["object"] = with(event["data"]["object"].clone(), subscribed.clone());
        }
    }
    app.deliver(&events).await;

    let order = app.order("in_1").await;
    let billed = &order["billing"]["invoice"];
    assert_eq!(billed["stripe_id"], "in_1", "{order}");
    assert_eq!(billed["number"], "PL-0001");
    assert_eq!(billed["status"], "paid");
    assert_eq!(billed["receipt_url"], "https://receipt.example/in_1");
    assert_eq!(billed["invoice_pdf"], format!("{FINALISED}in_1/pdf"));
    assert_eq!(order["billing"]["subscription"]["stripe_id"], "sub_1");
    let mut conn = app.pool.acquire().await.unwrap();
    let id = order["id"].as_str().unwrap().parse().unwrap();
    let orders = packline::orders::load(&mut conn, &[id]).await.unwrap();
    assert!(app::billing().describe(&mut conn, &orders).await.unwrap().contains_key(&id));
}

#[tokio::test]
async fn a_draft_is_known_before_it_is_an_order_and_a_deleted_one_is_not_listed() {
    let app = TestApp::start().await;
    let draft = told(Shape::New, "created", "in_1", "pi_1", 0, json!({ "status": "draft" }));
    app.deliver(&[draft]).await;

    let invoice = invoice_of(&app, "in_1").await;
    assert_eq!(invoice["status"], "draft");
    assert_eq!(invoice["order_id"], Value::Null);
    let list: Value = app.get("/v1/invoices?status=draft").await.json().await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);

    app.deliver(&[told(Shape::New, "deleted", "in_1", "pi_1", 5, json!({ "status": "draft" }))]).await;
    let list: Value = app.get("/v1/invoices").await.json().await.unwrap();
    assert_eq!(list["data"], json!([]));
    assert!(invoice_of(&app, "in_1").await["deleted_at"].is_string());
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let app = TestApp::start().await;
    for (number, customer) in [(1, "cus_1"), (2, "cus_1"), (3, "cus_2")] {
        let fields = json!({ "status": "open", "customer": customer, "created": 1_760_000_000 + number });
        let id = format!("in_{number}");
        app.deliver(&[told(Shape::New, "finalized", &id, "pi_1", number, fields)]).await;
    }

    let page: Value = app.get("/v1/invoices?limit=2").await.json().await.unwrap();
    let ids = |page: &Value| -> Vec<String> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["stripe_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&page), ["in_3", "in_2"]);
    let next = format!("/v1/invoices?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&app.get(&next).await.json().await.unwrap()), ["in_1"]);
    assert_eq!(ids(&app.get("/v1/invoices?customer=cus_2").await.json().await.unwrap()), ["in_3"]);
    assert_eq!(app.get("/v1/invoices?status=unheard").await.status(), 422);
    assert_eq!(app.get("/v1/invoices/in_9").await.status(), 404);
}

#[tokio::test]
async fn what_an_answer_writes_at_the_same_moment_is_not_undone_by_an_older_event() {
    let app = TestApp::start().await;
    let now = app.clock.now();
    let mut answer = app.pool.begin().await.unwrap();
    let answered = with(invoice(Shape::New, "in_1", "pi_1"), open("in_1"));
    packline::invoices::learn(&mut answer, &answered, None, now).await.unwrap();
    let draft = told(Shape::New, "created", "in_1", "pi_1", 0, json!({ "status": "draft" }));
    assert_eq!(app.post_event(&draft).await, 200);

    let applier = app.applier();
    let committed = async {
        let waiting = "select count(*) from pg_stat_activity
                       where wait_event_type = 'Lock' and datname = current_database()";
        while app.value::<i64>(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        answer.commit().await.unwrap();
    };
    let (applied, ()) = tokio::join!(applier.run_once(), committed);

    assert_eq!(applied.unwrap(), 1);
    assert_eq!(app.value::<String>("select status from invoices").await, "open");
}
