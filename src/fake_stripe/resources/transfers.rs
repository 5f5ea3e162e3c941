//! Transfers to connected accounts, and their reversals.

use serde_json::{Value, json};

use super::{Answer, accounts, settlement, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::World;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["transfers"]) => create(world, call),
        ("get", ["transfers"]) => list(world, call),
        ("get", ["transfers", id]) => call.params("").and_then(|_| world.find(call, "transfer", id, "id")),
        ("post", ["transfers", id]) => update(world, call, id),
        ("post", ["transfers", id, "reversals"]) => create_reversal(world, call, id),
        ("get", ["transfers", id, "reversals"]) => list_reversals(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(
        "amount:int! currency! destination! description metadata:map source_transaction source_type transfer_group",
    )?;
    let destination = params.text("destination").unwrap_or_default();
    accounts::must_be_able(world, destination, "transfers", "destination")?;
    let amount = params.int("amount").unwrap_or_default();
    if amount < 1 {
        return Err(Failure::parameter("parameter_invalid_integer", "amount", "Invalid positive integer"));
    }
    let like = json!({
        "currency": params.value("currency"), "description": params.value("description"),
        "metadata": params.metadata(), "transfer_group": params.value("transfer_group"),
        "source_transaction": params.value("source_transaction"),
    });
    let id = insert(world, call.account.clone(), &like, destination, amount);
    world.emit("transfer.created", &id);
    Ok(world.body(&id))
}

/// The transfer of a destination charge; its id.
pub(super) fn make_for_charge(world: &mut World, charge: &Value, destination: &str, amount: i64) -> String {
    let like = json!({
        "currency": charge["currency"], "description": null, "metadata": {},
        "transfer_group": charge["transfer_group"], "source_transaction": charge["id"],
    });
    let account = world.owner(charge["id"].as_str().unwrap_or_default());
    insert(world, account, &like, destination, amount)
}

fn insert(
    world: &mut World,
    account: Option<String>,
    like: &Value,
    destination: &str,
    amount: i64,
) -> String {
    let (id, payment) = (world.id("tr_"), world.id("py_"));
    let transfer = json!({
        "id": id, "object": "transfer", "amount": amount, "amount_reversed": 0, "balance_transaction": null,
        "created": world.now(), "currency": like["currency"], "description": like["description"],
        "destination": destination, "destination_payment": payment, "livemode": false,
        "metadata": like["metadata"],
        "reversals": pages::inner(&format!("/v1/transfers/{id}/reversals"), &[]), "reversed": false,
        "source_transaction": like["source_transaction"], "source_type": "card",
        "transfer_group": like["transfer_group"],
    });
    world.insert(account, transfer, Value::Null);
    let transaction = settlement::transaction(world, &id, -amount, 0, "transfer");
    world.change(&id, |transfer| transfer["balance_transaction"] = json!(transaction));
    id
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} destination transfer_group", pages::SHAPE))?;
    let mut transfers = world.all(call.account.as_deref(), "transfer");
    transfers.retain(|transfer| super::fits(transfer, &params, &["destination", "transfer_group"]));
    pages::page("/v1/transfers", &params, transfers)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("description metadata:map")?;
    world.find(call, "transfer", id, "id")?;
    world.update(id, "transfer.updated", |transfer| {
        params.copy_into(transfer, &["description"]);
        params.merge_metadata(&mut transfer["metadata"]);
    });
    Ok(world.body(id))
}

fn create_reversal(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("amount:int description metadata:map refund_application_fee:bool")?;
    let transfer = world.find(call, "transfer", id, "id")?;
    let left = left(&transfer);
    let amount = params.int("amount").unwrap_or(left);
    if amount < 1 || amount > left {
        let message = format!(
            "The reversal amount ({amount}) must be between 1 and what is left of the transfer ({left})."
        );
        return Err(Failure::invalid(message).param("amount"));
    }
    let reversal = reverse(world, id, amount, Value::Null);
    world.change(&reversal, |reversal| reversal["metadata"] = params.metadata());
    Ok(world.body(&reversal))
}

fn left(transfer: &Value) -> i64 {
    transfer["amount"].as_i64().unwrap_or_default() - transfer["amount_reversed"].as_i64().unwrap_or_default()
}

/// Takes money back from the connected account, never more than is left; tells it. The id of the reversal.
pub(super) fn reverse(world: &mut World, id: &str, amount: i64, refund: Value) -> String {
    let transfer = world.body(id);
    let amount = amount.min(left(&transfer));
    let reversal_id = world.id("trr_");
    let payment_refund = world.id("pyr_");
    let reversal = json!({
        "id": reversal_id, "object": "transfer_reversal", "amount": amount, "balance_transaction": null,
        "created": world.now(), "currency": transfer["currency"], "destination_payment_refund": payment_refund,
        "metadata": {}, "source_refund": refund, "transfer": id,
    });
    let account = world.owner(id);
    world.insert(account, reversal, Value::Null);
    let transaction = settlement::transaction(world, &reversal_id, amount, 0, "transfer_refund");
    world.change(&reversal_id, |reversal| reversal["balance_transaction"] = json!(transaction));
    let all = reversals(world, id);
    world.change(id, |transfer| {
        let reversed = transfer["amount_reversed"].as_i64().unwrap_or_default() + amount;
        transfer["amount_reversed"] = json!(reversed);
        transfer["reversed"] = json!(transfer["amount"] == reversed);
        transfer["reversals"] = pages::inner(&format!("/v1/transfers/{id}/reversals"), &all);
    });
    world.emit("transfer.reversed", id);
    reversal_id
}

fn reversals(world: &World, id: &str) -> Vec<Value> {
    let mut all = world.all(world.owner(id).as_deref(), "transfer_reversal");
    all.retain(|reversal| reversal["transfer"] == id);
    all
}

fn list_reversals(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params(pages::SHAPE)?;
    world.find(call, "transfer", id, "id")?;
    pages::page(&format!("/v1/transfers/{id}/reversals"), &params, reversals(world, id))
}
