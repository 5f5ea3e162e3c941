//! What the Stripe CLI calls in place of the hosted page, for its triggers. No document names these.

use serde_json::{Value, json};

use super::pay::{self, Given};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::{Answer, payment_methods};
use crate::fake_stripe::world::World;

pub(super) fn show(world: &World, call: &Call, id: &str) -> Answer {
    call.params("key")?;
    let session = world.find(call, "checkout.session", id, "id")?;
    Ok(page(&session))
}

pub(super) fn confirm(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("payment_method! expected_amount:int return_url")?;
    let session = world.find(call, "checkout.session", id, "id")?;
    if params.int("expected_amount").is_some_and(|expected| session["amount_total"] != expected) {
        let message = "The amount of the payment page is not what was expected; look at it again.";
        return Err(Failure::invalid(message).code("checkout_amount_mismatch").param("expected_amount"));
    }
    let method = params.text("payment_method").unwrap_or_default();
    let method = payment_methods::resolve(world, call.account.as_deref(), method, "payment_method")?;
    let billing = world.body(&method)["billing_details"].clone();
    let given = Given {
        method: Some(method),
        details: json!({ "address": billing["address"], "email": billing["email"], "name": billing["name"] }),
        shipping: Value::Null,
    };
    pay::pay(world, id, given)?;
    Ok(page(&world.body(id)))
}

fn page(session: &Value) -> Value {
    json!({
        "id": format!("ppage_{}", session["id"].as_str().unwrap_or_default().trim_start_matches("cs_test_")),
        "object": "checkout.session", "session_id": session["id"], "livemode": false, "mode": session["mode"],
        "payment_intent": session["payment_intent"], "payment_method_types": session["payment_method_types"],
        "payment_status": session["payment_status"], "state": session["status"], "status": session["status"],
        "success_url": session["success_url"], "currency": session["currency"],
        "total_summary": { "due": session["amount_total"], "total": session["amount_total"] },
    })
}
