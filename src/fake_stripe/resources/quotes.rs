//! Quotes: what is offered to a customer, from the draft to what its acceptance makes. Without discounts and taxes.

use serde_json::{Value, json};

use super::calendar::DAY;
use super::{Answer, prices, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{Timer, World};

mod accept;
mod pdf;
mod sums;

pub(in crate::fake_stripe) use pdf::{document, pdf};

const SHAPE: &str = "application_fee_amount:int application_fee_percent automatic_tax{} collection_method customer \
                     customer_account default_tax_rates:any description discounts:any expires_at:int footer from_quote{} \
                     header invoice_settings{days_until_due:int description footer custom_fields:any issuer{}} \
                     line_items:list metadata:map on_behalf_of subscription_data{billing_mode{} description \
                     effective_date metadata:map trial_period_days:int} test_clock transfer_data:any";

const LINE: &str = "discounts:any id metadata:map price price_data{} quantity:int tax_rates:any";

const COPIED: &[&str] = &[
    "application_fee_amount",
    "application_fee_percent",
    "collection_method",
    "customer",
    "description",
    "expires_at",
    "footer",
    "header",
    "on_behalf_of",
];

/// For how long a quote is offered if nothing else is said.
const OFFERED: i64 = 30 * DAY;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["quotes"]) => create(world, call),
        ("get", ["quotes"]) => list(world, call),
        ("get", ["quotes", id]) => call.params("").and_then(|_| world.find(call, "quote", id, "id")),
        ("post", ["quotes", id]) => update(world, call, id),
        ("post", ["quotes", id, "finalize"]) => finalize(world, call, id),
        ("post", ["quotes", id, "accept"]) => accept::accept(world, call, id),
        ("post", ["quotes", id, "cancel"]) => cancel(world, call, id),
        ("get", ["quotes", id, "line_items"]) => line_items(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    let now = world.now();
    let id = world.id("qt_");
    let tax = json!({ "enabled": false, "liability": null, "provider": null, "status": null });
    let quote = json!({
        "id": id, "object": "quote", "amount_subtotal": 0, "amount_total": 0, "application": null,
        "application_fee_amount": null, "application_fee_percent": null, "automatic_tax": tax,
        "collection_method": "charge_automatically", "computed": null, "created": now, "currency": "usd",
        "customer": null, "customer_account": null, "default_tax_rates": [], "description": null, "discounts": [],
        "expires_at": now + OFFERED, "footer": null, "from_quote": null, "header": null, "invoice": null,
        "invoice_settings": {
            "custom_fields": null, "days_until_due": null, "description": null, "footer": null,
            "issuer": { "type": "self" },
        },
        "livemode": false, "metadata": {}, "number": null, "on_behalf_of": null, "status": "draft",
        "status_transitions": { "accepted_at": null, "canceled_at": null, "finalized_at": null },
        "subscription": null,
        "subscription_data": {
            "billing_mode": { "type": "flexible" }, "description": null, "effective_date": null, "metadata": null,
            "trial_period_days": null,
        },
        "subscription_schedule": null, "test_clock": null,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 }, "transfer_data": null,
    });
    world.insert(call.account.clone(), quote, json!({ "lines": [] }));
    set(world, call, &id, &params)?;
    world.emit("quote.created", &id);
    expire_in_time(world, &id);
    Ok(world.body(&id))
}

/// Lays what a call gave over a draft.
fn set(world: &mut World, call: &Call, id: &str, params: &Params) -> Result<(), Failure> {
    for name in ["from_quote", "discounts", "default_tax_rates", "test_clock"] {
        let is_given = params.get(name).is_some_and(|value| !value.is_null() && *value != json!(""));
        if is_given {
            return Err(Failure::not_modelled(&format!("`{name}` of quotes")));
        }
    }
    if let Some(customer) = params.text("customer") {
        let customer = world.find(call, "customer", customer, "customer")?;
        if customer["deleted"] == true {
            return Err(Failure::no_such(
                "customer",
                customer["id"].as_str().unwrap_or_default(),
                "customer",
            ));
        }
    }
    if params
        .text("collection_method")
        .is_some_and(|how| !["charge_automatically", "send_invoice"].contains(&how))
    {
        let message = "Invalid collection_method: must be one of charge_automatically or send_invoice";
        return Err(Failure::parameter("parameter_invalid", "collection_method", message));
    }
    if params.int("expires_at").is_some_and(|at| at <= world.now()) {
        let message = "`expires_at` must be in the future.";
        return Err(Failure::invalid(message).param("expires_at"));
    }
    let lines = read_lines(world, call, id, params)?;
    world.change(id, |quote| {
        params.copy_into(quote, COPIED);
        for name in ["invoice_settings", "subscription_data"] {
            if let Some(given) = params.get(name) {
                super::overlay(&mut quote[name], given);
            }
        }
        if let Some(Value::String(at)) = params.get("subscription_data.effective_date") {
            quote["subscription_data"]["effective_date"] =
                at.parse::<i64>().map_or_else(|_| json!(at), |at| json!(at));
        }
        if let Some(transfer) = params.get("transfer_data") {
            quote["transfer_data"] = if transfer.is_object() { transfer.clone() } else { Value::Null };
        }
        params.merge_metadata(&mut quote["metadata"]);
    });
    if let Some(lines) = lines {
        world.hide(id, "lines", json!(lines));
    }
    let lines = lines_of(world, id);
    world.change(id, |quote| sums::set(quote, &lines));
    Ok(())
}

/// The lines that a call gives, which replace all there were; one that names an old line changes it.
fn read_lines(
    world: &mut World,
    call: &Call,
    id: &str,
    params: &Params,
) -> Result<Option<Vec<Value>>, Failure> {
    let Some(given) = params.items("line_items", LINE)? else {
        return Ok(None);
    };
    let mut lines: Vec<Value> = Vec::new();
    for (place, line) in given.iter().enumerate() {
        let above = format!("line_items[{place}]");
        let old = match line.text("id") {
            Some(old) => Some(
                lines_of(world, id)
                    .into_iter()
                    .find(|line| line["id"] == old)
                    .ok_or_else(|| Failure::no_such("line_item", old, &format!("{above}[id]")))?,
            ),
            None => None,
        };
        let names_price = line.text("price").is_some() || line.get("price_data").is_some();
        let price = match old.as_ref().filter(|_| !names_price) {
            Some(old) => old["price"].clone(),
            None => prices::of_item(world, call.account.as_deref(), line, &above)?,
        };
        let quantity =
            line.int("quantity").or(old.as_ref().and_then(|old| old["quantity"].as_i64())).unwrap_or(1);
        if quantity < 1 {
            let message = "This value must be greater than or equal to 1.";
            let param = format!("{above}[quantity]");
            return Err(Failure::parameter("parameter_invalid_integer", &param, message));
        }
        let mut new = sums::line(world, &price, quantity, line.metadata());
        if let Some(old) = old {
            new["id"] = old["id"].clone();
        }
        lines.push(new);
    }
    sums::check(&lines)?;
    Ok(Some(lines))
}

/// All lines of a quote.
fn lines_of(world: &World, id: &str) -> Vec<Value> {
    world.hidden(id)["lines"].as_array().cloned().unwrap_or_default()
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer status test_clock", pages::SHAPE))?;
    let mut quotes = world.all(call.account.as_deref(), "quote");
    quotes.retain(|quote| super::fits(quote, &params, &["customer", "status"]));
    pages::page("/v1/quotes", &params, quotes)
}

fn line_items(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params(pages::SHAPE)?;
    world.find(call, "quote", id, "id")?;
    pages::page(&format!("/v1/quotes/{id}/line_items"), &params, lines_of(world, id))
}

/// The quote, if its status is one of these.
fn in_status(world: &World, call: &Call, id: &str, allowed: &[&str], what: &str) -> Answer {
    let quote = world.find(call, "quote", id, "id")?;
    let status = quote["status"].as_str().unwrap_or_default();
    if allowed.contains(&status) {
        return Ok(quote);
    }
    Err(Failure::invalid(format!(
        "This quote cannot be {what} because it is in status `{status}`. Only a quote in status `{}` can be {what}.",
        allowed.join("` or `")
    )))
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(SHAPE)?;
    let only_notes = params.0.keys().all(|name| name == "metadata");
    if !only_notes {
        in_status(world, call, id, &["draft"], "updated")?;
    }
    world.find(call, "quote", id, "id")?;
    set(world, call, id, &params)?;
    if params.int("expires_at").is_some() {
        expire_in_time(world, id);
    }
    Ok(world.body(id))
}

fn finalize(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("expires_at:int")?;
    let quote = in_status(world, call, id, &["draft"], "finalized")?;
    if quote["customer"].is_null() {
        let message = "A quote must have a customer before it can be finalized: set `customer`.";
        return Err(Failure::invalid(message).param("customer"));
    }
    if lines_of(world, id).is_empty() {
        let message =
            "A quote must have at least one line item before it can be finalized: set `line_items`.";
        return Err(Failure::invalid(message).param("line_items"));
    }
    let is_sent = quote["collection_method"] == "send_invoice";
    if is_sent && quote["invoice_settings"]["days_until_due"].is_null() {
        let message = "If quote `collection_method` is `send_invoice`, you must specify \
                       `invoice_settings[days_until_due]`.";
        return Err(Failure::invalid(message).param("invoice_settings[days_until_due]"));
    }
    let now = world.now();
    if params.int("expires_at").is_some_and(|at| at <= now) {
        return Err(Failure::invalid("`expires_at` must be in the future.").param("expires_at"));
    }
    let customer = world.body(quote["customer"].as_str().unwrap_or_default());
    let prefix = customer["invoice_prefix"].as_str().unwrap_or("LOCAL").to_owned();
    let earlier = world.all(call.account.as_deref(), "quote");
    let number = earlier
        .iter()
        .filter(|quote| quote["customer"] == customer["id"] && quote["number"].is_string())
        .count()
        + 1;
    world.change(id, |quote| {
        params.copy_into(quote, &["expires_at"]);
        quote["status"] = json!("open");
        quote["number"] = json!(format!("QT-{prefix}-{number:04}-1"));
        quote["status_transitions"]["finalized_at"] = json!(now);
    });
    world.emit("quote.finalized", id);
    expire_in_time(world, id);
    Ok(world.body(id))
}

fn cancel(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    in_status(world, call, id, &["draft", "open"], "canceled")?;
    end(world, id);
    Ok(world.body(id))
}

fn end(world: &mut World, id: &str) {
    let now = world.now();
    world.change(id, |quote| {
        quote["status"] = json!("canceled");
        quote["status_transitions"]["canceled_at"] = json!(now);
    });
    world.emit("quote.canceled", id);
}

fn expire_in_time(world: &mut World, id: &str) {
    if let Some(at) = world.body(id)["expires_at"].as_i64() {
        world.schedule_at(at, Timer::QuoteExpires { quote: id.to_owned() });
    }
}

/// The day to which it was offered has passed.
pub(in crate::fake_stripe) fn expire(world: &mut World, id: &str) {
    let quote = world.body(id);
    let is_offered = ["draft", "open"].contains(&quote["status"].as_str().unwrap_or_default());
    if is_offered && quote["expires_at"].as_i64().is_some_and(|at| at <= world.now()) {
        end(world, id);
    }
}
