//! What a charge tells of the method that paid and of what the bank said.

use serde_json::{Value, json};

use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::world::World;

/// `payment_method_details`.
pub(super) fn of(world: &mut World, intent: &Value, method: &Value) -> Value {
    let kind = method["type"].as_str().unwrap_or_default().to_owned();
    let shown = &method[kind.as_str()];
    let details = match kind.as_str() {
        "card" => {
            let was_authenticated =
                world.hidden(intent["id"].as_str().unwrap_or_default())["authenticated"].is_string();
            let (code, transaction) = (world.letters(6).to_uppercase(), world.letters(15));
            json!({
                "amount_authorized": intent["amount"], "authorization_code": code, "brand": shown["brand"],
                "checks": {
                    "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass",
                },
                "country": shown["country"], "exp_month": shown["exp_month"], "exp_year": shown["exp_year"],
                "extended_authorization": { "status": "disabled" }, "fingerprint": shown["fingerprint"],
                "funding": shown["funding"], "incremental_authorization": { "status": "unavailable" },
                "installments": null, "last4": shown["last4"], "mandate": null,
                "multicapture": { "status": "unavailable" }, "network": shown["brand"],
                "network_token": { "used": false }, "network_transaction_id": transaction,
                "overcapture": { "maximum_amount_capturable": intent["amount"], "status": "unavailable" },
                "regulated_status": "unregulated",
                "three_d_secure": if was_authenticated { authenticated() } else { Value::Null },
                "transaction_link_id": null, "wallet": null,
            })
        }
        "sepa_debit" => json!({
            "bank_code": shown["bank_code"], "branch_code": shown["branch_code"], "country": shown["country"],
            "expected_debit_date": null, "fingerprint": shown["fingerprint"], "last4": shown["last4"],
            "mandate": null,
        }),
        "us_bank_account" => json!({
            "account_holder_type": shown["account_holder_type"], "account_type": shown["account_type"],
            "bank_name": shown["bank_name"], "fingerprint": shown["fingerprint"], "last4": shown["last4"],
            "mandate": null, "payment_reference": null, "routing_number": shown["routing_number"],
        }),
        _ => json!({}),
    };
    let mut all = json!({ "type": kind });
    all[kind.as_str()] = details;
    all
}

fn authenticated() -> Value {
    json!({
        "authentication_flow": "challenge", "electronic_commerce_indicator": "05", "exemption_indicator": null,
        "result": "authenticated", "result_reason": null, "transaction_id": "00000000-0000-0000-0000-000000000000",
        "version": "2.2.0",
    })
}

/// `outcome` of a charge that was agreed to.
pub(super) fn agreed() -> Value {
    json!({
        "advice_code": null, "network_advice_code": null, "network_decline_code": null,
        "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 20,
        "seller_message": "Payment complete.", "type": "authorized",
    })
}

/// What a refusal changes of a charge.
pub(super) fn refused(failure: &Failure) -> Value {
    let field = |name: &str| failure.error.get(name).cloned().unwrap_or_default();
    json!({
        "status": "failed", "paid": false, "captured": false, "amount_captured": 0,
        "failure_code": field("code"), "failure_message": field("message"),
        "outcome": {
            "advice_code": field("advice_code"), "network_advice_code": null,
            "network_decline_code": field("network_decline_code"), "network_status": "declined_by_network",
            "reason": field("decline_code"), "risk_level": "normal", "risk_score": 20,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
    })
}
