//! The lines of an invoice. The invoice itself shows the first ten; the rest is listed by an address of its own.

use serde_json::{Value, json};

use super::body;
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{Answer, calendar, prices};
use crate::fake_stripe::world::World;

/// All lines, also those that the invoice itself does not show.
pub(in crate::fake_stripe::resources) fn all(world: &World, invoice: &str) -> Vec<Value> {
    world.hidden(invoice)["lines"].as_array().cloned().unwrap_or_default()
}

/// Adds lines to a draft, and what follows for its sums.
pub(in crate::fake_stripe::resources) fn add(world: &mut World, invoice: &str, more: Vec<Value>) {
    let mut lines = all(world, invoice);
    lines.extend(more);
    set(world, invoice, lines);
}

/// Gives a draft its lines, and what follows for its sums.
pub(super) fn set(world: &mut World, invoice: &str, lines: Vec<Value>) {
    world.change(invoice, |invoice| body::set_lines(invoice, &lines));
    world.hide(invoice, "lines", Value::Array(lines));
}

pub(super) fn list(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params(pages::SHAPE)?;
    world.find(call, "invoice", id, "id")?;
    pages::page(&format!("/v1/invoices/{id}/lines"), &params, all(world, id))
}

/// What a line has whatever it comes from.
fn line(world: &mut World, invoice: &str, amount: i64, currency: &Value, quantity: i64) -> Value {
    json!({
        "id": world.id("il_"), "object": "line_item", "amount": amount, "currency": currency, "description": null,
        "discount_amounts": [], "discountable": true, "discounts": [], "invoice": invoice, "livemode": false,
        "metadata": {}, "parent": null, "period": null, "pretax_credit_amounts": [], "pricing": null,
        "quantity": quantity, "quantity_decimal": quantity.to_string(), "subtotal": amount, "taxes": [],
    })
}

/// The line of an invoice item.
pub(super) fn of_item(world: &mut World, invoice: &str, item: &Value) -> Value {
    let quantity = item["quantity"].as_i64().unwrap_or(1);
    let amount = item["amount"].as_i64().unwrap_or_default();
    let mut line = line(world, invoice, amount, &item["currency"], quantity);
    for name in ["description", "metadata", "period"] {
        line[name] = item[name].clone();
    }
    let mut pricing = item["pricing"].clone();
    if pricing["price_details"].is_null() {
        pricing["price_details"] = json!({ "price": null, "product": null });
    }
    line["pricing"] = pricing;
    let details = json!({ "credited_items": null });
    let of = &item["parent"]["subscription_details"];
    line["parent"] = match of["subscription_item"].is_string() {
        true => json!({
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": item["id"], "proration": item["proration"], "proration_details": details,
                "subscription": of["subscription"], "subscription_item": of["subscription_item"],
            },
            "type": "subscription_item_details",
        }),
        false => json!({
            "invoice_item_details": {
                "invoice_item": item["id"], "proration": item["proration"], "proration_details": details,
                "subscription": of["subscription"],
            },
            "subscription_item_details": null, "type": "invoice_item_details",
        }),
    };
    line
}

/// The line of a subscription's item for a period; `amount` is what it costs then, which is nothing in a trial.
pub(in crate::fake_stripe::resources) fn of_subscription(
    world: &mut World,
    invoice: &str,
    item: &Value,
    period: (i64, i64),
    amount: i64,
    is_trial: bool,
) -> Value {
    let price = &item["price"];
    let quantity = item["quantity"].as_i64().unwrap_or(1);
    let mut line = line(world, invoice, amount, &price["currency"], quantity);
    let name = prices::product_name(world, price);
    line["description"] = json!(match is_trial {
        true => format!("Trial period for {name}"),
        false => format!("{quantity} × {name} (at {})", each(price)),
    });
    line["metadata"] = item["metadata"].clone();
    line["period"] = json!({ "start": period.0, "end": period.1 });
    line["pricing"] = pricing(price, is_trial);
    line["parent"] = json!({
        "invoice_item_details": null,
        "subscription_item_details": {
            "invoice_item": null, "proration": false, "proration_details": { "credited_items": null },
            "subscription": item["subscription"], "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    });
    line
}

/// A price as lines and invoice items name it.
pub(super) fn pricing(price: &Value, is_free: bool) -> Value {
    let unit = if is_free { json!("0") } else { price["unit_amount_decimal"].clone() };
    json!({
        "price_details": { "price": price["id"], "product": price["product"] }, "type": "price_details",
        "unit_amount_decimal": unit,
    })
}

/// `$15.00 / month`.
fn each(price: &Value) -> String {
    let currency = price["currency"].as_str().unwrap_or_default();
    let amount = calendar::money(prices::amount(price, 1), currency);
    match prices::interval(price) {
        Some((interval, 1)) => format!("{amount} / {interval}"),
        Some((interval, count)) => format!("{amount} every {count} {interval}s"),
        None => amount,
    }
}
