//! Application fees: what the platform keeps of a payment, and what it gives back.

use serde_json::{Value, json};

use super::{Answer, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{APPLICATION, World};

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("get", ["application_fees"]) => list(world, call),
        ("get", ["application_fees", id]) => {
            call.params("").and_then(|_| world.find(call, "application_fee", id, "id"))
        }
        ("post", ["application_fees", id, "refunds"]) => create_refund(world, call, id),
        ("get", ["application_fees", id, "refunds"]) => list_refunds(world, call, id),
        _ => return None,
    })
}

/// The fee of a charge, paid by a connected account to the platform; its id.
pub(super) fn make(world: &mut World, charge: &Value, paid_by: Option<String>, amount: i64) -> String {
    let id = world.id("fee_");
    let transaction = world.id("txn_");
    let fee = json!({
        "id": id, "object": "application_fee", "account": paid_by, "amount": amount, "amount_refunded": 0,
        "application": APPLICATION, "balance_transaction": transaction, "charge": charge["id"],
        "created": world.now(), "currency": charge["currency"],
        "fee_source": { "charge": charge["id"], "type": "charge" }, "livemode": false,
        "originating_transaction": null, "refunded": false,
        "refunds": pages::inner(&format!("/v1/application_fees/{id}/refunds"), &[]),
    });
    world.insert(None, fee, Value::Null);
    id
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} charge", pages::SHAPE))?;
    let mut fees = world.all(call.account.as_deref(), "application_fee");
    fees.retain(|fee| super::fits(fee, &params, &["charge"]));
    pages::page("/v1/application_fees", &params, fees)
}

fn left(fee: &Value) -> i64 {
    fee["amount"].as_i64().unwrap_or_default() - fee["amount_refunded"].as_i64().unwrap_or_default()
}

fn create_refund(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("amount:int metadata:map")?;
    let fee = world.find(call, "application_fee", id, "id")?;
    let amount = params.int("amount").unwrap_or(left(&fee));
    if amount < 1 || amount > left(&fee) {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on fee ({}) or less than 1.",
            left(&fee)
        );
        return Err(Failure::invalid(message).param("amount"));
    }
    let refund = refund(world, id, amount);
    world.change(&refund, |refund| refund["metadata"] = params.metadata());
    Ok(world.body(&refund))
}

/// Gives back a part of a fee, never more than is left; tells it. The id of the fee's refund.
pub(super) fn refund(world: &mut World, id: &str, amount: i64) -> String {
    let fee = world.body(id);
    let amount = amount.min(left(&fee));
    let (refund_id, transaction) = (world.id("fr_"), world.id("txn_"));
    let refund = json!({
        "id": refund_id, "object": "fee_refund", "amount": amount, "balance_transaction": transaction,
        "created": world.now(), "currency": fee["currency"], "fee": id, "metadata": {},
    });
    world.insert(None, refund, Value::Null);
    let all = refunds(world, id);
    world.change(id, |fee| {
        let refunded = fee["amount_refunded"].as_i64().unwrap_or_default() + amount;
        fee["amount_refunded"] = json!(refunded);
        fee["refunded"] = json!(fee["amount"] == refunded);
        fee["refunds"] = pages::inner(&format!("/v1/application_fees/{id}/refunds"), &all);
    });
    world.emit("application_fee.refunded", id);
    refund_id
}

fn refunds(world: &World, id: &str) -> Vec<Value> {
    let mut all = world.all(None, "fee_refund");
    all.retain(|refund| refund["fee"] == id);
    all
}

fn list_refunds(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params(pages::SHAPE)?;
    world.find(call, "application_fee", id, "id")?;
    pages::page(&format!("/v1/application_fees/{id}/refunds"), &params, refunds(world, id))
}
