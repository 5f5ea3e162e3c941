//! Capturing what was authorised, and cancelling.

use serde_json::{Value, json};

use super::{checks, errors};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::{Answer, charges, checkout, disputes, invoices, payment_methods};
use crate::fake_stripe::world::World;

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

pub(super) fn capture(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(
        "amount_to_capture:int amount_details{} application_fee_amount:int final_capture:bool hooks{} metadata:map \
         payment_details{} statement_descriptor statement_descriptor_suffix transfer_data{amount:int}",
    )?;
    let intent = world.find(call, "payment_intent", id, "intent")?;
    let status = intent["status"].as_str().unwrap_or_default();
    if status == "succeeded" && intent["capture_method"] == "manual" {
        let message = "This PaymentIntent could not be captured because it has already been captured.";
        return Err(errors::unexpected_state(&intent, message));
    }
    if status != "requires_capture" {
        return Err(errors::unexpected_state(
            &intent,
            format!(
                "This PaymentIntent could not be captured because it has a status of {status}. Only a PaymentIntent \
                 with one of the following statuses may be captured: requires_capture."
            ),
        ));
    }
    let capturable = intent["amount_capturable"].as_i64().unwrap_or_default();
    let amount = params.int("amount_to_capture").unwrap_or(capturable);
    if amount < 1 {
        let message = "Invalid positive integer";
        return Err(Failure::parameter("parameter_invalid_integer", "amount_to_capture", message));
    }
    if amount > capturable {
        let message =
            format!("The amount to capture ({amount}) must be at most the amount capturable ({capturable}).");
        return Err(Failure::parameter("amount_too_large", "amount_to_capture", message));
    }
    checks::check_fee(amount, params.int("application_fee_amount"))?;
    world.change(id, |intent| {
        params.copy_into(
            intent,
            &["statement_descriptor", "statement_descriptor_suffix", "application_fee_amount"],
        );
        if let Some(part) = params.int("transfer_data.amount") {
            intent["transfer_data"]["amount"] = json!(part);
        }
        params.merge_metadata(&mut intent["metadata"]);
        // A fee is never more than what was captured.
        if intent["application_fee_amount"].as_i64().is_some_and(|fee| fee > amount) {
            intent["application_fee_amount"] = json!(amount);
        }
        intent["status"] = json!("succeeded");
        intent["amount_capturable"] = json!(0);
        intent["amount_received"] = json!(amount);
    });
    let charge = intent["latest_charge"].as_str().unwrap_or_default().to_owned();
    charges::capture(world, &charge, amount);
    world.emit("payment_intent.succeeded", id);
    invoices::after_payment(world, id);
    checkout::after_payment(world, id);
    let method = intent["payment_method"].as_str().unwrap_or_default();
    if let Some(card) = payment_methods::card_of(world, method) {
        disputes::after_payment(world, &charge, card.ending);
    }
    Ok(world.body(id))
}

pub(super) fn cancel(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("cancellation_reason")?;
    let intent = world.find(call, "payment_intent", id, "intent")?;
    let reason = params.text("cancellation_reason");
    if reason.is_some_and(|reason| !REASONS.contains(&reason)) {
        let message = format!("Invalid cancellation_reason: must be one of {}", REASONS.join(", "));
        return Err(Failure::parameter("parameter_invalid", "cancellation_reason", message));
    }
    let status = intent["status"].as_str().unwrap_or_default();
    if ["succeeded", "canceled", "processing"].contains(&status) {
        return Err(errors::unexpected_state(
            &intent,
            format!(
                "You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent with \
                 one of the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action, processing."
            ),
        ));
    }
    if !world.hidden(id)["invoice"].is_null() {
        let message = "You cannot cancel this PaymentIntent because it belongs to an invoice. Void the invoice instead.";
        return Err(errors::unexpected_state(&intent, message));
    }
    if let Some(session) = world.hidden(id)["session"].as_str()
        && world.body(session)["status"] == "open"
    {
        let message = "You cannot cancel this PaymentIntent because it belongs to a Checkout Session. Expire the session \
                       instead.";
        return Err(errors::unexpected_state(&intent, message));
    }
    end(world, id, reason.map_or(Value::Null, |reason| json!(reason)));
    Ok(world.body(id))
}

/// Ends an intent that was not paid, and lets go of what was authorised.
pub(in crate::fake_stripe::resources) fn end(world: &mut World, id: &str, reason: Value) {
    let intent = world.body(id);
    let now = world.now();
    world.change(id, |intent| {
        intent["status"] = json!("canceled");
        intent["canceled_at"] = json!(now);
        intent["cancellation_reason"] = reason;
        intent["next_action"] = Value::Null;
        intent["amount_capturable"] = json!(0);
    });
    if intent["status"] == "requires_capture" {
        charges::release(world, intent["latest_charge"].as_str().unwrap_or_default());
    }
    world.emit("payment_intent.canceled", id);
}

/// Seven days passed and nobody captured.
pub(in crate::fake_stripe) fn auto_cancel(world: &mut World, id: &str) {
    let intent = world.body(id);
    if intent["status"] == "requires_capture" {
        world.emit("charge.expired", intent["latest_charge"].as_str().unwrap_or_default());
        end(world, id, json!("automatic"));
    }
}
