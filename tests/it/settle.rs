//! What Stripe's events do to an order that is known: its payment, its money, its holds.

use std::collections::BTreeSet;

use packline::inbox::dispatch::TABLE;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{
    self, Shape, charge, charge_refunded, dispute, early_fraud_warning, event, intent, intent_failed,
    intent_is, intent_succeeded, invoice_is, invoice_paid, invoice_payment_paid, order, refund, review,
    session, shaped, succeeded, with,
};

/// A service with one order of 20.00 USD, placed with the PaymentIntent `pi_1`, to which all of this happened.
async fn order_after(events: &[Value]) -> (TestApp, Value) {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;
    app.deliver(events).await;
    let order = app.order("pi_1").await;
    (app, order)
}

/// The axes of an order, and its money.
fn axes(order: &Value) -> Value {
    let fields = ["payment_status", "fulfilment_status", "holds", "amount_paid", "amount_refunded"];
    fields.iter().map(|field| order[field].clone()).collect()
}

fn has_ref(order: &Value, kind: &str, id: &str) -> bool {
    order["refs"].as_array().unwrap().contains(&json!({ "kind": kind, "stripe_id": id }))
}

/// What happened before to the order of `pi` and `in_`, the event, and what it does.
type Case = (Vec<Value>, Value, fn(&Value) -> bool);

/// Every type of event, on the order that `pi` and the invoice `inv` stand for.
fn cases(shape: Shape, pi: &str, inv: &str) -> Vec<Case> {
    let is = |event_type: &str, status: &str| {
        event(
            &format!("payment_intent.{event_type}"),
            shaped(shape, with(intent(pi), json!({ "status": status }))),
        )
    };
    let success = || event("payment_intent.succeeded", shaped(shape, succeeded(pi)));
    let linked = || vec![invoice_payment_paid(inv, pi)];
    let invoice = |event_type: &str, status: &str| invoice_is(shape, event_type, inv, pi, status);
    let paid = |event_type: &str| {
        with(invoice_paid(shape, inv, pi), json!({ "type": format!("invoice.{event_type}") }))
    };
    let re = pi.replace("pi_", "re_");
    let refund = |event_type: &str, status: &str| refund(event_type, &re, pi, 500, status);
    let cs = pi.replace("pi_", "cs_");
    let du = pi.replace("pi_", "du_");
    let dispute = |event_type: &str, status: &str| dispute(event_type, &du, pi, status);
    let opened = || vec![success(), dispute("created", "needs_response")];

    let has_charge: fn(&Value) -> bool = |order| order["refs"].to_string().contains("ch_");
    let has_invoice: fn(&Value) -> bool = |order| order["refs"].to_string().contains("in_");
    let is_suspected: fn(&Value) -> bool = |order| order["holds"] == json!(["early_fraud_warning"]);
    let is_in_review: fn(&Value) -> bool = |order| order["holds"] == json!(["review"]);
    let is_held: fn(&Value) -> bool = |order| order["holds"] == json!(["dispute"]);
    let is_free: fn(&Value) -> bool = |order| order["holds"] == json!([]) && order["status"] == "paid";
    let is_refunded: fn(&Value) -> bool =
        |order| order["payment_status"] == "partially_refunded" && order["amount_refunded"] == 500;
    let is_awaiting: fn(&Value) -> bool = |order| order["payment_status"] == "awaiting_payment";
    let needs_action: fn(&Value) -> bool = |order| order["payment_status"] == "requires_action";
    let is_processing: fn(&Value) -> bool = |order| order["payment_status"] == "processing";
    let is_authorised: fn(&Value) -> bool = |order| order["payment_status"] == "authorised";
    let has_failed: fn(&Value) -> bool = |order| order["status"] == "payment_failed";
    let is_cancelled: fn(&Value) -> bool = |order| order["status"] == "cancelled";
    let is_paid: fn(&Value) -> bool = |order| {
        order["status"] == "paid" && order["fulfilment_status"] == "queued" && order["amount_paid"] == 2000
    };

    let action = if shape == Shape::Old { "requires_source_action" } else { "requires_action" };
    vec![
        (vec![], charge("captured", pi, 0), has_charge),
        (vec![], charge("succeeded", pi, 0), has_charge),
        (vec![], charge("updated", pi, 0), has_charge),
        (vec![success()], charge_refunded(pi, 500), is_refunded),
        (vec![success()], dispute("created", "needs_response"), is_held),
        (opened(), dispute("updated", "under_review"), is_held),
        (opened(), dispute("funds_withdrawn", "needs_response"), is_held),
        (opened(), dispute("funds_reinstated", "won"), is_free),
        (opened(), dispute("closed", "won"), is_free),
        (opened(), dispute("closed", "lost"), is_held),
        (vec![success()], early_fraud_warning("created", pi), is_suspected),
        (vec![success()], early_fraud_warning("updated", pi), is_suspected),
        (vec![success()], review(pi, None), is_in_review),
        (vec![success(), review(pi, None)], review(pi, Some("approved")), is_free),
        (vec![success()], refund("charge.refund.updated", "succeeded"), is_refunded),
        (vec![success()], refund("refund.created", "pending"), is_refunded),
        (vec![success()], refund("refund.updated", "succeeded"), is_refunded),
        (vec![success(), refund("refund.created", "pending")], refund("refund.failed", "failed"), is_free),
        (vec![], session("completed", &cs, pi, "unpaid"), is_processing),
        (vec![], session("completed", &cs, pi, "paid"), is_paid),
        (vec![], session("async_payment_succeeded", &cs, pi, "paid"), is_paid),
        (vec![], session("async_payment_failed", &cs, pi, "unpaid"), has_failed),
        (vec![], session("expired", &cs, pi, "unpaid"), is_cancelled),
        (linked(), invoice("created", "draft"), is_awaiting),
        (linked(), invoice("deleted", "draft"), is_awaiting),
        (linked(), invoice("finalization_failed", "draft"), is_awaiting),
        (linked(), invoice("finalized", "open"), is_awaiting),
        (linked(), invoice("sent", "open"), is_awaiting),
        (linked(), invoice("updated", "open"), is_awaiting),
        (linked(), invoice("overdue", "open"), is_awaiting),
        (linked(), invoice("payment_attempt_required", "open"), is_awaiting),
        (linked(), invoice("payment_action_required", "open"), needs_action),
        (linked(), invoice("payment_failed", "open"), has_failed),
        (linked(), invoice("marked_uncollectible", "uncollectible"), has_failed),
        (linked(), invoice("voided", "void"), is_cancelled),
        (linked(), paid("paid"), is_paid),
        (linked(), paid("payment_succeeded"), is_paid),
        (linked(), paid("overpaid"), is_paid),
        (vec![], invoice_payment_paid(inv, pi), has_invoice),
        (vec![], is("created", "requires_payment_method"), is_awaiting),
        (vec![], is("partially_funded", "requires_action"), needs_action),
        (vec![], is("requires_action", action), needs_action),
        (vec![], is("processing", "processing"), is_processing),
        (vec![], is("amount_capturable_updated", "requires_capture"), is_authorised),
        (vec![], is("payment_failed", "requires_payment_method"), has_failed),
        (vec![], is("canceled", "canceled"), is_cancelled),
        (vec![], success(), is_paid),
    ]
}

#[tokio::test]
async fn every_type_of_event_has_its_effect_in_both_shapes() {
    let app = TestApp::start().await;
    let mut seen = BTreeSet::new();
    for (shape, prefix) in [(Shape::Old, "old"), (Shape::New, "new")] {
        for position in 0..cases(shape, "", "").len() {
            let (pi, inv) = (format!("pi_{prefix}{position}"), format!("in_{prefix}{position}"));
            let (before, event, expected) = cases(shape, &pi, &inv).swap_remove(position);
            app.place_order(&order(json!({ "payment_intent": pi }))).await;

            app.deliver(&before).await;
            app.deliver(std::slice::from_ref(&event)).await;

            let order = app.order(&pi).await;
            assert!(expected(&order), "{shape:?} {}: {order:#}", event["type"]);
            assert_eq!(app.event_state(stripe::id(&event)).await.0, "applied");
            seen.insert(event["type"].as_str().unwrap().to_owned());
        }
    }
    // What the events of other features do, their own tests show.
    let others = ["account.", "customer.subscription.", "quote.", "subscription_schedule."];
    let is_other = |event_type: &str| others.iter().any(|prefix| event_type.starts_with(prefix));
    let of_orders = TABLE.iter().filter(|(event_type, _)| !is_other(event_type));
    assert_eq!(seen, of_orders.map(|(event_type, _)| (*event_type).to_owned()).collect());
}

#[tokio::test]
async fn a_failure_may_be_followed_by_a_success_but_never_undoes_one() {
    let (_app, failed_first) = order_after(&[intent_failed("pi_1"), intent_succeeded("pi_1")]).await;
    assert_eq!(axes(&failed_first), json!(["paid", "queued", [], 2000, 0]));

    let late = [
        intent_is("created", "pi_1", "requires_payment_method"),
        intent_is("processing", "pi_1", "processing"),
        intent_failed("pi_1"),
        intent_is("canceled", "pi_1", "canceled"),
    ];
    let (app, success_first) = order_after(&[&[intent_succeeded("pi_1")], &late[..]].concat()).await;
    assert_eq!(axes(&success_first), axes(&failed_first));
    for event in late {
        let (state, reason) = app.event_state(stripe::id(&event)).await;
        assert_eq!(state, "applied");
        assert!(reason.unwrap().starts_with("late news"), "{event}");
    }
}

#[tokio::test]
async fn money_that_does_not_match_the_order_holds_it_and_does_not_pay_it() {
    let wrong = [
        json!({ "amount_received": 1999 }),
        json!({ "amount_received": 2001, "amount": 2001 }),
        json!({ "currency": "eur" }),
    ];
    for fields in wrong {
        let (app, held) =
            order_after(&[event("payment_intent.succeeded", with(succeeded("pi_1"), fields))]).await;

        assert_eq!(held["status"], "on_hold");
        assert_eq!(held["holds"], json!(["amount_mismatch"]));
        assert_eq!(held["payment_status"], "awaiting_payment");
        assert_eq!(app.value::<i64>("select count(*) from fulfilments").await, 0);
    }
}

#[tokio::test]
async fn the_same_money_told_by_two_events_counts_once() {
    let told = [
        intent_succeeded("pi_1"),
        intent_succeeded("pi_1"),
        refund("refund.created", "re_1", "pi_1", 500, "pending"),
        refund("charge.refund.updated", "re_1", "pi_1", 500, "succeeded"),
        charge_refunded("pi_1", 500),
    ];

    let (app, order) = order_after(&told).await;

    assert_eq!(axes(&order), json!(["partially_refunded", "queued", [], 2000, 500]));
    assert_eq!(app.value::<i64>("select count(*) from payments where kind = 'captured'").await, 1);
    assert_eq!(app.value::<i64>("select count(*) from fulfilments").await, 1);
}

#[tokio::test]
async fn a_whole_refund_calls_off_what_was_not_sent_whichever_is_heard_first() {
    let success = intent_succeeded("pi_1");
    let refund = refund("refund.created", "re_1", "pi_1", 2000, "succeeded");
    for events in [[success.clone(), refund.clone()], [refund.clone(), success.clone()]] {
        let (app, order) = order_after(&events).await;

        assert_eq!(axes(&order), json!(["refunded", "cancelled", [], 2000, 2000]));
        assert_eq!(app.value::<String>("select state from fulfilments").await, "cancelled");
    }
}

#[tokio::test]
async fn a_refund_after_the_goods_went_out_leaves_them_sent() {
    let (app, _) = order_after(&[intent_succeeded("pi_1")]).await;
    app.run_fulfilments().await;

    app.deliver(&[charge_refunded("pi_1", 2000)]).await;

    assert_eq!(axes(&app.order("pi_1").await), json!(["refunded", "fulfilled", [], 2000, 2000]));
}

#[tokio::test]
async fn a_partial_refund_does_not_stop_the_goods() {
    let (app, _) = order_after(&[intent_succeeded("pi_1"), charge_refunded("pi_1", 500)]).await;

    app.run_fulfilments().await;

    assert_eq!(axes(&app.order("pi_1").await), json!(["partially_refunded", "fulfilled", [], 2000, 500]));
}

#[tokio::test]
async fn a_whole_refund_that_fails_later_leaves_the_decision_to_a_person() {
    let success = intent_succeeded("pi_1");
    let refunded = refund("refund.created", "re_1", "pi_1", 2000, "succeeded");
    let failed = refund("refund.failed", "re_1", "pi_1", 2000, "failed");
    let orders = [
        [success.clone(), refunded.clone(), failed.clone()],
        [success.clone(), failed.clone(), refunded.clone()],
        [failed, refunded, success],
    ];
    for events in orders {
        for in_one_batch in [true, false] {
            let (app, _) = order_after(&[]).await;

            match in_one_batch {
                true => app.deliver_at_once(&events).await,
                false => app.deliver(&events).await,
            }
            app.run_fulfilments().await;

            assert_eq!(axes(&app.order("pi_1").await), json!(["paid", "queued", ["refund_failed"], 2000, 0]));
            assert_eq!(app.value::<String>("select state from fulfilments").await, "queued");
        }
    }
}

#[tokio::test]
async fn a_dispute_holds_the_goods_until_it_is_won() {
    let opened = [intent_succeeded("pi_1"), dispute("created", "du_1", "pi_1", "needs_response")];
    let (app, held) = order_after(&opened).await;
    assert_eq!((&held["status"], &held["holds"]), (&json!("on_hold"), &json!(["dispute"])));
    app.run_fulfilments().await;
    assert_eq!(app.order("pi_1").await["fulfilment_status"], "queued");

    app.deliver(&[dispute("closed", "du_1", "pi_1", "won")]).await;
    app.run_fulfilments().await;

    assert_eq!(axes(&app.order("pi_1").await), json!(["paid", "fulfilled", [], 2000, 0]));
}

#[tokio::test]
async fn a_lost_dispute_never_lets_go() {
    let lost = [
        dispute("funds_withdrawn", "du_1", "pi_1", "needs_response"),
        dispute("closed", "du_1", "pi_1", "lost"),
        dispute("created", "du_1", "pi_1", "needs_response"),
        intent_succeeded("pi_1"),
    ];

    let (app, _) = order_after(&lost).await;
    app.run_fulfilments().await;

    assert_eq!(axes(&app.order("pi_1").await), json!(["paid", "queued", ["dispute"], 2000, 0]));
    let kinds = app.value::<Vec<String>>("select array_agg(kind order by kind) from payments").await;
    assert_eq!(kinds, ["captured", "dispute_lost", "dispute_withdrawn"]);
}

#[tokio::test]
async fn a_dispute_that_names_only_a_charge_finds_the_order_of_its_payment_intent() {
    let mut only_charge = dispute("created", "du_1", "pi_1", "needs_response");
    only_charge["data"]["object"]["payment_intent"] = Value::Null;
    let events = [only_charge, charge("succeeded", "pi_1", 0)];

    let (app, held) = order_after(&events).await;

    assert!(has_ref(&held, "charge", "ch_1"));
    assert_eq!(held["holds"], json!(["dispute"]));
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where state = 'applied'").await, 2);
}

#[tokio::test]
async fn events_of_one_order_in_one_batch_are_folded() {
    let (app, _) = order_after(&[]).await;

    app.deliver_at_once(&[
        intent_failed("pi_1"),
        intent_succeeded("pi_1"),
        dispute("created", "du_1", "pi_1", "needs_response"),
        charge_refunded("pi_1", 500),
        dispute("closed", "du_1", "pi_1", "won"),
    ])
    .await;

    assert_eq!(axes(&app.order("pi_1").await), json!(["partially_refunded", "queued", [], 2000, 500]));
    assert_eq!(app.value::<i64>("select count(*) from holds where released_at is not null").await, 1);
}
