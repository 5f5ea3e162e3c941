//! What an account looks like, from new to able.

use serde_json::{Map, Value, json};

use crate::fake_stripe::frame::call::Params;
use crate::fake_stripe::resources::overlay;

const WANTED: [&str; 6] = [
    "business_profile.url",
    "external_account",
    "individual.first_name",
    "individual.last_name",
    "tos_acceptance.date",
    "tos_acceptance.ip",
];

/// What the platform asks of an account.
#[derive(Debug, Default)]
pub(in crate::fake_stripe::resources) struct Wishes {
    kind: Option<String>,
    fields: Map<String, Value>,
    capabilities: Vec<(String, bool)>,
    controller: Option<Value>,
}

impl Wishes {
    /// From the parameters of a call.
    pub(in crate::fake_stripe::resources) fn of(params: &Params) -> Self {
        let mut fields = params.0.clone();
        let capabilities = fields.remove("capabilities");
        let controller = fields.remove("controller");
        for name in ["type", "account_token", "documents", "external_account", "groups", "metadata"] {
            fields.remove(name);
        }
        let asked = |value: &Value| value["requested"] == "true";
        Self {
            kind: params.text("type").map(str::to_owned),
            fields,
            capabilities: capabilities
                .as_ref()
                .and_then(Value::as_object)
                .map(|all| all.iter().map(|(name, value)| (name.clone(), asked(value))).collect())
                .unwrap_or_default(),
            controller,
        }
    }

    /// What OAuth asks of an Express account.
    pub(in crate::fake_stripe::resources) fn express() -> Self {
        let capabilities = ["card_payments", "transfers"].map(|name| (name.to_owned(), true)).to_vec();
        Self { kind: Some("express".to_owned()), capabilities, ..Self::default() }
    }
}

/// A new account.
pub(super) fn new(id: &str, now: i64, wishes: &Wishes) -> Value {
    let dashboard = wishes.controller.as_ref().and_then(|given| given["stripe_dashboard"]["type"].as_str());
    let kind = match (wishes.kind.as_deref(), dashboard) {
        (Some(kind), _) => kind,
        (None, Some("express")) => "express",
        (None, Some("none")) => "none",
        _ => "standard",
    };
    let is_standard = kind == "standard";
    let mut controller = json!({
        "fees": { "payer": if is_standard { "account" } else { "application" } }, "is_controller": true,
        "losses": { "payments": if is_standard { "stripe" } else { "application" } },
        "requirement_collection": if kind == "custom" { "application" } else { "stripe" },
        "stripe_dashboard": { "type": match kind { "standard" => "full", "express" => "express", _ => "none" } },
        "type": "application",
    });
    if let Some(given) = &wishes.controller {
        overlay(&mut controller, given);
    }
    let mut account = json!({
        "id": id, "object": "account",
        "business_profile": {
            "annual_revenue": null, "estimated_worker_count": null, "mcc": null,
            "minority_owned_business_designation": null, "name": null, "product_description": null,
            "specified_commercial_transactions_act_url": null, "support_address": null, "support_email": null,
            "support_phone": null, "support_url": null, "url": null,
        },
        "business_type": null, "capabilities": {}, "charges_enabled": false, "company": { "name": null },
        "controller": controller, "country": "US", "created": now, "default_currency": "usd",
        "details_submitted": false, "email": null,
        "external_accounts": list(id, "external_accounts"),
        "future_requirements": requirements(&[], Value::Null),
        "individual": null, "login_links": list(id, "login_links"), "metadata": {}, "payouts_enabled": false,
        "requirements": requirements(&WANTED, json!("requirements.past_due")),
        "settings": settings(), "tos_acceptance": { "date": null, "ip": null, "user_agent": null }, "type": kind,
    });
    apply(&mut account, wishes);
    account
}

/// The platform's own account.
pub(super) fn platform(id: &str) -> Value {
    let mut account = new(id, 0, &Wishes::default());
    complete(&mut account, 0);
    account["settings"]["dashboard"]["display_name"] = json!("Local platform");
    account
}

/// What a call changes.
pub(super) fn apply(account: &mut Value, wishes: &Wishes) {
    overlay(account, &Value::Object(wishes.fields.clone()));
    for (name, is_asked) in &wishes.capabilities {
        let status = match (is_asked, account["details_submitted"] == true) {
            (false, _) => {
                if let Some(all) = account["capabilities"].as_object_mut() {
                    all.remove(name);
                }
                continue;
            }
            (true, true) => "active",
            (true, false) => "inactive",
        };
        account["capabilities"][name.as_str()] = json!(status);
    }
}

/// All was told and checked.
pub(super) fn complete(account: &mut Value, now: i64) {
    let id = account["id"].as_str().unwrap_or_default().to_owned();
    if account["capabilities"].as_object().is_none_or(Map::is_empty) {
        account["capabilities"] = json!({ "card_payments": "active", "transfers": "active" });
    }
    if let Some(all) = account["capabilities"].as_object_mut() {
        all.values_mut().for_each(|status| *status = json!("active"));
    }
    for name in ["charges_enabled", "payouts_enabled", "details_submitted"] {
        account[name] = json!(true);
    }
    account["requirements"] = requirements(&[], Value::Null);
    account["tos_acceptance"]["date"] = json!(now);
    let mut accounts = list(&id, "external_accounts");
    accounts["data"] = json!([bank_account(&id)]);
    accounts["total_count"] = json!(1);
    account["external_accounts"] = accounts;
}

/// Something is missing by now.
pub(super) fn restrict(account: &mut Value) {
    if let Some(all) = account["capabilities"].as_object_mut() {
        all.values_mut().for_each(|status| *status = json!("inactive"));
    }
    account["charges_enabled"] = json!(false);
    account["payouts_enabled"] = json!(false);
    let mut wanted = requirements(&["individual.verification.document"], json!("requirements.past_due"));
    wanted["past_due"] = wanted["currently_due"].clone();
    account["requirements"] = wanted;
}

fn requirements(due: &[&str], disabled_reason: Value) -> Value {
    json!({
        "alternatives": [], "current_deadline": null, "currently_due": due, "disabled_reason": disabled_reason,
        "errors": [], "eventually_due": due, "past_due": [], "pending_verification": [],
    })
}

fn list(id: &str, name: &str) -> Value {
    json!({
        "object": "list", "data": [], "has_more": false, "total_count": 0, "url": format!("/v1/accounts/{id}/{name}"),
    })
}

fn bank_account(account: &str) -> Value {
    let nothing = json!({ "currently_due": [], "errors": [], "past_due": [], "pending_verification": [] });
    json!({
        "id": format!("ba_{}", account.trim_start_matches("acct_")), "object": "bank_account", "account": account,
        "account_holder_name": null, "account_holder_type": null, "account_type": null,
        "available_payout_methods": ["standard"], "bank_name": "STRIPE TEST BANK", "country": "US",
        "currency": "usd", "default_for_currency": true, "fingerprint": "local", "future_requirements": nothing,
        "last4": "6789", "metadata": {}, "requirements": nothing, "routing_number": "110000000", "status": "new",
    })
}

fn settings() -> Value {
    json!({
        "bacs_debit_payments": { "display_name": null, "service_user_number": null },
        "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
        "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
        "card_payments": {
            "decline_on": { "avs_failure": false, "cvc_failure": false }, "statement_descriptor_prefix": null,
            "statement_descriptor_prefix_kana": null, "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": { "display_name": null, "timezone": "Etc/UTC" },
        "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": "always" },
        "payments": {
            "statement_descriptor": null, "statement_descriptor_kana": null, "statement_descriptor_kanji": null,
            "statement_descriptor_prefix_kana": null, "statement_descriptor_prefix_kanji": null,
        },
        "payouts": {
            "debit_negative_balances": true, "schedule": { "delay_days": 2, "interval": "daily" },
            "statement_descriptor": null,
        },
        "sepa_debit_payments": {},
    })
}
