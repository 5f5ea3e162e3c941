//! Charges: one for each attempt that reached the bank.

use serde_json::{Value, json};

use super::{Answer, settlement, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{Timer, World};

mod details;

const EMPTY_AT_FIRST: &[&str] = &[
    "application_fee",
    "balance_transaction",
    "dispute",
    "failure_balance_transaction",
    "failure_code",
    "failure_message",
    "order",
    "outcome",
    "receipt_number",
    "receipt_url",
    "review",
    "source",
    "source_transfer",
];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("get", ["charges"]) => list(world, call),
        ("get", ["charges", id]) => call.params("").and_then(|_| world.find(call, "charge", id, "id")),
        ("post", ["charges", id]) => update(world, call, id),
        ("get", ["balance_transactions", id]) => {
            call.params("").and_then(|_| world.find(call, "balance_transaction", id, "id"))
        }
        _ => return None,
    })
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer payment_intent transfer_group", pages::SHAPE))?;
    let mut charges = world.all(call.account.as_deref(), "charge");
    charges.retain(|charge| super::fits(charge, &params, &["customer", "payment_intent", "transfer_group"]));
    pages::page("/v1/charges", &params, charges)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(
        "customer description fraud_details{} metadata:map receipt_email shipping:any transfer_group",
    )?;
    world.find(call, "charge", id, "id")?;
    world.update(id, "charge.updated", |charge| {
        params.copy_into(
            charge,
            &["customer", "description", "fraud_details", "receipt_email", "shipping", "transfer_group"],
        );
        params.merge_metadata(&mut charge["metadata"]);
    });
    Ok(world.body(id))
}

/// A 402 as a bank's answer has it.
pub(super) fn card_error(code: &str, decline_code: Option<&str>, message: &str) -> Failure {
    let failure = Failure::card(code, message);
    match decline_code {
        Some(decline_code) => failure
            .with("decline_code", json!(decline_code))
            .with("advice_code", json!(advice(decline_code)))
            .with("network_decline_code", json!("01")),
        None => failure,
    }
}

fn advice(decline_code: &str) -> &'static str {
    match decline_code {
        "lost_card" | "stolen_card" | "fraudulent" => "do_not_try_again",
        "expired_card" | "incorrect_cvc" | "authentication_required" => "confirm_card_data",
        _ => "try_again_later",
    }
}

/// The charge of an attempt, to be completed by how it ended.
fn insert(world: &mut World, intent: &str, ended: &Value) -> String {
    let intent = world.body(intent);
    let method = world.body(intent["payment_method"].as_str().unwrap_or_default());
    let kind = method["type"].as_str().unwrap_or_default();
    let id = world.id(if kind == "card" { "ch_" } else { "py_" });
    let id_of_intent = intent["id"].as_str().unwrap_or_default();
    let transfer_data = match &intent["transfer_data"] {
        Value::Null => Value::Null,
        data => json!({ "amount": data["amount"], "destination": data["destination"] }),
    };
    let mut charge = json!({
        "id": id, "object": "charge", "amount": intent["amount"], "amount_captured": 0, "amount_refunded": 0,
        "application": intent["application"], "application_fee_amount": intent["application_fee_amount"],
        "billing_details": method["billing_details"], "calculated_statement_descriptor": "LOCAL STRIPE",
        "captured": false, "created": world.now(), "currency": intent["currency"], "customer": intent["customer"],
        "description": intent["description"], "destination": intent["transfer_data"]["destination"],
        "disputed": false, "fraud_details": {}, "livemode": false, "metadata": intent["metadata"],
        "on_behalf_of": intent["on_behalf_of"], "paid": false, "payment_intent": id_of_intent,
        "payment_method": intent["payment_method"],
        "payment_method_details": details::of(world, &intent, &method), "radar_options": {},
        "receipt_email": intent["receipt_email"], "refunded": false, "shipping": intent["shipping"],
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"], "status": "pending",
        "transfer_data": transfer_data, "transfer_group": intent["transfer_group"],
    });
    for name in EMPTY_AT_FIRST {
        charge[*name] = Value::Null;
    }
    super::overlay(&mut charge, ended);
    let account = world.owner(id_of_intent);
    world.insert(account, charge, Value::Null);
    world.change(id_of_intent, |intent| intent["latest_charge"] = json!(id));
    id
}

fn receipt(world: &mut World) -> String {
    let secret = world.letters(24);
    format!("{}/_fake/pages/receipts/{secret}", world.base)
}

/// A charge that the bank agreed to; the money is taken now or held.
pub(super) fn make_paid(world: &mut World, intent: &str, is_captured: bool) -> String {
    let amount = world.body(intent)["amount"].clone();
    let receipt = receipt(world);
    let now = world.now();
    let id = insert(
        world,
        intent,
        &json!({
            "status": "succeeded", "paid": true, "captured": is_captured, "receipt_url": receipt,
            "amount_captured": if is_captured { amount } else { json!(0) }, "outcome": details::agreed(),
        }),
    );
    if !is_captured {
        world.change(&id, |charge| {
            if let Some(card) = charge["payment_method_details"].get_mut("card") {
                card["capture_before"] = json!(now + 7 * 24 * 60 * 60);
            }
        });
    }
    id
}

/// A charge that a bank has not decided on yet.
pub(super) fn make_pending(world: &mut World, intent: &str) -> String {
    let amount = world.body(intent)["amount"].clone();
    let ended = json!({
        "status": "pending", "captured": true, "amount_captured": amount, "outcome": details::agreed(),
    });
    insert(world, intent, &ended)
}

/// A charge that the bank refused; tells it.
pub(super) fn make_failed(world: &mut World, intent: &str, failure: &Failure) -> String {
    let ended = details::refused(failure);
    let id = insert(world, intent, &ended);
    world.emit("charge.failed", &id);
    id
}

/// A pending charge was refused; tells it.
pub(super) fn fail(world: &mut World, id: &str, failure: &Failure) {
    let ended = details::refused(failure);
    world.change(id, |charge| super::overlay(charge, &ended));
    world.emit("charge.failed", id);
}

/// A pending charge was paid.
pub(super) fn succeed(world: &mut World, id: &str) {
    let receipt = receipt(world);
    world.change(id, |charge| {
        charge["status"] = json!("succeeded");
        charge["paid"] = json!(true);
        charge["receipt_url"] = json!(receipt);
    });
}

/// Takes what was held, or part of it; the rest is released.
pub(super) fn capture(world: &mut World, id: &str, amount: i64) {
    let intent = world.body(id)["payment_intent"].as_str().unwrap_or_default().to_owned();
    let fee = world.body(&intent)["application_fee_amount"].clone();
    world.change(id, |charge| {
        let released = charge["amount"].as_i64().unwrap_or_default() - amount;
        charge["captured"] = json!(true);
        charge["amount_captured"] = json!(amount);
        charge["amount_refunded"] = json!(released);
        charge["application_fee_amount"] = fee;
        if let Some(card) = charge["payment_method_details"].get_mut("card").and_then(Value::as_object_mut) {
            card.remove("capture_before");
        }
    });
    settlement::settle(world, id, false);
    world.emit("charge.captured", id);
}

/// Lets go of what was held.
pub(super) fn release(world: &mut World, id: &str) {
    world.change(id, |charge| {
        charge["amount_refunded"] = charge["amount"].clone();
        charge["refunded"] = json!(true);
    });
    world.emit("charge.refunded", id);
}

/// The money reaches the balance right after the answer, as with `capture_method=automatic_async`; else before it.
pub(super) fn settle_soon(world: &mut World, id: &str) {
    world.schedule(0, Timer::Settle { charge: id.to_owned() });
}
