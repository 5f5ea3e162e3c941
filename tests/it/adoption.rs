//! Events that no order is known for: they wait, become an order, or are set aside; and no purchase becomes two.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::stripe::{
    self, Shape, event, id, intent_failed, intent_succeeded, invoice_intent_succeeded, invoice_paid,
    invoice_payment_paid, order, refund, succeeded, with,
};
use crate::support::{PATIENCE, TestApp};

/// The success of `pi_1` with metadata that names an order.
fn names(order_id: &str) -> Value {
    let metadata = json!({ "metadata": { "order_id": order_id } });
    event("payment_intent.succeeded", with(succeeded("pi_1"), metadata))
}

/// The success of `pi_1` of the customer who also got `in_1`, in the new shape: nothing links the two.
fn unlinked_success() -> Value {
    invoice_intent_succeeded(Shape::New, "in_1", "pi_1")
}

async fn count(app: &TestApp) -> (i64, i64) {
    let orders = app.value("select count(*) from orders").await;
    (orders, app.value("select count(*) from fulfilments where state = 'queued'").await)
}

async fn state(app: &TestApp, event: &Value) -> String {
    app.event_state(id(event)).await.0
}

/// All ways to arrange some events.
fn permutations(events: &[Value]) -> Vec<Vec<Value>> {
    let Some((first, rest)) = events.split_first() else { return vec![vec![]] };
    let longer = permutations(rest).into_iter().flat_map(|shorter| {
        (0..=shorter.len()).map(move |position| {
            let mut arranged = shorter.clone();
            arranged.insert(position, first.clone());
            arranged
        })
    });
    longer.collect()
}

/// One order came of the invoice: known lines, both references, one fulfilment.
async fn assert_one_invoice_order(app: &TestApp) {
    let order = app.order("in_1").await;
    assert_eq!(count(app).await, (1, 1), "{order:#}");
    assert_eq!(order["status"], "paid");
    assert_eq!((&order["origin"], &order["amount_paid"]), (&json!("invoice"), &json!(2000)));
    assert_eq!(order["lines"][0]["sku"], "price_tea");
    assert_eq!((&order["lines"][0]["quantity"], &order["customer"]["name"]), (&json!(2), &json!("Ada")));
    assert_eq!(app.order("pi_1").await["id"], order["id"]);
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where state <> 'applied'").await, 0);
}

#[tokio::test]
async fn events_wait_for_their_order_and_are_applied_when_it_is_placed() {
    let parked = [
        (intent_succeeded("pi_1"), json!({ "payment_intent": "pi_1" })),
        (names("SHOP-1"), json!({ "number": "SHOP-1" })),
    ];
    for (success, fields) in parked {
        let app = TestApp::start().await;
        app.deliver(&[intent_failed("pi_1"), success.clone()]).await;
        assert_eq!((count(&app).await, state(&app, &success).await), ((0, 0), "parked".to_owned()));

        app.place_order(&order(fields)).await;
        app.apply_events().await;

        assert_eq!(app.order("pi_1").await["status"], "paid");
        assert_eq!(count(&app).await, (1, 1));
        assert_eq!(app.value::<i64>("select count(*) from stripe_events where state = 'applied'").await, 2);
    }
}

#[tokio::test]
async fn a_payment_names_its_order_by_id_or_number() {
    for field in ["id", "number"] {
        let app = TestApp::start().await;
        let placed = app.place_order(&order(json!({}))).await;

        app.deliver(&[names(placed[field].as_str().unwrap())]).await;

        let paid = app.order("pi_1").await;
        assert_eq!((&paid["id"], &paid["status"]), (&placed["id"], &json!("paid")));
    }
}

#[tokio::test]
async fn an_unknown_refund_is_set_aside_after_the_grace_and_still_applied_when_the_order_appears() {
    let app = TestApp::start().await;
    let refund = refund("refund.created", "re_1", "pi_1", 500, "succeeded");
    app.deliver(std::slice::from_ref(&refund)).await;
    assert_eq!(state(&app, &refund).await, "parked");

    app.wait(PATIENCE.grace).await;
    assert_eq!(state(&app, &refund).await, "set_aside");

    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    app.deliver(&[intent_succeeded("pi_1")]).await;
    assert_eq!(app.order("pi_1").await["payment_status"], "partially_refunded");
    assert_eq!(state(&app, &refund).await, "applied");
}

#[tokio::test]
async fn an_event_is_set_aside_only_at_its_second_look() {
    let app = TestApp::start().await;
    let (old, new) = (intent_failed("pi_1"), intent_failed("pi_1"));
    app.deliver(std::slice::from_ref(&old)).await;
    app.clock.advance(PATIENCE.grace);

    app.deliver(std::slice::from_ref(&new)).await;
    assert_eq!(state(&app, &new).await, "parked");

    app.wait(PATIENCE.grace).await;
    assert_eq!((state(&app, &old).await, state(&app, &new).await), ("set_aside".into(), "set_aside".into()));
}

#[tokio::test]
async fn a_payment_that_names_an_order_that_never_appears_is_adopted_and_held() {
    let app = TestApp::start().await;
    let success = names("SHOP-1");
    app.deliver(std::slice::from_ref(&success)).await;

    app.wait(PATIENCE.order_wait - Duration::from_secs(1)).await;
    assert_eq!(state(&app, &success).await, "parked");
    app.wait(Duration::from_secs(1)).await;

    let adopted = app.order("pi_1").await;
    assert_eq!((&adopted["status"], &adopted["holds"]), (&json!("on_hold"), &json!(["unknown_order"])));
    assert_eq!(adopted["payment_status"], "paid");
    app.run_fulfilments().await;
    assert_eq!(app.order("pi_1").await["fulfilment_status"], "queued");
}

#[tokio::test]
async fn a_success_becomes_an_order_when_the_grace_is_over_and_not_before() {
    let app = TestApp::start().await;
    let buyer = json!({ "receipt_email": "ada@example.com", "metadata": { "gift": "yes" } });
    app.deliver(&[event("payment_intent.succeeded", with(succeeded("pi_1"), buyer))]).await;

    app.wait(PATIENCE.grace - Duration::from_millis(1)).await;
    assert_eq!(count(&app).await, (0, 0));
    app.wait(Duration::from_millis(1)).await;

    let adopted = app.order("pi_1").await;
    assert_eq!((&adopted["status"], &adopted["origin"]), (&json!("paid"), &json!("payment_intent")));
    assert_eq!(adopted["customer"]["email"], "ada@example.com");
    assert_eq!(adopted["metadata"], json!({ "gift": "yes" }));
    assert_eq!(count(&app).await, (1, 1));
}

#[tokio::test]
async fn an_old_invoice_and_its_payment_become_one_order_at_once_in_either_order() {
    let events =
        [invoice_paid(Shape::Old, "in_1", "pi_1"), invoice_intent_succeeded(Shape::Old, "in_1", "pi_1")];
    for events in permutations(&events) {
        let app = TestApp::start().await;

        app.deliver(&events).await;

        assert_one_invoice_order(&app).await;
    }
}

#[tokio::test]
async fn a_new_invoice_becomes_one_order_as_soon_as_its_payment_is_linked_in_any_order() {
    let events =
        [invoice_paid(Shape::New, "in_1", "pi_1"), unlinked_success(), invoice_payment_paid("in_1", "pi_1")];
    for events in permutations(&events) {
        let app = TestApp::start().await;

        for event in &events {
            // Stripe tells it again under another id, and delivers one of them again.
            let again = with(event.clone(), json!({ "id": format!("{}_again", id(event)) }));
            app.deliver(&[event.clone(), again, event.clone()]).await;
        }

        assert_one_invoice_order(&app).await;
    }
}

#[tokio::test]
async fn an_order_adopted_too_early_learns_what_its_invoice_says() {
    for shape in [Shape::Old, Shape::New] {
        let app = TestApp::start().await;
        app.deliver(&[invoice_intent_succeeded(shape, "in_1", "pi_1")]).await;
        app.wait(PATIENCE.grace).await;
        assert_eq!(app.order("pi_1").await["lines"], json!([]));

        app.deliver(&[invoice_payment_paid("in_1", "pi_1"), invoice_paid(shape, "in_1", "pi_1")]).await;

        assert_one_invoice_order(&app).await;
    }
}

#[tokio::test]
async fn invoices_that_no_payment_intent_pays_become_orders() {
    let paid = |shape, fields| {
        event("invoice.paid", with(invoice_paid(shape, "in_1", "pi_1")["data"]["object"].clone(), fields))
    };
    let nothing_due = json!({ "amount_due": 0, "amount_paid": 0, "total": 0 });
    let table = [
        (paid(Shape::Old, with(nothing_due.clone(), json!({ "payment_intent": null }))), 0, 0),
        (paid(Shape::New, nothing_due), 0, 0),
        (
            paid(
                Shape::Old,
                json!({ "payment_intent": null, "charge": null, "paid_out_of_band": true, "amount_paid": 0 }),
            ),
            2000,
            0,
        ),
        (paid(Shape::New, json!({})), 2000, 15),
    ];
    for (event, amount_paid, seconds) in table {
        let app = TestApp::start().await;
        app.deliver(std::slice::from_ref(&event)).await;
        app.wait(Duration::from_secs(seconds)).await;

        let order = app.order("in_1").await;
        assert_eq!((&order["status"], &order["holds"]), (&json!("paid"), &json!([])), "{event:#}");
        assert_eq!(order["amount_paid"], amount_paid);
        assert_eq!(count(&app).await, (1, 1));
    }
}

#[tokio::test]
async fn an_invoice_paid_by_two_payment_intents_is_one_order() {
    let part = |intent: &str, amount: i64| {
        let fields = json!({ "amount": amount, "amount_received": amount, "customer": "cus_1" });
        event("payment_intent.succeeded", with(succeeded(intent), fields))
    };
    let events = [
        part("pi_1", 700),
        part("pi_2", 1300),
        invoice_payment_paid("in_1", "pi_1"),
        invoice_payment_paid("in_1", "pi_2"),
        invoice_paid(Shape::New, "in_1", "pi_1"),
    ];
    for (position, events) in permutations(&events).into_iter().enumerate().filter(|(n, _)| n % 10 == 0) {
        let app = TestApp::start().await;

        app.deliver(&events).await;
        app.wait(PATIENCE.grace).await;

        assert_one_invoice_order(&app).await;
        assert_eq!(app.order("pi_2").await["holds"], json!([]), "permutation {position}");
    }
}

#[tokio::test]
async fn a_payment_and_an_invoice_that_nothing_links_are_held_as_a_possible_duplicate() {
    let events = [unlinked_success(), invoice_paid(Shape::New, "in_1", "pi_1")];
    for (first, second) in [(0, 1), (1, 0)] {
        for in_one_batch in [true, false] {
            let app = TestApp::start().await;
            app.deliver(&events[first..=first]).await;
            if !in_one_batch {
                app.wait(PATIENCE.grace).await;
            }
            app.deliver(&events[second..=second]).await;
            app.wait(PATIENCE.grace).await;
            app.run_fulfilments().await;

            assert_eq!(app.value::<i64>("select count(*) from orders").await, 2);
            assert_eq!(
                app.value::<i64>("select count(*) from fulfilments where state = 'fulfilled'").await,
                1
            );
            let held = app.value::<String>("select kind from holds where released_at is null").await;
            assert_eq!(held, "possible_duplicate");
        }
    }
}

#[tokio::test]
async fn another_customers_payment_or_another_amount_is_no_duplicate() {
    for fields in [
        json!({ "customer": "cus_2" }),
        json!({ "amount": 2100, "amount_received": 2100 }),
        json!({ "currency": "eur" }),
    ] {
        let app = TestApp::start().await;
        let other = with(unlinked_success()["data"]["object"].clone(), fields);

        app.deliver_at_once(&[
            invoice_paid(Shape::New, "in_1", "pi_9"),
            event("payment_intent.succeeded", other),
        ])
        .await;
        app.wait(PATIENCE.grace).await;

        assert_eq!(count(&app).await, (2, 2));
        assert_eq!(app.value::<i64>("select count(*) from holds").await, 0);
    }
}

#[tokio::test]
async fn a_link_that_is_learnt_after_both_became_orders_makes_them_one() {
    let app = TestApp::start().await;
    // Without a customer nothing hinted that the two are one.
    let anonymous = with(succeeded("pi_1"), json!({ "customer": null }));
    app.deliver(&[event("payment_intent.succeeded", anonymous)]).await;
    app.wait(PATIENCE.grace).await;
    app.run_fulfilments().await;
    app.deliver(&[invoice_paid(Shape::New, "in_1", "pi_1")]).await;
    app.wait(PATIENCE.grace).await;
    assert_eq!(app.order("in_1").await["status"], "paid");

    app.deliver(&[invoice_payment_paid("in_1", "pi_1")]).await;
    app.run_fulfilments().await;

    let one = app.order("in_1").await;
    assert_eq!((&one["id"], &one["status"]), (&app.order("pi_1").await["id"], &json!("fulfilled")));
    assert_eq!(app.value::<i64>("select count(*) from orders where merged_into is null").await, 1);
    assert_eq!(app.value::<i64>("select count(*) from fulfilments where state = 'fulfilled'").await, 1);
}

#[tokio::test]
async fn a_payment_that_stands_for_one_order_and_names_a_shops_own_makes_them_one() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "SHOP-1" }))).await;
    // The invoice is heard first and does not name the shop's order; its payment does.
    app.deliver(&[invoice_paid(Shape::Old, "in_1", "pi_1"), names("SHOP-1")]).await;

    app.run_fulfilments().await;

    let placed = app.order("in_1").await;
    assert_eq!((&placed["number"], &placed["status"]), (&json!("SHOP-1"), &json!("fulfilled")), "{placed:#}");
    assert_eq!(app.order("pi_1").await["id"], placed["id"]);
    assert_eq!(app.value::<i64>("select count(*) from fulfilments where state = 'fulfilled'").await, 1);
}

#[tokio::test]
async fn an_event_finds_the_order_that_another_event_of_its_batch_names() {
    let app = TestApp::start().await;
    let payment = invoice_intent_succeeded(Shape::Old, "in_1", "pi_1");
    app.post_event(&payment).await;
    app.apply_events().await;
    app.clock.advance(PATIENCE.grace);
    app.place_order(&order(json!({ "number": "SHOP-1" }))).await;
    let mut invoice = invoice_paid(Shape::Old, "in_1", "pi_1");
    invoice["data"]["object"]["metadata"] = json!({ "order_id": "SHOP-1" });

    // The grace of the payment is over in the very batch that tells whose it is.
    app.deliver_at_once(&[invoice]).await;

    assert_eq!(count(&app).await, (1, 1));
    assert_eq!(app.order("pi_1").await["number"], "SHOP-1");
    assert_eq!(state(&app, &payment).await, "applied");
}

#[tokio::test]
async fn a_connected_account_cannot_pay_our_order_by_naming_it() {
    let app = TestApp::start().await;
    let placed = app.place_order(&order(json!({ "number": "SHOP-1" }))).await;
    let theirs = with(names("SHOP-1"), json!({ "account": "acct_1" }));

    assert_eq!(app.post_connect_event(&theirs).await, 200);
    app.apply_events().await;
    app.wait(PATIENCE.order_wait).await;

    assert_eq!(app.order(placed["id"].as_str().unwrap()).await["status"], "pending");
    let adopted = app.order("pi_1").await;
    assert_eq!((&adopted["account"], &adopted["holds"]), (&json!("acct_1"), &json!(["unknown_order"])));
}

#[tokio::test]
async fn what_names_nothing_is_set_aside_at_once() {
    let app = TestApp::start().await;
    let mut preview = stripe::invoice_is(Shape::New, "updated", "in_1", "pi_1", "draft");
    preview["data"]["object"]["id"] = Value::Null;

    app.deliver(std::slice::from_ref(&preview)).await;

    assert_eq!(state(&app, &preview).await, "set_aside");
}

#[tokio::test]
async fn a_part_of_an_invoice_is_not_taken_for_a_purchase_of_its_own() {
    let app = TestApp::start().await;
    let part = event(
        "payment_intent.succeeded",
        with(succeeded("pi_part"), json!({ "amount": 500, "amount_received": 500 })),
    );
    app.deliver(&[part.clone(), invoice_payment_paid("in_1", "pi_part")]).await;
    app.clock.advance(PATIENCE.grace);
    app.apply_events().await;
    let (state, reason) = app.event_state(id(&part)).await;
    assert_eq!(state, "parked", "{reason:?}");

    app.clock.advance(PATIENCE.order_wait);
    app.apply_events().await;

    let adopted = app.order("pi_part").await;
    assert_eq!((&adopted["status"], &adopted["holds"]), (&json!("on_hold"), &json!(["unknown_order"])));
}

#[tokio::test]
async fn a_placed_order_is_held_when_its_unlinked_payment_became_an_order_already() {
    let app = TestApp::start().await;
    let metadata = json!({ "metadata": { "order_id": "A-1" } });
    let mut invoice = invoice_paid(Shape::New, "in_1", "pi_1");
    invoice["data"]["object"] = with(invoice["data"]["object"].clone(), metadata);
    app.deliver(&[unlinked_success()]).await;
    app.clock.advance(PATIENCE.grace);
    app.apply_events().await;
    app.run_fulfilments().await;
    assert_eq!(app.order("pi_1").await["status"], "fulfilled");

    app.place_order(&order(json!({ "number": "A-1" }))).await;
    app.deliver(&[invoice]).await;
    app.run_fulfilments().await;

    let placed = app.order("A-1").await;
    assert_eq!((&placed["status"], &placed["holds"]), (&json!("on_hold"), &json!(["possible_duplicate"])));
    assert_eq!(app.value::<i64>("select count(*) from fulfilment_attempts").await, 1);
}

#[tokio::test]
async fn a_payment_that_an_invoice_made_names_it_from_clover_on_and_needs_no_other_word() {
    for in_order in [true, false] {
        let app = TestApp::start().await;
        let mut payment = unlinked_success();
        payment["data"]["object"]["payment_details"] =
            json!({ "customer_reference": null, "order_reference": "in_1" });
        let mut events = [payment, invoice_paid(Shape::New, "in_1", "pi_1")];
        if !in_order {
            events.reverse();
        }
        for event in &events {
            app.deliver(std::slice::from_ref(event)).await;
            app.wait(PATIENCE.grace).await;
        }
        app.run_fulfilments().await;

        let order = app.order("in_1").await;
        assert_eq!((&order["id"], &order["status"]), (&app.order("pi_1").await["id"], &json!("fulfilled")));
        assert_eq!(app.value::<i64>("select count(*) from orders").await, 1);
        assert_eq!(order["lines"][0]["sku"], "price_tea");
    }
    // A merchant's own reference is none of Stripe's.
    let app = TestApp::start().await;
    let mut payment = unlinked_success();
    payment["data"]["object"]["payment_details"] = json!({ "order_reference": "2026-17" });
    app.deliver(&[payment]).await;
    app.wait(PATIENCE.grace).await;
    let refs = app.order("pi_1").await["refs"].clone();
    assert!(refs.as_array().unwrap().iter().all(|reference| reference["kind"] != "invoice"), "{refs}");
}
