//! One purchase that became two orders before anything said that it is one: they become one order.

use serde_json::{Value, json};

use crate::cli::{on, texts};
use crate::support::stripe::{
    self, Shape, event, invoice_intent_succeeded, invoice_is, invoice_paid, invoice_payment_paid, order,
    refund, succeeded, with,
};
use crate::support::{PATIENCE, TestApp};

fn invoice_open() -> Value {
    invoice_is(Shape::New, "finalized", "in_1", "pi_9", "open")
}

/// The success of a part of `in_1`, in the new shape: nothing says what it is for.
fn part(intent: &str, amount: i64) -> Value {
    let mut success = invoice_intent_succeeded(Shape::New, "in_1", intent);
    let amounts = json!({ "amount": amount, "amount_received": amount });
    success["data"]["object"] = with(success["data"]["object"].take(), amounts);
    success
}

fn link(intent: &str, amount: i64) -> Value {
    let mut link = invoice_payment_paid("in_1", intent);
    let fields =
        json!({ "id": intent.replace("pi_", "inpay_"), "amount_paid": amount, "amount_requested": amount });
    link["data"]["object"] = with(link["data"]["object"].take(), fields);
    link
}

/// Delivers, and lets the grace pass and the worker send what may be sent.
async fn deliver(app: &TestApp, events: &[Value]) {
    app.deliver(events).await;
    app.wait(PATIENCE.grace).await;
    app.run_fulfilments().await;
}

async fn sent(app: &TestApp) -> i64 {
    app.value("select count(*) from fulfilments where state = 'fulfilled'").await
}

/// Why the order that was held last is held.
async fn held_because(app: &TestApp) -> String {
    app.value("select reason from holds order by opened_at desc, order_id desc limit 1").await
}

async fn standing(app: &TestApp) -> i64 {
    app.value("select count(*) from orders where merged_into is null").await
}

#[tokio::test]
async fn an_invoice_that_is_paid_in_parts_is_sent_once_though_nothing_tells_so_in_time() {
    let app = TestApp::start().await;
    deliver(&app, &[invoice_open()]).await;
    for (intent, amount) in [("pi_1", 1200), ("pi_2", 800)] {
        deliver(&app, &[part(intent, amount)]).await;
        assert_eq!(app.order(intent).await["holds"], json!(["possible_duplicate"]));
        let number = app.order("in_1").await["number"].as_str().unwrap().to_owned();
        let part = format!("its {}.00 USD may be a part of the 20.00 USD of order {number} of", amount / 100);
        assert!(held_because(&app).await.starts_with(&part), "{part}");
    }
    assert_eq!((standing(&app).await, sent(&app).await), (3, 0));

    deliver(&app, &[link("pi_1", 1200)]).await;
    assert_eq!((standing(&app).await, sent(&app).await), (2, 0));
    assert_eq!(app.order("in_1").await["payment_status"], "awaiting_payment");
    deliver(&app, &[link("pi_2", 800)]).await;

    let whole = app.order("in_1").await;
    assert_eq!((&whole["status"], &whole["amount_paid"]), (&json!("fulfilled"), &json!(2000)), "{whole:#}");
    assert_eq!((&whole["holds"], &whole["origin"]), (&json!([]), &json!("invoice")));
    assert_eq!(whole["lines"][0]["sku"], "price_tea");
    for intent in ["pi_1", "pi_2"] {
        assert_eq!(app.order(intent).await["id"], whole["id"]);
    }
    assert_eq!((standing(&app).await, sent(&app).await), (1, 1));
    let given_up = "select count(*) from fulfilments where state = 'cancelled' and attempts = 0";
    assert_eq!(app.value::<i64>(given_up).await, 2);
    let invoices =
        "select count(*) from invoices i join orders o on o.id = i.order_id and o.merged_into is null";
    assert_eq!(app.value::<i64>(invoices).await, 1);
}

#[tokio::test]
async fn an_invoice_that_is_heard_of_when_parts_of_it_are_orders_waits_until_it_is_known_whose_they_are() {
    let app = TestApp::start().await;
    // Nothing is known of an invoice yet: each is taken for a purchase of its own.
    deliver(&app, &[part("pi_1", 1200), part("pi_2", 800)]).await;
    assert_eq!((standing(&app).await, sent(&app).await), (2, 2));

    deliver(&app, &[invoice_paid(Shape::New, "in_1", "pi_2")]).await;

    assert_eq!(app.order("in_1").await["holds"], json!(["possible_duplicate"]));
    assert_eq!(sent(&app).await, 2);

    deliver(&app, &[link("pi_2", 800)]).await;
    // What was sent cannot be unsent; the invoice is not sent on top of it.
    let second = app.order("in_1").await;
    assert!(
        !held_because(&app).await.contains(second["id"].as_str().unwrap()),
        "orders are called by number"
    );
    assert_eq!((&second["id"], &second["origin"]), (&app.order("pi_2").await["id"], &json!("invoice")));
    assert_eq!((&second["status"], &second["lines"][0]["sku"]), (&json!("fulfilled"), &json!("price_tea")));
    assert_eq!((standing(&app).await, sent(&app).await), (2, 2));
    deliver(&app, &[link("pi_1", 1200)]).await;
    assert_eq!((standing(&app).await, sent(&app).await), (2, 2));
    assert_eq!(
        app.value::<String>("select kind from holds where released_at is null").await,
        "possible_duplicate"
    );
}

#[tokio::test]
async fn an_order_that_became_a_part_of_another_says_so_and_its_news_are_that_ones() {
    let app = TestApp::start().await;
    deliver(&app, &[invoice_open(), part("pi_1", 2000)]).await;
    let bare = app.order("pi_1").await;
    assert_eq!(bare["holds"], json!(["possible_duplicate"]));
    let number = app.order("in_1").await["number"].as_str().unwrap().to_owned();
    let all = format!("its 20.00 USD may be all of order {number} of the same customer");
    assert!(held_because(&app).await.starts_with(&all), "{all}");

    let linked = link("pi_1", 2000);
    deliver(&app, std::slice::from_ref(&linked)).await;

    let whole = app.order("in_1").await;
    let told: Vec<Option<String>> =
        sqlx::query_scalar("select reason from order_transitions where cause_id = $1 order by id")
            .bind(stripe::id(&linked))
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert!(!told.is_empty() && !told.contains(&Some("it tells nothing new".to_owned())), "{told:?}");
    assert_eq!(app.event_state(stripe::id(&linked)).await, ("applied".to_owned(), None));
    let ended = app.order(bare["number"].as_str().unwrap()).await;
    assert_eq!((&ended["status"], &ended["merged_into"]), (&json!("cancelled"), &whole["id"]));
    assert_eq!((&ended["amount_paid"], &ended["refs"], &ended["holds"]), (&json!(0), &json!([]), &json!([])));
    let histories: Vec<(String, String)> = sqlx::query_as(
        "select o.origin, t.reason from order_transitions t join orders o on o.id = t.order_id
         where t.axis = 'payment' and t.reason like '%same purchase%' order by o.origin",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(histories.len(), 2);
    assert!(histories[0].1.contains("became a part of this one"), "{histories:?}");
    assert!(histories[0].1.starts_with(&format!("order {} ", bare["number"].as_str().unwrap())));
    assert!(histories[1].1.starts_with(&format!("became a part of order {number}:")), "{histories:?}");

    let given_up = app.value::<String>("select id::text from fulfilments where state = 'cancelled'").await;
    let why = app.value::<String>("select reason from fulfilments where state = 'cancelled'").await;
    assert_eq!(why, format!("it is the same purchase as order {number}"));
    let retry = ["fulfilments", "retry", &given_up, "--by", "mia", "--why", "they asked"];
    let (code, _, told) = texts(&on(&app.database, &retry).output().unwrap());
    assert!(code != 0 && told.contains("its order was called off"), "{told}");
    let show = ["orders", "show", bare["number"].as_str().unwrap()];
    let (_, shown, _) = texts(&on(&app.database, &show).output().unwrap());
    assert!(shown.contains("which it became a part of"), "{shown}");

    let naming = with(
        succeeded("pi_8"),
        json!({ "metadata": { "order_id": bare["number"] }, "amount_received": 300 }),
    );
    deliver(
        &app,
        &[
            refund("refund.created", "re_1", "pi_1", 500, "succeeded"),
            event("payment_intent.succeeded", naming),
        ],
    )
    .await;

    let whole = app.order("in_1").await;
    assert_eq!(whole["amount_refunded"], 500);
    assert_eq!(app.order("pi_8").await["id"], whole["id"]);
    assert_eq!(app.order(bare["id"].as_str().unwrap()).await["payment_status"], "cancelled");
}

#[tokio::test]
async fn a_payment_of_a_customer_who_owes_less_or_says_what_it_is_for_is_no_part_of_an_invoice() {
    let app = TestApp::start().await;
    app.place_order(&order(
        json!({ "number": "SHOP-1", "lines": [{ "sku": "TEA", "quantity": 1, "unit_amount": 500 }] }),
    ))
    .await;
    let mut named = part("pi_2", 500);
    named["data"]["object"]["metadata"] = json!({ "order_id": "SHOP-1" });

    deliver(&app, &[invoice_open(), part("pi_1", 2100), named]).await;

    for intent in ["pi_1", "pi_2"] {
        let paid = app.order(intent).await;
        assert_eq!((&paid["holds"], &paid["status"]), (&json!([]), &json!("fulfilled")), "{paid:#}");
    }
    assert_eq!(app.order("pi_2").await["number"], "SHOP-1");
}
