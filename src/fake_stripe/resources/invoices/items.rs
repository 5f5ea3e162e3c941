//! Invoice items: what is to be billed next, and the lines that they become.

use serde_json::{Value, json};

use super::body;
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{self, Answer};
use crate::fake_stripe::world::World;

const SHAPE: &str = "amount:int currency customer customer_account description discountable:bool invoice metadata:map \
                     period{start:int end:int} quantity:int unit_amount_decimal price_data{} pricing{} tax_code";

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    for name in ["price_data", "pricing"] {
        if params.get(name).is_some() {
            return Err(Failure::not_modelled("prices"));
        }
    }
    let customer = params.text("customer").ok_or_else(|| Failure::missing("customer"))?;
    let customer_now = world.find(call, "customer", customer, "customer")?;
    let amount = params.int("amount").ok_or_else(|| Failure::missing("amount"))?;
    let currency =
        params.text("currency").or(customer_now["currency"].as_str()).unwrap_or("usd").to_lowercase();
    let invoice =
        params.text("invoice").map(|invoice| world.find(call, "invoice", invoice, "invoice")).transpose()?;
    if invoice.as_ref().is_some_and(|invoice| invoice["status"] != "draft") {
        return Err(Failure::invalid("This invoice is no longer editable").code("invoice_not_editable"));
    }
    let now = world.now();
    let id = world.id("ii_");
    let item = json!({
        "id": id, "object": "invoiceitem", "amount": amount, "currency": currency, "customer": customer,
        "customer_account": null, "date": now, "created": now, "description": params.value("description"),
        "discountable": true, "discounts": [], "invoice": null, "livemode": false, "metadata": params.metadata(),
        "net_amount": amount, "parent": null, "period": { "end": now, "start": now },
        "pricing": { "type": "price_details", "unit_amount_decimal": amount.to_string() }, "proration": false,
        "quantity": 1, "quantity_decimal": "1", "tax_rates": [], "test_clock": null,
    });
    world.insert(call.account.clone(), item, Value::Null);
    world.change(customer, |customer| customer["currency"] = json!(currency));
    world.emit("invoiceitem.created", &id);
    if let Some(invoice) = invoice {
        add(world, invoice["id"].as_str().unwrap_or_default(), std::slice::from_ref(&id));
    }
    Ok(world.body(&id))
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer invoice pending:bool", pages::SHAPE))?;
    let mut items = world.all(call.account.as_deref(), "invoiceitem");
    items.retain(|item| {
        resources::fits(item, &params, &["customer", "invoice"])
            && (!params.is_true("pending") || item["invoice"].is_null())
    });
    pages::page("/v1/invoiceitems", &params, items)
}

pub(super) fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let item = world.find(call, "invoiceitem", id, "id")?;
    if item["invoice"].is_string() {
        return Err(Failure::invalid("Cannot delete an invoice item that is on an invoice already."));
    }
    world.emit("invoiceitem.deleted", id);
    world.remove(id);
    Ok(json!({ "id": id, "object": "invoiceitem", "deleted": true }))
}

/// Takes what the customer has pending onto an invoice.
pub(super) fn take_pending(world: &mut World, invoice: &str) {
    let customer = world.body(invoice)["customer"].clone();
    let mut items = world.all(world.owner(invoice).as_deref(), "invoiceitem");
    items.retain(|item| item["customer"] == customer && item["invoice"].is_null());
    let ids: Vec<String> =
        items.iter().rev().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect();
    add(world, invoice, &ids);
}

fn add(world: &mut World, invoice: &str, items: &[String]) {
    let mut lines = world.body(invoice)["lines"]["data"].as_array().cloned().unwrap_or_default();
    for id in items {
        world.change(id, |item| item["invoice"] = json!(invoice));
        let item = world.body(id);
        lines.push(json!({
            "id": world.id("il_"), "object": "line_item", "amount": item["amount"], "currency": item["currency"],
            "description": item["description"], "discount_amounts": [], "discountable": true, "discounts": [],
            "invoice": invoice, "livemode": false, "metadata": item["metadata"],
            "parent": {
                "invoice_item_details": {
                    "invoice_item": id, "proration": false, "proration_details": { "credited_items": null },
                    "subscription": null,
                },
                "subscription_item_details": null, "type": "invoice_item_details",
            },
            "period": item["period"], "pretax_credit_amounts": [],
            "pricing": {
                "price_details": { "price": null, "product": null }, "type": "price_details",
                "unit_amount_decimal": item["pricing"]["unit_amount_decimal"],
            },
            "quantity": 1, "quantity_decimal": "1", "subtotal": item["amount"], "taxes": [],
        }));
    }
    world.change(invoice, |invoice| body::set_lines(invoice, &lines));
}
