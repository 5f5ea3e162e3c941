//! Stripe's objects and events, written afresh from the documentation in the two shapes that are told apart.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

/// Which years' shape an object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Before 2025-03-31.basil: invoices and PaymentIntents name each other.
    Old,
    /// Since then: only the invoice payment does.
    New,
}

/// An event about an object, with an id that no other event has.
pub fn event(event_type: &str, object: Value) -> Value {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = format!("evt_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    json!({
        "id": id, "object": "event", "api_version": "2025-10-29.clover", "created": 1_760_000_000,
        "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": "req_1", "idempotency_key": null }, "type": event_type
    })
}

/// The id of an event.
pub fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

/// `base` with some fields replaced or added.
pub fn with(mut base: Value, fields: Value) -> Value {
    let (Value::Object(base_map), Value::Object(fields)) = (&mut base, fields) else { panic!("objects") };
    base_map.extend(fields.into_iter().collect::<Map<_, _>>());
    base
}

/// A PaymentIntent of 20.00 USD that nothing has happened to, in the new shape.
pub fn intent(id: &str) -> Value {
    json!({
        "id": id, "object": "payment_intent", "amount": 2000, "amount_capturable": 0, "amount_received": 0,
        "currency": "usd", "customer": null, "last_payment_error": null, "latest_charge": null,
        "livemode": false, "metadata": {}, "next_action": null, "receipt_email": null, "shipping": null,
        "status": "requires_payment_method"
    })
}

/// A PaymentIntent that succeeded.
pub fn succeeded(id: &str) -> Value {
    let charge = id.replace("pi_", "ch_");
    with(intent(id), json!({ "status": "succeeded", "amount_received": 2000, "latest_charge": charge }))
}

/// A PaymentIntent in a shape: before 2025-03-31.basil it names its invoice or `null`, before 2022-11-15 it lists its
/// charges.
pub fn shaped(shape: Shape, mut intent: Value) -> Value {
    if shape == Shape::New {
        return intent;
    }
    let charge = intent.as_object_mut().unwrap().remove("latest_charge").unwrap();
    let charges: Vec<_> = charge
        .as_str()
        .map(|id| json!({ "id": id, "object": "charge", "amount": 2000, "amount_refunded": 0, "currency": "usd" }))
        .into_iter()
        .collect();
    with(intent, json!({ "invoice": null, "charges": { "object": "list", "data": charges } }))
}

/// `payment_intent.succeeded`
pub fn intent_succeeded(id: &str) -> Value {
    event("payment_intent.succeeded", succeeded(id))
}

/// `payment_intent.payment_failed`
pub fn intent_failed(id: &str) -> Value {
    let error =
        json!({ "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds" });
    event("payment_intent.payment_failed", with(intent(id), json!({ "last_payment_error": error })))
}

/// A PaymentIntent event whose object has a status.
pub fn intent_is(event_type: &str, id: &str, status: &str) -> Value {
    event(&format!("payment_intent.{event_type}"), with(intent(id), json!({ "status": status })))
}

/// A refund of a PaymentIntent.
pub fn refund(event_type: &str, id: &str, intent: &str, amount: i64, status: &str) -> Value {
    event(
        event_type,
        json!({
            "id": id, "object": "refund", "amount": amount, "currency": "usd", "payment_intent": intent,
            "charge": intent.replace("pi_", "ch_"), "status": status, "reason": null, "metadata": {}
        }),
    )
}

/// `charge.refunded` with the sum so far, as versions before 2024-10-28 tell it.
pub fn charge_refunded(intent: &str, amount_refunded: i64) -> Value {
    charge("refunded", intent, amount_refunded)
}

/// A charge of a PaymentIntent, of which some went back.
pub fn charge(event_type: &str, intent: &str, amount_refunded: i64) -> Value {
    event(
        &format!("charge.{event_type}"),
        json!({
            "id": intent.replace("pi_", "ch_"), "object": "charge", "amount": 2000, "amount_captured": 2000,
            "amount_refunded": amount_refunded, "currency": "usd", "payment_intent": intent, "metadata": {},
            "refunded": amount_refunded == 2000, "status": "succeeded"
        }),
    )
}

/// A dispute over the whole amount.
pub fn dispute(event_type: &str, id: &str, intent: &str, status: &str) -> Value {
    event(
        &format!("charge.dispute.{event_type}"),
        json!({
            "id": id, "object": "dispute", "amount": 2000, "currency": "usd", "charge": intent.replace("pi_", "ch_"),
            "payment_intent": intent, "reason": "fraudulent", "status": status, "metadata": {}
        }),
    )
}

/// A warning of the card's issuer.
pub fn early_fraud_warning(event_type: &str, intent: &str) -> Value {
    event(
        &format!("radar.early_fraud_warning.{event_type}"),
        json!({
            "id": intent.replace("pi_", "issfr_"), "object": "radar.early_fraud_warning", "actionable": true,
            "charge": intent.replace("pi_", "ch_"), "fraud_type": "misc", "livemode": false, "payment_intent": intent
        }),
    )
}

/// A review that is opened, or closed in this way.
pub fn review(intent: &str, closed: Option<&str>) -> Value {
    event(
        if closed.is_some() { "review.closed" } else { "review.opened" },
        json!({
            "id": intent.replace("pi_", "prv_"), "object": "review", "charge": null, "closed_reason": closed,
            "livemode": false, "open": closed.is_none(), "opened_reason": "rule", "payment_intent": intent,
            "reason": closed.unwrap_or("rule")
        }),
    )
}

/// An invoice of 20.00 USD with one line, open, paid by a PaymentIntent.
pub fn invoice(shape: Shape, id: &str, intent: &str) -> Value {
    let base = json!({
        "id": id, "object": "invoice", "amount_due": 2000, "amount_paid": 0, "amount_remaining": 2000,
        "billing_reason": "manual", "collection_method": "charge_automatically", "created": 1_760_000_000,
        "currency": "usd", "customer": "cus_1", "customer_email": "ada@example.com", "customer_name": "Ada",
        "customer_address": null, "customer_shipping": null, "metadata": {}, "status": "open", "total": 2000
    });
    let line = json!({
        "id": "il_1", "object": "line_item", "amount": 2000, "currency": "usd", "description": "2 × Tea",
        "quantity": 2, "metadata": {}
    });
    match shape {
        Shape::Old => {
            let line = with(line, json!({ "price": { "id": "price_tea", "object": "price" } }));
            with(
                base,
                json!({
                    "payment_intent": intent, "charge": null, "paid": false, "paid_out_of_band": false,
                    "lines": { "object": "list", "data": [line] }
                }),
            )
        }
        Shape::New => {
            let pricing = json!({ "type": "price_details", "price_details": { "price": "price_tea", "product": "prod_1" } });
            let line = with(line, json!({ "pricing": pricing }));
            with(
                base,
                json!({ "amount_overpaid": 0, "parent": null, "lines": { "object": "list", "data": [line] } }),
            )
        }
    }
}

/// An invoice event whose object has a status.
pub fn invoice_is(shape: Shape, event_type: &str, id: &str, intent: &str, status: &str) -> Value {
    event(&format!("invoice.{event_type}"), with(invoice(shape, id, intent), json!({ "status": status })))
}

/// `invoice.paid`
pub fn invoice_paid(shape: Shape, id: &str, intent: &str) -> Value {
    let paid = json!({ "status": "paid", "amount_paid": 2000, "amount_remaining": 0 });
    let paid = match shape {
        Shape::Old => with(paid, json!({ "paid": true, "charge": intent.replace("pi_", "ch_") })),
        Shape::New => paid,
    };
    event("invoice.paid", with(invoice(shape, id, intent), paid))
}

/// The success of the PaymentIntent that pays an invoice, in either shape.
pub fn invoice_intent_succeeded(shape: Shape, invoice: &str, intent: &str) -> Value {
    let object = with(succeeded(intent), json!({ "customer": "cus_1" }));
    let object = if shape == Shape::Old { with(object, json!({ "invoice": invoice })) } else { object };
    event("payment_intent.succeeded", object)
}

/// `invoice_payment.paid`: the link between the two in the new shape.
pub fn invoice_payment_paid(invoice: &str, intent: &str) -> Value {
    event(
        "invoice_payment.paid",
        json!({
            "id": "inpay_1", "object": "invoice_payment", "amount_paid": 2000, "amount_requested": 2000, "currency": "usd",
            "invoice": invoice, "is_default": true, "status": "paid",
            "payment": { "type": "payment_intent", "payment_intent": intent }
        }),
    )
}

/// A checkout session of 20.00 USD.
pub fn session(event_type: &str, id: &str, intent: &str, payment_status: &str) -> Value {
    event(
        &format!("checkout.session.{event_type}"),
        json!({
            "id": id, "object": "checkout.session", "amount_total": 2000, "client_reference_id": null,
            "collected_information": { "shipping_details": { "name": "Ada", "address": { "city": "London" } } },
            "currency": "usd", "customer": null,
            "customer_details": { "email": "ada@example.com", "name": "Ada" }, "invoice": null, "livemode": false,
            "metadata": {}, "mode": "payment", "payment_intent": intent, "payment_link": "plink_1",
            "payment_status": payment_status, "status": "complete", "subscription": null
        }),
    )
}

/// The body of an order of 20.00 USD.
pub fn order(fields: Value) -> Value {
    with(
        json!({ "currency": "usd", "lines": [{ "sku": "TEA-2", "quantity": 2, "unit_amount": 1000 }] }),
        fields,
    )
}
