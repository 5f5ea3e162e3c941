//! Disputes, and what the bank says before one.

use serde_json::{Map, Value, json};

use super::cards::Ending;
use super::{Answer, settlement, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::World;

const FEE: i64 = 1500;
const ANSWER_WITHIN: i64 = 7 * 24 * 60 * 60;

const EVIDENCE: &[&str] = &[
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("get", ["disputes"]) => list(world, call),
        ("get", ["disputes", id]) => call.params("").and_then(|_| world.find(call, "dispute", id, "id")),
        ("post", ["disputes", id]) => update(world, call, id),
        ("post", ["disputes", id, "close"]) => close(world, call, id),
        ("get", ["radar", "early_fraud_warnings"]) => warnings(world, call),
        ("get", ["radar", "early_fraud_warnings", id]) => {
            call.params("").and_then(|_| world.find(call, "radar.early_fraud_warning", id, "id"))
        }
        _ => return None,
    })
}

/// What the bank does after a payment with some test cards.
pub(super) fn after_payment(world: &mut World, charge: &str, ending: Ending) {
    match ending {
        Ending::Disputed(reason) => {
            settlement::settle(world, charge, true);
            open(world, charge, reason, false);
        }
        Ending::Inquiry => {
            settlement::settle(world, charge, true);
            open(world, charge, "fraudulent", true);
        }
        Ending::FraudWarning => warn(world, charge),
        _ => {}
    }
}

fn open(world: &mut World, charge: &str, reason: &str, is_inquiry: bool) {
    let paid = world.body(charge);
    let id = world.id("du_");
    let now = world.now();
    let mut evidence: Map<String, Value> =
        EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    evidence.insert("enhanced_evidence".to_owned(), json!({}));
    evidence.insert("customer_name".to_owned(), paid["billing_details"]["name"].clone());
    evidence.insert("customer_email_address".to_owned(), paid["receipt_email"].clone());
    let card = &paid["payment_method_details"]["card"];
    let dispute = json!({
        "id": id, "object": "dispute", "amount": paid["amount_captured"], "balance_transaction": null,
        "balance_transactions": [], "charge": charge, "created": now, "currency": paid["currency"],
        "enhanced_eligibility_types": [], "evidence": evidence,
        "evidence_details": {
            "due_by": now + ANSWER_WITHIN, "enhanced_eligibility": {}, "has_evidence": false, "past_due": false,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry, "livemode": false, "metadata": {},
        "payment_intent": paid["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"], "case_type": if is_inquiry { "inquiry" } else { "chargeback" },
                "network": card["network"], "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason, "status": if is_inquiry { "warning_needs_response" } else { "needs_response" },
    });
    world.insert(world.owner(charge), dispute, Value::Null);
    world.hide(charge, "is_refundable", json!(is_inquiry));
    world.update(charge, "charge.updated", |charge| {
        charge["disputed"] = json!(true);
        charge["dispute"] = json!(id);
    });
    if !is_inquiry {
        move_money(world, &id, -1);
    }
    world.emit("charge.dispute.created", &id);
    if !is_inquiry {
        world.emit("charge.dispute.funds_withdrawn", &id);
    }
}

fn warn(world: &mut World, charge: &str) {
    let id = world.id("issfr_");
    let intent = world.body(charge)["payment_intent"].clone();
    let warning = json!({
        "id": id, "object": "radar.early_fraud_warning", "actionable": true, "charge": charge,
        "created": world.now(), "fraud_type": "made_with_stolen_card", "livemode": false, "payment_intent": intent,
    });
    world.insert(world.owner(charge), warning, Value::Null);
    world.emit("radar.early_fraud_warning.created", &id);
}

/// The disputed amount leaves the balance (with the fee), or comes back.
fn move_money(world: &mut World, id: &str, sign: i64) {
    let amount = world.body(id)["amount"].as_i64().unwrap_or_default();
    let fee = if sign < 0 { FEE } else { 0 };
    let transaction = settlement::transaction(world, id, sign * amount, fee, "adjustment");
    let shown = world.body(&transaction);
    world.change(id, |dispute| {
        dispute["balance_transaction"] = json!(transaction);
        if let Some(all) = dispute["balance_transactions"].as_array_mut() {
            all.push(shown);
        }
    });
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} charge payment_intent", pages::SHAPE))?;
    let mut disputes = world.all(call.account.as_deref(), "dispute");
    disputes.retain(|dispute| super::fits(dispute, &params, &["charge", "payment_intent"]));
    pages::page("/v1/disputes", &params, disputes)
}

fn warnings(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} charge payment_intent", pages::SHAPE))?;
    let mut warnings = world.all(call.account.as_deref(), "radar.early_fraud_warning");
    warnings.retain(|warning| super::fits(warning, &params, &["charge", "payment_intent"]));
    pages::page("/v1/radar/early_fraud_warnings", &params, warnings)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(&format!(
        "evidence{{{} enhanced_evidence{{}} }} metadata:map submit:bool",
        EVIDENCE.join(" ")
    ))?;
    let dispute = world.find(call, "dispute", id, "id")?;
    let status = dispute["status"].as_str().unwrap_or_default().to_owned();
    let is_open = ["needs_response", "warning_needs_response"].contains(&status.as_str());
    if params.get("evidence").is_some() && !is_open {
        let message = format!("This dispute is {status}: it takes no more evidence.");
        return Err(Failure::invalid(message).param("evidence"));
    }
    let is_submitted = params.get("evidence").is_some() && params.get("submit") != Some(&json!(false));
    world.update(id, "charge.dispute.updated", |dispute| {
        if params.get("evidence").is_some() {
            super::overlay(&mut dispute["evidence"], &params.value("evidence"));
            dispute["evidence_details"]["has_evidence"] = json!(true);
        }
        if is_submitted {
            let count = dispute["evidence_details"]["submission_count"].as_i64().unwrap_or_default();
            dispute["evidence_details"]["submission_count"] = json!(count + 1);
            let is_inquiry = status.starts_with("warning");
            dispute["status"] = json!(if is_inquiry { "warning_under_review" } else { "under_review" });
        }
        params.merge_metadata(&mut dispute["metadata"]);
    });
    if is_submitted {
        // Stripe's test words decide a dispute at once.
        match params.text("evidence.uncategorized_text") {
            Some("winning_evidence") => end(world, id, true),
            Some("losing_evidence") => end(world, id, false),
            _ => {}
        }
    }
    Ok(world.body(id))
}

fn close(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let dispute = world.find(call, "dispute", id, "id")?;
    let status = dispute["status"].as_str().unwrap_or_default();
    if ["won", "lost", "warning_closed"].contains(&status) {
        return Err(Failure::invalid("This dispute is already closed."));
    }
    end(world, id, false);
    Ok(world.body(id))
}

fn end(world: &mut World, id: &str, is_won: bool) {
    let before = world.body(id);
    let is_inquiry = before["status"].as_str().is_some_and(|status| status.starts_with("warning"));
    world.change(id, |dispute| {
        dispute["status"] = json!(match (is_inquiry, is_won) {
            (true, true) => "warning_closed",
            (false, true) => "won",
            (_, false) => "lost",
        });
        dispute["is_charge_refundable"] = json!(false);
    });
    if is_won && !is_inquiry {
        move_money(world, id, 1);
    }
    if is_inquiry && !is_won {
        move_money(world, id, -1);
    }
    let previous = json!({ "status": before["status"] });
    let (owner, dispute) = (world.owner(id), world.body(id));
    world.tell("charge.dispute.closed", owner, dispute, Some(previous));
    match (is_inquiry, is_won) {
        (false, true) => world.emit("charge.dispute.funds_reinstated", id),
        (true, false) => world.emit("charge.dispute.funds_withdrawn", id),
        _ => {}
    }
}
