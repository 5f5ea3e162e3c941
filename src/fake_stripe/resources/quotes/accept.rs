//! Accepting a quote: one-off lines become a draft invoice; what recurs becomes a subscription, whose first invoice is a
//! draft for an hour, or a schedule that begins it at a day to come.
//!
//! The first card that pays a subscription made so is kept for its renewals.

use serde_json::{Value, json};

use super::{in_status, lines_of};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::calendar::DAY;
use crate::fake_stripe::resources::subscriptions::{self, First, Item, New};
use crate::fake_stripe::resources::{Answer, invoices, subscription_schedules};
use crate::fake_stripe::world::World;

pub(super) fn accept(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let quote = in_status(world, call, id, &["open"], "accepted")?;
    let customer = quote["customer"].as_str().unwrap_or_default();
    if world.body(customer)["deleted"] == true {
        return Err(Failure::no_such("customer", customer, "customer"));
    }
    let lines = lines_of(world, id);
    let recurs = lines.iter().any(|line| line["price"]["type"] == "recurring");
    let made = match recurs {
        true => subscribe(world, call, &quote, &lines)?,
        false => json!({ "invoice": bill(world, call, &quote, &lines)? }),
    };
    let now = world.now();
    world.change(id, |quote| {
        quote["status"] = json!("accepted");
        quote["status_transitions"]["accepted_at"] = json!(now);
        crate::fake_stripe::resources::overlay(quote, &made);
    });
    world.emit("quote.accepted", id);
    Ok(world.body(id))
}

/// A draft invoice, which does not advance by itself.
fn bill(world: &mut World, call: &Call, quote: &Value, lines: &[Value]) -> Result<String, Failure> {
    let customer = world.body(quote["customer"].as_str().unwrap_or_default());
    let mut params = json!({ "auto_advance": false, "collection_method": quote["collection_method"] });
    if let Some(days) = quote["invoice_settings"]["days_until_due"].as_i64()
        && quote["collection_method"] == "send_invoice"
    {
        params["days_until_due"] = json!(days);
    }
    let params = Params(params.as_object().cloned().unwrap_or_default());
    let invoice = invoices::draft(world, call.account.clone(), &customer, &params)?;
    world.change(&invoice, |invoice| {
        invoice["billing_reason"] = json!("quote_accept");
        invoice["currency"] = quote["currency"].clone();
        invoice["parent"] = json!({
            "quote_details": { "quote": quote["id"] }, "subscription_details": null, "type": "quote_details",
        });
    });
    for line in lines {
        invoices::items::add_priced(world, &invoice, &line["price"], line["quantity"].as_i64().unwrap_or(1));
    }
    invoices::clock::announce(world, &invoice);
    Ok(invoice)
}

fn subscribe(world: &mut World, call: &Call, quote: &Value, lines: &[Value]) -> Result<Value, Failure> {
    let data = &quote["subscription_data"];
    let now = world.now();
    let quantity = |line: &Value| line["quantity"].as_i64().unwrap_or(1);
    let items = lines.iter().filter(|line| line["price"]["type"] == "recurring").map(|line| Item {
        price: line["price"].clone(),
        quantity: quantity(line),
        metadata: line["metadata"].clone(),
    });
    let items: Vec<Item> = items.collect();
    subscriptions::check_prices(&items)?;
    let days_until_due = match quote["collection_method"] == "send_invoice" {
        true => quote["invoice_settings"]["days_until_due"].clone(),
        false => Value::Null,
    };
    let metadata = if data["metadata"].is_object() { data["metadata"].clone() } else { json!({}) };
    let trial_days = data["trial_period_days"].as_i64().filter(|days| *days > 0);
    let new = New {
        customer: quote["customer"].as_str().unwrap_or_default().to_owned(),
        items,
        trial_end: trial_days.map(|days| now + days * DAY),
        anchor: None,
        shown: json!({
            "collection_method": quote["collection_method"], "days_until_due": days_until_due,
            "description": data["description"], "metadata": metadata,
            "payment_settings": {
                "payment_method_options": null, "payment_method_types": null,
                "save_default_payment_method": "on_subscription",
            },
        }),
    };
    let once: Vec<&Value> = lines.iter().filter(|line| line["price"]["type"] != "recurring").collect();
    if let Some(start) = data["effective_date"].as_i64().filter(|start| *start > now) {
        let once = once.iter().map(
            |line| json!({ "price": line["price"]["id"], "quantity": line["quantity"], "discounts": [] }),
        );
        let once = Value::Array(once.collect());
        let schedule = subscription_schedules::make(world, call.account.clone(), &new, &once, start);
        return Ok(json!({ "subscription_schedule": schedule }));
    }
    let subscription = subscriptions::insert(world, call.account.clone(), &new);
    for line in once {
        subscriptions::bill_once(world, &subscription, &line["price"], quantity(line));
    }
    let invoice = subscriptions::first(world, &subscription, First::Draft)?;
    subscriptions::plan_trial_notice(world, &subscription);
    Ok(json!({ "subscription": subscription, "invoice": invoice }))
}
