//! What follows a charge on the balances: its balance transaction, the transfer to the connected account and the fee.

use serde_json::{Value, json};

use super::{fees, transfers};
use crate::fake_stripe::world::World;

/// Settles a charge once; `is_told` says whether `charge.updated` shall tell of it.
pub(in crate::fake_stripe) fn settle(world: &mut World, charge: &str, is_told: bool) {
    let before = world.body(charge);
    if before["balance_transaction"].is_string() || before["captured"] != true || before["paid"] != true {
        return;
    }
    let amount = before["amount_captured"].as_i64().unwrap_or_default();
    let fee = amount * 29 / 1000 + 30;
    let transaction = transaction(world, charge, amount, fee, "charge");
    let transfer = before["transfer_data"]["destination"].as_str().map(|destination| {
        let part = before["transfer_data"]["amount"].as_i64().unwrap_or(amount).min(amount);
        transfers::make_for_charge(world, &before, destination, part)
    });
    let fee = before["application_fee_amount"].as_i64().filter(|fee| *fee > 0).map(|fee| {
        let paid_by = before["transfer_data"]["destination"].as_str().map(str::to_owned);
        fees::make(world, &before, paid_by.or_else(|| world.owner(charge)), fee)
    });
    let settled = |charge: &mut Value| {
        charge["balance_transaction"] = json!(transaction);
        if let Some(transfer) = &transfer {
            charge["transfer"] = json!(transfer);
        }
        if let Some(fee) = &fee {
            charge["application_fee"] = json!(fee);
        }
    };
    if is_told {
        world.update(charge, "charge.updated", settled);
    } else {
        world.change(charge, settled);
    }
    if let Some(transfer) = transfer {
        world.emit("transfer.created", &transfer);
    }
    if let Some(fee) = fee {
        world.emit("application_fee.created", &fee);
    }
}

/// A movement on the balance of the account that `source` belongs to; its id.
pub(super) fn transaction(world: &mut World, source: &str, amount: i64, fee: i64, kind: &str) -> String {
    let id = world.id("txn_");
    let object = world.body(source);
    let now = world.now();
    let details = match fee {
        0 => json!([]),
        fee => json!([{
            "amount": fee, "application": null, "currency": object["currency"],
            "description": "Stripe processing fees", "type": "stripe_fee",
        }]),
    };
    let body = json!({
        "id": id, "object": "balance_transaction", "amount": amount, "available_on": now + 7 * 24 * 60 * 60,
        "balance_type": "payments", "created": now, "currency": object["currency"],
        "description": object["description"], "exchange_rate": null, "fee": fee, "fee_details": details,
        "net": amount - fee, "reporting_category": kind, "source": source, "status": "pending", "type": kind,
    });
    let account = world.owner(source);
    world.insert(account, body, Value::Null);
    id
}
