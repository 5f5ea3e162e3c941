//! Purchases of every kind: all that Stripe says of each.

use serde_json::{Value, json};

use crate::support::stripe::{
    Shape, charge, charge_refunded, dispute, event, intent_failed, intent_is, intent_succeeded,
    invoice_intent_succeeded, invoice_is, invoice_paid, invoice_payment_paid, order, refund, session,
    succeeded, with,
};

/// One purchase: all that Stripe says of it, and the shop's order if it made one.
pub struct Life {
    pub name: &'static str,
    pub placed: Option<Value>,
    pub events: Vec<Value>,
    /// Whether time may pass between the events without changing what is right: not where the shop's order may come later
    /// than it is waited for.
    pub may_wait: bool,
}

/// Lives of every kind, with ids that end in `run`.
pub fn lives(run: &str) -> Vec<Life> {
    let (pi, inv, number) = (format!("pi_{run}"), format!("in_{run}"), format!("SHOP{run}"));
    let other = format!("pi_2{run}");
    let placed = || Some(order(json!({ "number": number, "payment_intent": pi })));
    let re = |event_type: &str, n: u8, amount, status: &str| {
        refund(&format!("refund.{event_type}"), &format!("re_{n}{run}"), &pi, amount, status)
    };
    let du = |event_type: &str, status: &str| dispute(event_type, &format!("du_{run}"), &pi, status);
    let names_number = json!({ "amount": 500, "amount_received": 500, "metadata": { "order_id": number } });
    let invoiced = |shape| {
        vec![
            invoice_is(shape, "created", &inv, &pi, "draft"),
            invoice_is(shape, "finalized", &inv, &pi, "open"),
            intent_failed(&pi),
            invoice_is(shape, "payment_failed", &inv, &pi, "open"),
            invoice_intent_succeeded(shape, &inv, &pi),
            charge("succeeded", &pi, 0),
            invoice_paid(shape, &inv, &pi),
            with(invoice_paid(shape, &inv, &pi), json!({ "type": "invoice.payment_succeeded" })),
            invoice_payment_paid(&inv, &pi),
            re("created", 1, 500, "succeeded"),
        ]
    };
    vec![
        Life {
            name: "placed, failed, paid, refunded in part, disputed and won",
            placed: placed(),
            events: vec![
                intent_is("created", &pi, "requires_payment_method"),
                intent_is("processing", &pi, "processing"),
                intent_failed(&pi),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
                re("created", 1, 500, "pending"),
                re("created", 2, 300, "pending"),
                re("failed", 2, 300, "failed"),
                charge_refunded(&pi, 500),
                du("created", "needs_response"),
                du("funds_withdrawn", "under_review"),
                du("closed", "won"),
            ],
            may_wait: false,
        },
        Life {
            name: "placed, refunded as a whole, the refund fails",
            placed: placed(),
            events: vec![
                intent_succeeded(&pi),
                re("created", 1, 2000, "succeeded"),
                re("failed", 1, 2000, "failed"),
                charge_refunded(&pi, 2000),
            ],
            may_wait: false,
        },
        Life {
            name: "placed, paid once rightly and once wrongly",
            placed: placed(),
            events: vec![
                intent_failed(&pi),
                intent_succeeded(&pi),
                event("payment_intent.succeeded", with(succeeded(&other), names_number)),
                intent_failed(&other),
            ],
            may_wait: false,
        },
        Life {
            name: "a bare payment, then a lost dispute",
            placed: None,
            events: vec![
                intent_failed(&pi),
                intent_succeeded(&pi),
                du("created", "needs_response"),
                du("funds_withdrawn", "needs_response"),
                du("closed", "lost"),
            ],
            may_wait: true,
        },
        Life {
            name: "a checkout session that no order was made for",
            placed: None,
            events: vec![
                session("completed", &format!("cs_{run}"), &pi, "unpaid"),
                intent_is("processing", &pi, "processing"),
                session("async_payment_succeeded", &format!("cs_{run}"), &pi, "paid"),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
                re("created", 1, 500, "succeeded"),
            ],
            may_wait: true,
        },
        Life {
            name: "a checkout session of a placed order, of which the first try expired",
            placed: Some(order(json!({ "number": number }))),
            events: vec![
                with_metadata(session("expired", &format!("cs_1{run}"), &other, "unpaid"), &number),
                with_metadata(session("completed", &format!("cs_{run}"), &pi, "paid"), &number),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
            ],
            may_wait: false,
        },
        Life { name: "an old invoice", placed: None, events: invoiced(Shape::Old), may_wait: true },
        Life { name: "a new invoice", placed: None, events: invoiced(Shape::New), may_wait: true },
        Life {
            name: "a new invoice that its payment names",
            placed: None,
            events: invoiced(Shape::New).into_iter().map(|event| naming(event, &inv)).collect(),
            may_wait: true,
        },
    ]
    .into_iter()
    .chain(several_payments(run))
    .chain(sessions(run))
    .collect()
}

/// Invoices that more than one PaymentIntent was made for, in either shape.
fn several_payments(run: &str) -> Vec<Life> {
    let (inv, first, second) = (format!("in_{run}"), format!("pi_1{run}"), format!("pi_2{run}"));
    let of = |shape, intent: &str, amount: i64| {
        let success = invoice_intent_succeeded(shape, &inv, intent);
        about(success, json!({ "amount": amount, "amount_received": amount }))
    };
    let failed = |shape| match shape {
        Shape::Old => about(intent_failed(&first), json!({ "customer": "cus_1", "invoice": inv })),
        // Nothing tells whose try it was: it is set aside, and is no part of what is left.
        Shape::New => about(intent_failed(&format!("{first}_loose")), json!({ "customer": "cus_1" })),
    };
    let in_part = |intent: &str, amount: i64| {
        let mut paid = invoice_payment_paid(&inv, intent);
        paid["data"]["object"]["id"] = json!(intent.replace("pi_", "inpay_"));
        about(paid, json!({ "amount_paid": amount, "amount_requested": amount }))
    };
    // A part is a part of the amounts only: the invoice stays open until the last one.
    let partly = |shape| {
        let partly = invoice_is(shape, "updated", &inv, &second, "open");
        about(partly, json!({ "amount_paid": 1200, "amount_remaining": 800 }))
    };
    let tried_twice = |shape| {
        vec![
            invoice_is(shape, "finalized", &inv, &first, "open"),
            failed(shape),
            invoice_is(shape, "payment_failed", &inv, &first, "open"),
            of(shape, &second, 2000),
            invoice_paid(shape, &inv, &second),
            in_part(&second, 2000),
        ]
    };
    let in_parts = |shape| {
        vec![
            invoice_is(shape, "finalized", &inv, &second, "open"),
            of(shape, &first, 1200),
            in_part(&first, 1200),
            partly(shape),
            of(shape, &second, 800),
            in_part(&second, 800),
            invoice_paid(shape, &inv, &second),
        ]
    };
    let life = |name, events, may_wait| Life { name, placed: None, events, may_wait };
    vec![
        life("an old invoice, paid at the second try", tried_twice(Shape::Old), true),
        life("a new invoice, paid at the second try with another intent", tried_twice(Shape::New), true),
        life("an old invoice, paid in two parts", in_parts(Shape::Old), true),
        life("a new invoice, paid in two parts", in_parts(Shape::New), true),
    ]
}

/// Sessions whose money comes late, never, or through an invoice.
fn sessions(run: &str) -> Vec<Life> {
    let (pi, cs, inv) = (format!("pi_{run}"), format!("cs_{run}"), format!("in_{run}"));
    let number = format!("SHOP{run}");
    let placed = || Some(order(json!({ "number": number })));
    let named = |event| with_metadata(event, &number);
    let of_invoice = |mode: &str, event_type: &str, payment_status: &str, shape| {
        let fields = json!({
            "mode": mode, "invoice": inv, "customer": "cus_1",
            "subscription": (mode == "subscription").then(|| format!("sub_{run}")),
        });
        let session = about(session(event_type, &cs, &pi, payment_status), fields);
        // Since 2025-03-31.basil, and always for a subscription, only the invoice tells of the PaymentIntent.
        let intent = if mode == "payment" { json!(pi) } else { Value::Null };
        let events = vec![
            invoice_is(shape, "finalized", &inv, &pi, "open"),
            invoice_intent_succeeded(shape, &inv, &pi),
            invoice_paid(shape, &inv, &pi),
            invoice_payment_paid(&inv, &pi),
            charge("succeeded", &pi, 0),
        ];
        (about(session, json!({ "payment_intent": intent })), events)
    };
    let with_invoice = |mode: &str, shape| {
        let (completed, mut events) = of_invoice(mode, "completed", "paid", shape);
        events.push(completed);
        events
    };
    let by_debit = |shape| {
        let (completed, mut events) = of_invoice("subscription", "completed", "unpaid", shape);
        let (succeeded, _) = of_invoice("subscription", "async_payment_succeeded", "paid", shape);
        let mut processing = intent_is("processing", &pi, "processing");
        processing["data"]["object"]["customer"] = json!("cus_1");
        events.extend([completed, succeeded, processing]);
        events
    };
    let life = |name, placed, events, may_wait| Life { name, placed, events, may_wait };
    vec![
        life(
            "a session of a placed order, whose debit arrives days later",
            placed(),
            vec![
                named(session("completed", &cs, &pi, "unpaid")),
                intent_is("processing", &pi, "processing"),
                named(session("async_payment_succeeded", &cs, &pi, "paid")),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
            ],
            false,
        ),
        life(
            "a session of a placed order, whose debit fails days later",
            placed(),
            vec![
                named(session("completed", &cs, &pi, "unpaid")),
                intent_is("processing", &pi, "processing"),
                named(session("async_payment_failed", &cs, &pi, "unpaid")),
                intent_failed(&pi),
            ],
            false,
        ),
        life(
            "a session of a placed order that expires",
            placed(),
            vec![named(session("expired", &cs, &pi, "unpaid")), intent_is("canceled", &pi, "canceled")],
            false,
        ),
        life("a session that made an old invoice", None, with_invoice("payment", Shape::Old), true),
        life("a session that made a new invoice", None, with_invoice("payment", Shape::New), true),
        life(
            "a session that began an old subscription",
            None,
            with_invoice("subscription", Shape::Old),
            true,
        ),
        life("a session that began a new subscription", None, with_invoice("subscription", Shape::New), true),
        life("a subscription by debit, in the old shape", None, by_debit(Shape::Old), true),
        life("a subscription by debit, in the new shape", None, by_debit(Shape::New), true),
    ]
}

/// An event whose object has other fields.
fn about(mut event: Value, fields: Value) -> Value {
    event["data"]["object"] = with(event["data"]["object"].take(), fields);
    event
}

/// An event as Stripe tells it from 2025-10-29.clover on: the payment that an invoice made names it.
fn naming(mut event: Value, invoice: &str) -> Value {
    if event["data"]["object"]["object"] == "payment_intent" {
        event["data"]["object"]["payment_details"] = json!({ "order_reference": invoice });
    }
    event
}

/// An event about an object that names an order.
fn with_metadata(mut event: Value, number: &str) -> Value {
    event["data"]["object"]["metadata"] = json!({ "order_id": number });
    event
}
