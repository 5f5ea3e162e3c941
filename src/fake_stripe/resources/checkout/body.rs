//! What a Checkout Session looks like, and the PaymentIntent that it makes.

use serde_json::{Map, Value, json};

use super::bill;
use crate::fake_stripe::frame::call::Params;
use crate::fake_stripe::world::World;

const EMPTY_AT_FIRST: &[&str] = &[
    "after_expiration",
    "client_secret",
    "consent",
    "consent_collection",
    "currency_conversion",
    "customer",
    "customer_account",
    "customer_details",
    "integration_identifier",
    "invoice",
    "origin_context",
    "payment_intent",
    "payment_method_configuration_details",
    "permissions",
    "recovered_from",
    "setup_intent",
    "shipping_cost",
    "subscription",
    "wallet_options",
];

const COPIED: &[&str] = &[
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_creation",
    "customer_email",
    "integration_identifier",
    "locale",
    "shipping_address_collection",
    "submit_type",
    "success_url",
];

/// An open session.
pub(super) fn new(
    world: &World,
    id: &str,
    params: &Params,
    lines: &[Value],
    expires_at: i64,
    link: Option<&str>,
) -> Value {
    let mode = params.text("mode").unwrap_or("payment");
    let sum = bill::due_at_first(params, lines);
    let currency = lines.first().map(|line| line["currency"].clone()).unwrap_or(json!("usd"));
    let mut session = json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": { "enabled": false }, "allow_promotion_codes": null,
        "amount_subtotal": sum, "amount_total": sum,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "branding_settings": {
            "background_color": "#ffffff", "border_style": "rounded", "button_color": "#0074d4",
            "display_name": "Local platform", "font_family": "default", "icon": null, "logo": null,
        },
        "collected_information": { "business_name": null, "individual_name": null, "shipping_details": null },
        "created": world.now(), "currency": currency, "custom_fields": [],
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        },
        "discounts": [], "expires_at": expires_at, "livemode": false, "metadata": params.metadata(), "mode": mode,
        "payment_link": link, "payment_method_options": {}, "payment_status": "unpaid",
        "phone_number_collection": { "enabled": params.is_true("phone_number_collection.enabled") },
        "saved_payment_method_options": {
            "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": null,
        },
        "shipping_options": [], "status": "open",
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 }, "ui_mode": "hosted_page",
        "url": format!("{}/_fake/pages/checkout/{id}", world.base),
    });
    for name in EMPTY_AT_FIRST.iter().chain(COPIED) {
        session[*name] = Value::Null;
    }
    params.copy_into(&mut session, COPIED);
    session["payment_method_types"] = types(params, &session);
    session["payment_method_collection"] =
        json!(params.text("payment_method_collection").unwrap_or(if mode == "payment" {
            "if_required"
        } else {
            "always"
        }));
    if mode == "payment" {
        session["customer_creation"] = match params.text("customer") {
            Some(_) => Value::Null,
            None => json!(params.text("customer_creation").unwrap_or("if_required")),
        };
        session["invoice_creation"] = json!({
            "enabled": params.is_true("invoice_creation.enabled"),
            "invoice_data": {
                "account_tax_ids": null, "custom_fields": null,
                "description": params.value("invoice_creation.invoice_data.description"),
                "footer": params.value("invoice_creation.invoice_data.footer"), "issuer": null,
                "metadata": params.get("invoice_creation.invoice_data.metadata").cloned().unwrap_or(json!({})),
                "rendering_options": null,
            },
        });
    } else {
        session["invoice_creation"] = Value::Null;
    }
    let customer = world.body(params.text("customer").unwrap_or_default());
    let email = params.text("customer_email").or(customer["email"].as_str());
    if params.text("customer").is_some() || email.is_some() {
        session["customer_details"] = details(&json!({ "email": email }));
    }
    session
}

fn types(params: &Params, session: &Value) -> Value {
    if let Some(types) = params.get("payment_method_types").filter(|types| types.is_array()) {
        return types.clone();
    }
    // A debit in euros cannot be reserved first.
    let is_reserved =
        params.get("payment_intent_data").is_some_and(|data| data["capture_method"] == "manual");
    match session["currency"] == "eur" && session["mode"] == "payment" && !is_reserved {
        true => json!(["card", "link", "sepa_debit"]),
        false => json!(["card", "link"]),
    }
}

/// What is known of the buyer, with all its fields.
pub(super) fn details(given: &Value) -> Value {
    let mut details = json!({
        "address": null, "business_name": null, "email": null, "individual_name": null, "name": null, "phone": null,
        "tax_exempt": "none", "tax_ids": null,
    });
    super::super::overlay(&mut details, given);
    details
}

/// The parameters of a session's PaymentIntent, as texts.
pub(super) fn intent(session: &Value, data: &Map<String, Value>) -> Map<String, Value> {
    let mut given = data.clone();
    given.insert("amount".to_owned(), json!(session["amount_total"].to_string()));
    given.insert("currency".to_owned(), session["currency"].clone());
    given.insert("payment_method_types".to_owned(), session["payment_method_types"].clone());
    if session["mode"] == "subscription" {
        given.insert("setup_future_usage".to_owned(), json!("off_session"));
    }
    if session["customer"].is_string() {
        given.insert("customer".to_owned(), session["customer"].clone());
    }
    given
}
