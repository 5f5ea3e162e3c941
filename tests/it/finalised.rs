//! Invoices are orders from when they are finalised, whatever is heard of them first; and of their lines only goods are
//! sent.

use serde_json::{Value, json};

use crate::support::stripe::{
    self, Shape, event, id, invoice_intent_succeeded, invoice_paid, invoice_payment_paid, with,
};
use crate::support::{PATIENCE, TestApp};

/// An invoice that was just finalised.
fn finalised(shape: Shape) -> Value {
    stripe::invoice_is(shape, "finalized", "in_1", "pi_1", "open")
}

async fn count(app: &TestApp) -> (i64, i64) {
    let orders = app.value("select count(*) from orders").await;
    (orders, app.value("select count(*) from fulfilments where state = 'queued'").await)
}

#[tokio::test]
async fn an_invoice_is_an_order_from_when_it_is_finalised_and_a_draft_is_none() {
    for shape in [Shape::Old, Shape::New] {
        let app = TestApp::start().await;
        let draft = stripe::invoice_is(shape, "created", "in_1", "pi_1", "draft");
        app.deliver(std::slice::from_ref(&draft)).await;
        assert_eq!(count(&app).await, (0, 0));
        let (state, reason) = app.event_state(id(&draft)).await;
        assert_eq!((state.as_str(), reason.unwrap().contains("draft")), ("applied", true));

        app.deliver(&[finalised(shape)]).await;

        let order = app.order("in_1").await;
        assert_eq!(count(&app).await, (1, 0));
        assert_eq!(
            (&order["payment_status"], &order["origin"]),
            (&json!("awaiting_payment"), &json!("invoice"))
        );
        assert_eq!((&order["amount_total"], &order["paid_at"]), (&json!(2000), &Value::Null));
        assert_eq!(order["lines"][0]["sku"], "price_tea");
        assert_eq!(order["lines"][0]["kind"], "goods");

        app.deliver(&[invoice_paid(shape, "in_1", "pi_1")]).await;

        let paid = app.order("in_1").await;
        assert_eq!((&paid["id"], &paid["status"]), (&order["id"], &json!("paid")));
        assert_eq!(count(&app).await, (1, 1));
    }
}

#[tokio::test]
async fn an_invoice_that_is_void_or_given_up_follows_and_one_that_is_paid_after_all_is_sent() {
    let app = TestApp::start().await;
    let given_up = stripe::invoice_is(Shape::New, "marked_uncollectible", "in_1", "pi_1", "uncollectible");
    app.deliver(&[finalised(Shape::New), given_up]).await;
    assert_eq!(app.order("in_1").await["payment_status"], "payment_failed");

    app.deliver(&[invoice_paid(Shape::New, "in_1", "pi_1")]).await;
    assert_eq!(app.order("in_1").await["status"], "paid");
    assert_eq!(count(&app).await, (1, 1));

    let void = stripe::invoice_is(Shape::New, "voided", "in_2", "pi_2", "void");
    let open = stripe::invoice_is(Shape::New, "finalized", "in_2", "pi_2", "open");
    app.deliver(&[void, open]).await;
    assert_eq!(app.order("in_2").await["status"], "cancelled");
}

#[tokio::test]
async fn a_credit_note_makes_an_open_invoice_ask_less_and_never_more() {
    let app = TestApp::start().await;
    let reduced = with(
        stripe::invoice(Shape::New, "in_1", "pi_1"),
        json!({ "amount_due": 1500, "amount_remaining": 1500 }),
    );
    let success = with(
        stripe::succeeded("pi_1"),
        json!({ "amount": 1500, "amount_received": 1500, "customer": "cus_1" }),
    );

    app.deliver(&[event("invoice.updated", reduced), finalised(Shape::New)]).await;
    assert_eq!(app.order("in_1").await["amount_total"], 1500);

    app.deliver(&[invoice_payment_paid("in_1", "pi_1"), event("payment_intent.succeeded", success)]).await;
    assert_eq!(app.order("in_1").await["status"], "paid");
}

#[tokio::test]
async fn an_open_invoice_and_a_payment_that_nothing_links_are_sent_once_however_they_are_heard() {
    let events = || {
        [
            finalised(Shape::New),
            invoice_intent_succeeded(Shape::New, "in_1", "pi_1"),
            invoice_paid(Shape::New, "in_1", "pi_1"),
        ]
    };
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        // Where the grace runs out: after none, some or all of them. At the end it always does, for all at once too.
        for waits in 0..4_u8 {
            let app = TestApp::start().await;
            for (at, position) in order.into_iter().enumerate() {
                app.deliver(&events()[position..=position]).await;
                if waits & (1 << at) != 0 {
                    app.wait(PATIENCE.grace).await;
                }
            }
            app.wait(PATIENCE.grace).await;
            app.run_fulfilments().await;

            let case = format!("order {order:?}, waits {waits:02b}");
            let sent: i64 = app.value("select count(*) from fulfilments where state = 'fulfilled'").await;
            assert_eq!(sent, 1, "{case}");
            let held = "select string_agg(kind, ' ') from holds where released_at is null";
            assert_eq!(app.value::<String>(held).await, "possible_duplicate", "{case}");
        }
    }
}

#[tokio::test]
async fn a_payment_whose_grace_ends_in_the_batch_that_tells_of_its_invoice_is_the_one_that_is_held() {
    for knows_invoice in [true, false] {
        let app = TestApp::start().await;
        if knows_invoice {
            app.deliver(&[finalised(Shape::New)]).await;
        }
        app.deliver(&[invoice_intent_succeeded(Shape::New, "in_1", "pi_1")]).await;
        app.clock.advance(PATIENCE.grace);

        app.deliver_at_once(&[finalised(Shape::New), invoice_paid(Shape::New, "in_1", "pi_1")]).await;

        assert_eq!(app.order("pi_1").await["holds"], json!(["possible_duplicate"]));
        assert_eq!(app.order("in_1").await["holds"], json!([]));
        assert_eq!(app.order("in_1").await["status"], "paid");
    }
}

#[tokio::test]
async fn a_payment_that_is_called_off_leaves_its_invoice_open() {
    let app = TestApp::start().await;
    let called_off = with(stripe::intent("pi_2"), json!({ "status": "canceled", "customer": "cus_1" }));
    app.deliver(&[finalised(Shape::New), invoice_payment_paid("in_1", "pi_2")]).await;

    app.deliver(&[event("payment_intent.canceled", called_off)]).await;

    assert_eq!(app.order("in_1").await["payment_status"], "awaiting_payment");
}

#[tokio::test]
async fn an_order_of_a_part_waits_for_the_rest_once_its_invoice_says_what_it_asks() {
    let app = TestApp::start().await;
    let part = |intent: &str, amount: i64| {
        let fields =
            json!({ "amount": amount, "amount_received": amount, "customer": "cus_1", "invoice": "in_1" });
        event("payment_intent.succeeded", with(stripe::succeeded(intent), fields))
    };
    // The old shape names the invoice, so nobody waits for it beyond the grace.
    app.deliver(&[part("pi_1", 700)]).await;
    app.wait(PATIENCE.grace).await;
    assert_eq!(app.order("pi_1").await["status"], "paid");

    app.deliver(&[finalised(Shape::New)]).await;
    app.run_fulfilments().await;
    let order = app.order("pi_1").await;
    assert_eq!(
        (&order["payment_status"], &order["amount_total"]),
        (&json!("awaiting_payment"), &json!(2000))
    );
    assert_eq!((&order["fulfilment_status"], &order["lines"][0]["quantity"]), (&json!("queued"), &json!(2)));

    app.deliver(&[part("pi_2", 1300)]).await;
    app.run_fulfilments().await;
    assert_eq!(app.order("in_1").await["status"], "fulfilled");
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn of_an_invoice_only_its_goods_are_sent() {
    let line = |amount: i64, quantity: i64, proration: bool| {
        json!({
            "id": "il_1", "object": "line_item", "amount": amount, "description": "Tea", "quantity": quantity,
            "metadata": {}, "pricing": { "price_details": { "price": "price_tea" } },
            "parent": { "subscription_item_details": { "proration": proration } }
        })
    };
    let kinds = "select string_agg(kind, ' ' order by position) from order_lines";
    for (lines, expected, status, parts) in [
        (
            json!([
                line(3000, 3, false),
                line(-1500, 1, true),
                line(500, 2, true),
                line(-100, 1, false),
                line(0, 0, false)
            ]),
            "goods proration proration credit credit",
            "paid",
            1,
        ),
        (json!([line(2500, 3, true), line(-500, 1, true)]), "proration proration", "fulfilled", 0),
    ] {
        let app = TestApp::start().await;
        let lines = json!({ "lines": { "object": "list", "data": lines, "has_more": false } });
        let open = with(stripe::invoice(Shape::New, "in_1", "pi_1"), lines);

        app.deliver(&[event("invoice.finalized", open), invoice_paid(Shape::New, "in_1", "pi_1")]).await;

        assert_eq!(app.value::<String>(kinds).await, expected);
        assert_eq!(app.order("in_1").await["status"], status);
        assert_eq!(count(&app).await, (1, parts));
        assert_eq!(app.value::<i64>("select count(*) from fulfilment_lines").await, parts);
    }
}
