//! What ties an invoice to its PaymentIntents: the one that was made for it, and others that are attached.

use serde_json::{Value, json};

use super::pay;
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{self, Answer, payment_intents};
use crate::fake_stripe::world::World;

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} invoice status payment{{type! payment_intent}}", pages::SHAPE))?;
    let mut payments = world.all(call.account.as_deref(), "invoice_payment");
    payments.retain(|payment| {
        let is_of = |intent: &str| payment["payment"]["payment_intent"] == intent;
        resources::fits(payment, &params, &["invoice", "status"])
            && params.text("payment.payment_intent").is_none_or(is_of)
    });
    pages::page("/v1/invoice_payments", &params, payments)
}

/// Ties an intent to an invoice; the id of the tie.
pub(super) fn tie(world: &mut World, invoice: &str, intent: &str, amount: i64, is_default: bool) -> String {
    let payment = world.id("inpay_");
    let (now, currency) = (world.now(), world.body(invoice)["currency"].clone());
    let body = json!({
        "id": payment, "object": "invoice_payment", "amount_paid": null, "amount_requested": amount, "created": now,
        "currency": currency, "invoice": invoice, "is_default": is_default, "livemode": false,
        "payment": { "payment_intent": intent, "type": "payment_intent" }, "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    });
    world.insert(world.owner(invoice), body, Value::Null);
    world.hide(intent, "invoice", json!(invoice));
    payment
}

/// All ties of an invoice, the default one first.
pub(super) fn of(world: &World, invoice: &str) -> Vec<Value> {
    let mut payments = world.all(world.owner(invoice).as_deref(), "invoice_payment");
    payments.retain(|payment| payment["invoice"] == invoice);
    payments.sort_by_key(|payment| payment["is_default"] != true);
    payments
}

/// The intent that was made for an invoice, if it may still be paid.
pub(super) fn default_intent(world: &World, invoice: &str) -> Option<String> {
    let payment = of(world, invoice).into_iter().find(|payment| payment["is_default"] == true)?;
    let intent = payment["payment"]["payment_intent"].as_str()?;
    (payment["status"] == "open").then(|| intent.to_owned())
}

/// Cancels what is open still.
pub(super) fn cancel_open(world: &mut World, invoice: &str, reason: &str) {
    let now = world.now();
    for payment in of(world, invoice).iter().filter(|payment| payment["status"] == "open") {
        world.change(text(&payment["id"]), |payment| {
            payment["status"] = json!("canceled");
            payment["status_transitions"]["canceled_at"] = json!(now);
        });
        let intent = text(&payment["payment"]["payment_intent"]);
        if !["succeeded", "canceled", "processing"].contains(&text(&world.body(intent)["status"])) {
            payment_intents::end(world, intent, json!(reason));
        }
    }
}

/// What was paid by all of them.
pub(super) fn paid(world: &World, invoice: &str) -> i64 {
    of(world, invoice).iter().filter_map(|payment| payment["amount_paid"].as_i64()).sum()
}

/// `POST /v1/invoices/…/attach_payment`: one more intent pays it, or part of it.
pub(super) fn attach(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("payment_intent payment_record")?;
    let invoice = world.find(call, "invoice", id, "id")?;
    if params.text("payment_record").is_some() {
        return Err(Failure::not_modelled("payment records"));
    }
    let intent = params.text("payment_intent").ok_or_else(|| Failure::missing("payment_intent"))?;
    let intent = world.find(call, "payment_intent", intent, "payment_intent")?;
    if !["open", "uncollectible"].contains(&text(&invoice["status"])) {
        let message =
            format!("You can only attach payments to open invoices; this one is {}.", invoice["status"]);
        return Err(Failure::invalid(message).code("invoice_not_editable"));
    }
    let refused = |message: &str| Err(Failure::invalid(message).param("payment_intent"));
    let intent_id = text(&intent["id"]);
    if world.hidden(intent_id)["invoice"].is_string() {
        return refused("The PaymentIntent is already attached to an invoice.");
    }
    if intent["currency"] != invoice["currency"] {
        return refused("The currency of the PaymentIntent must be that of the invoice.");
    }
    if intent["customer"] != invoice["customer"] {
        return refused("The customer of the PaymentIntent must be that of the invoice.");
    }
    if intent["status"] == "canceled" {
        return refused("A canceled PaymentIntent cannot be attached to an invoice.");
    }
    let amount = intent["amount"].as_i64().unwrap_or_default();
    tie(world, id, intent_id, amount, false);
    if intent["status"] == "succeeded" {
        pay::after_payment(world, intent_id);
    }
    Ok(world.body(id))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
