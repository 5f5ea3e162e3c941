//! Errors that carry their PaymentIntent.

use serde_json::{Value, json};

use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::world::World;

/// The intent is in no state in which this can be done.
pub(super) fn unexpected_state(intent: &Value, message: impl Into<String>) -> Failure {
    Failure::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", intent.clone())
}

/// An attempt failed: the intent remembers it, goes back to wanting a method, and the error carries it.
pub(super) fn attempt_failed(world: &mut World, id: &str, failure: Failure) -> Failure {
    let method = world.body(id)["payment_method"].as_str().map(|method| world.body(method));
    let failure = match method {
        Some(method) => failure.with("payment_method", method),
        None => failure,
    };
    let error = Value::Object(failure.error.clone());
    world.change(id, |intent| {
        intent["status"] = json!("requires_payment_method");
        intent["last_payment_error"] = error;
        intent["next_action"] = Value::Null;
        intent["processing"] = Value::Null;
        intent["payment_method"] = Value::Null;
    });
    world.hide(id, "authenticated", Value::Null);
    world.emit("payment_intent.payment_failed", id);
    let intent = world.body(id);
    failure.with("payment_intent", intent)
}
