//! What an invoice looks like.

use serde_json::{Value, json};

use crate::fake_stripe::frame::call::Params;
use crate::fake_stripe::frame::pages;

const EMPTY_AT_FIRST: &[&str] = &[
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "effective_at",
    "ending_balance",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "parent",
    "receipt_number",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "test_clock",
];

const ZERO_AT_FIRST: &[&str] = &[
    "amount_due",
    "amount_overpaid",
    "amount_paid",
    "amount_remaining",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "starting_balance",
    "subtotal",
    "subtotal_excluding_tax",
    "total",
    "total_excluding_tax",
];

/// A draft without lines.
pub(super) fn new(id: &str, now: i64, customer: &Value, params: &Params) -> Value {
    let currency = params.text("currency").or(customer["currency"].as_str()).unwrap_or("usd");
    let mut invoice = json!({
        "id": id, "object": "invoice", "account_country": "US", "account_name": "Local platform",
        "attempted": false, "auto_advance": false,
        "automatic_tax": {
            "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null,
        },
        "billing_reason": "manual", "collection_method": "charge_automatically", "created": now,
        "currency": currency, "customer": customer["id"], "customer_address": customer["address"],
        "customer_email": customer["email"], "customer_name": customer["name"],
        "customer_phone": customer["phone"], "customer_shipping": customer["shipping"],
        "customer_tax_exempt": "none", "customer_tax_ids": [], "default_tax_rates": [], "discounts": [],
        "issuer": { "type": "self" }, "lines": pages::inner(&format!("/v1/invoices/{id}/lines"), &[]),
        "livemode": false, "metadata": params.metadata(),
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_end": now, "period_start": now,
        "rendering": {
            "amount_tax_display": null, "pdf": { "page_size": "auto" }, "template": null, "template_version": null,
        },
        "status": "draft",
        "status_transitions": {
            "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null,
        },
        "total_discount_amounts": [], "total_pretax_credit_amounts": [], "total_taxes": [],
        "webhooks_delivered_at": now,
    });
    for name in EMPTY_AT_FIRST {
        invoice[*name] = Value::Null;
    }
    for name in ZERO_AT_FIRST {
        invoice[*name] = json!(0);
    }
    invoice["starting_balance"] = json!(customer["balance"].as_i64().unwrap_or_default());
    invoice
}

/// How many lines an invoice shows itself.
const SHOWN: usize = 10;

/// Gives a draft its lines, and the sums that follow. A total below zero is nothing to pay.
pub(super) fn set_lines(invoice: &mut Value, lines: &[Value]) {
    let id = invoice["id"].as_str().unwrap_or_default().to_owned();
    let total: i64 = lines.iter().filter_map(|line| line["amount"].as_i64()).sum();
    let shown = lines.get(..SHOWN).unwrap_or(lines);
    invoice["lines"] = pages::inner(&format!("/v1/invoices/{id}/lines"), shown);
    invoice["lines"]["has_more"] = json!(lines.len() > SHOWN);
    invoice["lines"]["total_count"] = json!(lines.len());
    for name in ["subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"] {
        invoice[name] = json!(total);
    }
    let due = total + invoice["starting_balance"].as_i64().unwrap_or_default();
    invoice["amount_due"] = json!(due.max(0));
    invoice["amount_remaining"] = json!(due.max(0));
    if let Some(currency) = lines.first().map(|line| line["currency"].clone()) {
        invoice["currency"] = currency;
    }
}
