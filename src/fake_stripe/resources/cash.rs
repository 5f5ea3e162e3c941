//! The cash balance of a customer: money that came in by bank transfer and pays open intents.

use serde_json::{Value, json};

use super::{Answer, payment_intents, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::world::World;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["test_helpers", "customers", id, "fund_cash_balance"]) => fund(world, call, id),
        _ => return None,
    })
}

/// Money comes in and pays what the customer owes, oldest first.
fn fund(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("amount:int! currency! reference")?;
    world.find(call, "customer", id, "id")?;
    let (amount, currency) =
        (params.int("amount").unwrap_or_default(), params.text("currency").unwrap_or_default());
    if amount < 1 {
        return Err(Failure::parameter("parameter_invalid_integer", "amount", "Invalid positive integer"));
    }
    let mut open = world.all(call.account.as_deref(), "payment_intent");
    open.retain(|intent| {
        intent["customer"] == id
            && intent["currency"] == currency
            && intent["next_action"]["type"] == "display_bank_transfer_instructions"
    });
    let mut left = amount;
    for intent in open.iter().rev() {
        if left > 0 {
            left = payment_intents::fund(world, intent["id"].as_str().unwrap_or_default(), left);
        }
    }
    let transaction = world.id("ccsbtxn_");
    let body = json!({
        "id": transaction, "object": "customer_cash_balance_transaction", "created": world.now(),
        "currency": currency, "customer": id, "customer_account": null, "ending_balance": left, "livemode": false,
        "funded": {
            "bank_transfer": { "reference": params.value("reference"), "type": "jp_bank_transfer" },
        },
        "net_amount": amount, "type": "funded",
    });
    world.insert(call.account.clone(), body.clone(), Value::Null);
    Ok(body)
}
