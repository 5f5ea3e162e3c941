//! Refunds: whole or in part, with the transfer reversed and the fee given back in proportion where that is asked for.

use serde_json::{Value, json};

use super::cards::Ending;
use super::{Answer, fees, payment_methods, settlement, transfers, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{Timer, World};

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];
/// Seconds until a refund of a test card turns.
const TURNS_AFTER: i64 = 60;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["refunds"]) => create(world, call),
        ("get", ["refunds"]) => list(world, call),
        ("get", ["refunds", id]) => call.params("").and_then(|_| world.find(call, "refund", id, "id")),
        ("post", ["refunds", id]) => update(world, call, id),
        ("post", ["refunds", id, "cancel"]) => cancel(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(
        "amount:int charge payment_intent reason metadata:map reverse_transfer:bool refund_application_fee:bool \
         instructions_email origin currency customer",
    )?;
    if let Some(reason) = params.text("reason").filter(|reason| !REASONS.contains(reason)) {
        let message = format!("Invalid reason: {reason}; must be one of {}", REASONS.join(", "));
        return Err(Failure::parameter("parameter_invalid", "reason", message));
    }
    let charge = charge_of(world, call, &params)?;
    let id_of_charge = charge["id"].as_str().unwrap_or_default().to_owned();
    // What is refunded was settled first.
    settlement::settle(world, &id_of_charge, true);
    let charge = world.body(&id_of_charge);
    let amount = amount_of(&charge, &params)?;
    if params.is_true("reverse_transfer") && charge["transfer"].is_null() {
        return Err(Failure::invalid(format!(
            "Cannot reverse transfer on charge {id_of_charge} because it does not have an associated transfer."
        ))
        .param("reverse_transfer"));
    }
    if params.is_true("refund_application_fee") && charge["application_fee"].is_null() {
        return Err(Failure::invalid(format!(
            "Cannot refund application fee on charge {id_of_charge} because it does not have an application fee."
        ))
        .param("refund_application_fee"));
    }
    let id = insert(world, &charge, amount, &params);
    Ok(world.body(&id))
}

/// The charge that is to be refunded.
fn charge_of(world: &World, call: &Call, params: &Params) -> Result<Value, Failure> {
    let charge = match (params.text("charge"), params.text("payment_intent")) {
        (Some(charge), None) => world.find(call, "charge", charge, "charge")?,
        (None, Some(intent)) => {
            let intent = world.find(call, "payment_intent", intent, "payment_intent")?;
            let charge = intent["latest_charge"].as_str().map(|charge| world.body(charge));
            charge
                .filter(|_| {
                    ["succeeded", "requires_capture"].contains(&intent["status"].as_str().unwrap_or(""))
                })
                .ok_or_else(|| {
                    let id = intent["id"].as_str().unwrap_or_default();
                    let message =
                        format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
                    Failure::invalid(message).param("payment_intent").code("payment_intent_unexpected_state")
                })?
        }
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "You may only specify one of these parameters: charge, payment_intent.",
            ));
        }
        (None, None) => {
            return Err(Failure::invalid(
                "One of the following params should be provided for this request: payment_intent or charge.",
            ));
        }
    };
    let id = charge["id"].as_str().unwrap_or_default();
    if charge["status"] != "succeeded" || charge["captured"] != true {
        let message = format!(
            "Charge {id} is not captured: cancel its PaymentIntent instead of refunding it, or capture it first."
        );
        return Err(Failure::invalid(message).code("charge_not_refundable"));
    }
    if charge["disputed"] == true && world.hidden(id)["is_refundable"] != true {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(Failure::invalid(message).code("charge_disputed"));
    }
    Ok(charge)
}

fn amount_of(charge: &Value, params: &Params) -> Result<i64, Failure> {
    let id = charge["id"].as_str().unwrap_or_default();
    let left = charge["amount"].as_i64().unwrap_or_default()
        - charge["amount_refunded"].as_i64().unwrap_or_default();
    if left == 0 {
        let message = format!("Charge {id} has already been refunded.");
        return Err(Failure::invalid(message).code("charge_already_refunded"));
    }
    match params.int("amount") {
        None => Ok(left),
        Some(amount) if amount < 1 => {
            Err(Failure::parameter("parameter_invalid_integer", "amount", "Invalid positive integer"))
        }
        Some(amount) if amount > left => {
            let currency = charge["currency"].as_str().unwrap_or_default();
            let message = format!(
                "Refund amount ({amount} {currency}) is greater than unrefunded amount on charge ({left} {currency})"
            );
            Err(Failure::invalid(message).param("amount"))
        }
        Some(amount) => Ok(amount),
    }
}

fn insert(world: &mut World, charge: &Value, amount: i64, params: &Params) -> String {
    let id_of_charge = charge["id"].as_str().unwrap_or_default();
    let method = charge["payment_method"].as_str().unwrap_or_default();
    let ending = payment_methods::card_of(world, method).map_or(Ending::Pays, |card| card.ending);
    let id = world.id(if id_of_charge.starts_with("py_") { "pyr_" } else { "re_" });
    let status = if ending == Ending::RefundPends { "pending" } else { "succeeded" };
    let kind = charge["payment_method_details"]["type"].as_str().unwrap_or_default();
    let mut destination = json!({ "type": kind });
    destination[kind] = match kind {
        "card" => {
            json!({ "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" })
        }
        _ => json!({}),
    };
    let mut refund = json!({
        "id": id, "object": "refund", "amount": amount, "balance_transaction": null, "charge": id_of_charge,
        "created": world.now(), "currency": charge["currency"], "customer": charge["customer"],
        "customer_account": null, "destination_details": destination, "metadata": params.metadata(),
        "payment_intent": charge["payment_intent"], "payment_method": charge["payment_method"],
        "reason": params.value("reason"), "receipt_number": null, "source_transfer_reversal": null,
        "status": status, "transfer_reversal": null,
    });
    if status == "pending" {
        refund["pending_reason"] = json!("processing");
    }
    world.insert(world.owner(id_of_charge), refund, Value::Null);
    let transaction = settlement::transaction(world, &id, -amount, 0, "refund");
    world.change(&id, |refund| refund["balance_transaction"] = json!(transaction));
    let before = world.body(id_of_charge);
    add_refunded(world, id_of_charge, amount);
    let after = world.body(id_of_charge);
    let previous = json!({ "amount_refunded": before["amount_refunded"], "refunded": before["refunded"] });
    if params.is_true("reverse_transfer") {
        give_back_transfer(world, &after, &id, amount);
    }
    if params.is_true("refund_application_fee") {
        give_back_fee(world, &after, amount);
    }
    world.emit("refund.created", &id);
    world.tell("charge.refunded", world.owner(id_of_charge), after, Some(previous));
    let turn = match ending {
        Ending::RefundPends => Some("succeeded"),
        Ending::RefundFails => Some("failed"),
        _ => None,
    };
    if let Some(status) = turn {
        world.schedule(TURNS_AFTER, Timer::RefundTurns { refund: id.clone(), status });
    }
    id
}

fn add_refunded(world: &mut World, charge: &str, amount: i64) {
    world.change(charge, |charge| {
        let refunded = charge["amount_refunded"].as_i64().unwrap_or_default() + amount;
        charge["amount_refunded"] = json!(refunded);
        charge["refunded"] = json!(charge["amount"] == refunded);
    });
}

/// The part of `whole` that belongs to `refunded` of the captured amount, rounded half up.
fn part(whole: i64, refunded: i64, captured: i64) -> i64 {
    (whole * refunded * 2 + captured) / (captured * 2)
}

fn give_back_transfer(world: &mut World, charge: &Value, refund: &str, amount: i64) {
    let Some(id) = charge["transfer"].as_str() else {
        return;
    };
    let transfer = world.body(id);
    let whole = transfer["amount"].as_i64().unwrap_or_default();
    let captured = charge["amount_captured"].as_i64().unwrap_or(1).max(1);
    let share = if whole == captured { amount } else { (whole * amount * 2 + captured) / (captured * 2) };
    let reversal = transfers::reverse(world, id, share, json!(refund));
    world.change(refund, |refund| refund["transfer_reversal"] = json!(reversal));
}

/// Each refund gives back its own share of the fee. Rounding is done on sums, so that the shares of all refunds of a charge
/// come to the whole fee.
fn give_back_fee(world: &mut World, charge: &Value, amount: i64) {
    let Some(id) = charge["application_fee"].as_str() else {
        return;
    };
    let fee = world.body(id);
    let number = |object: &Value, name: &str| object[name].as_i64().unwrap_or_default();
    let (whole, captured) = (number(&fee, "amount"), number(charge, "amount_captured").max(1));
    let released = number(charge, "amount") - captured;
    let refunded = number(charge, "amount_refunded") - released;
    let due = part(whole, refunded, captured) - part(whole, refunded - amount, captured);
    let due = due.min(whole - number(&fee, "amount_refunded"));
    if due > 0 {
        fees::refund(world, id, due);
    }
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} charge payment_intent", pages::SHAPE))?;
    let mut refunds = world.all(call.account.as_deref(), "refund");
    refunds.retain(|refund| super::fits(refund, &params, &["charge", "payment_intent"]));
    pages::page("/v1/refunds", &params, refunds)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("metadata:map")?;
    world.find(call, "refund", id, "id")?;
    let before = world.body(id)["metadata"].clone();
    world.change(id, |refund| params.merge_metadata(&mut refund["metadata"]));
    tell_update(world, id, &json!({ "metadata": before }));
    Ok(world.body(id))
}

/// A refund's change is told twice: as `refund.updated` and, as of old, as `charge.refund.updated`.
fn tell_update(world: &mut World, id: &str, previous: &Value) {
    for event_type in ["refund.updated", "charge.refund.updated"] {
        let (owner, refund) = (world.owner(id), world.body(id));
        world.tell(event_type, owner, refund, Some(previous.clone()));
    }
}

fn cancel(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let refund = world.find(call, "refund", id, "id")?;
    let status = refund["status"].as_str().unwrap_or_default();
    if status != "requires_action" && status != "pending" {
        let message = format!("This refund cannot be canceled because its status is {status}.");
        return Err(Failure::invalid(message));
    }
    give_back(world, id, "canceled", "Canceled by the merchant.");
    tell_update(world, id, &json!({ "status": status }));
    Ok(world.body(id))
}

/// A refund that did not reach the customer: the money is on the balance again.
fn give_back(world: &mut World, id: &str, status: &str, why: &str) {
    let refund = world.body(id);
    let amount = refund["amount"].as_i64().unwrap_or_default();
    let transaction = settlement::transaction(world, id, amount, 0, "refund_failure");
    world.change(id, |refund| {
        refund["status"] = json!(status);
        refund["failure_balance_transaction"] = json!(transaction);
        if let Some(refund) = refund.as_object_mut() {
            refund.remove("pending_reason");
            if status == "failed" {
                refund.insert("failure_reason".to_owned(), json!(why));
            }
        }
    });
    add_refunded(world, refund["charge"].as_str().unwrap_or_default(), -amount);
}

/// A refund turned out otherwise than it looked.
pub(in crate::fake_stripe) fn turn(world: &mut World, id: &str, status: &str) {
    let before = world.body(id)["status"].clone();
    if before == "canceled" || before == status {
        return;
    }
    if status == "failed" {
        give_back(world, id, status, "lost_or_stolen_card");
        tell_update(world, id, &json!({ "status": before }));
        world.emit("refund.failed", id);
        return;
    }
    world.change(id, |refund| {
        refund["status"] = json!(status);
        if let Some(refund) = refund.as_object_mut() {
            refund.remove("pending_reason");
        }
    });
    tell_update(world, id, &json!({ "status": before }));
}
