//! Invoices: draft, open, paid, void, uncollectible. No taxes, no discounts, no credit notes.

use serde_json::{Value, json};

use super::{Answer, search, subscriptions, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::World;

mod body;
pub(super) mod clock;
pub(super) mod items;
pub(super) mod lines;
mod page;
mod pay;
mod payments;

pub(in crate::fake_stripe) use clock::{charge_when_due, finalize_when_due};
pub(in crate::fake_stripe) use page::{intent_of, pay_on_page};
pub(in crate::fake_stripe) use pay::overdue;
pub(super) use pay::{after_failure, after_payment, open, with_kept_method};

const NEW: &str = "account_tax_ids:list application_fee_amount:int auto_advance:bool automatic_tax{} \
                   automatically_finalizes_at:int collection_method currency custom_fields:any customer customer_account \
                   days_until_due:int default_payment_method default_source default_tax_rates:list description \
                   discounts:any due_date:int effective_at:int footer from_invoice{} issuer{} metadata:map number \
                   on_behalf_of payment_settings{} pending_invoice_items_behavior rendering{} shipping_cost:any \
                   shipping_details:any statement_descriptor subscription transfer_data{}";

const COPIED: &[&str] = &[
    "auto_advance",
    "collection_method",
    "custom_fields",
    "default_payment_method",
    "description",
    "due_date",
    "footer",
    "statement_descriptor",
    "shipping_details",
];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    let state = |world: &mut World, id: &str, verb: &str| match verb {
        "finalize" => finalize(world, call, id),
        "send" => send(world, call, id),
        "void" => void(world, call, id),
        "mark_uncollectible" => mark_uncollectible(world, call, id),
        "pay" => pay::pay(world, call, id),
        "attach_payment" => payments::attach(world, call, id),
        _ => Err(Failure::not_modelled(&format!("POST {}", call.path))),
    };
    Some(match (verb(call), segments) {
        ("post", ["invoiceitems"]) => items::create(world, call),
        ("get", ["invoiceitems"]) => items::list(world, call),
        ("get", ["invoiceitems", id]) => {
            call.params("").and_then(|_| world.find(call, "invoiceitem", id, "id"))
        }
        ("post", ["invoiceitems", id]) => items::update(world, call, id),
        ("delete", ["invoiceitems", id]) => items::delete(world, call, id),
        ("post", ["invoices"]) => create(world, call),
        ("get", ["invoices"]) => list(world, call),
        ("get", ["invoices", "search"]) => search::search(world, call, "invoice"),
        ("get", ["invoices", id]) => call.params("").and_then(|_| world.find(call, "invoice", id, "id")),
        ("post", ["invoices", id]) => update(world, call, id),
        ("delete", ["invoices", id]) => delete(world, call, id),
        ("get", ["invoices", id, "lines"]) => lines::list(world, call, id),
        ("post", ["invoices", id, verb]) => state(world, id, verb),
        ("get", ["invoice_payments"]) => payments::list(world, call),
        ("get", ["invoice_payments", id]) => {
            call.params("").and_then(|_| world.find(call, "invoice_payment", id, "id"))
        }
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(NEW)?;
    for name in ["from_invoice", "discounts", "transfer_data", "application_fee_amount"] {
        if params.get(name).is_some_and(|value| !value.is_null()) {
            return Err(Failure::not_modelled(&format!("`{name}` of invoices")));
        }
    }
    let of = params.text("subscription").map(str::to_owned);
    let of_subscription = match &of {
        Some(of) => world.find(call, "subscription", of, "subscription")?,
        None => Value::Null,
    };
    let customer = params.text("customer").or(of_subscription["customer"].as_str());
    let customer = customer.ok_or_else(|| Failure::missing("customer"))?.to_owned();
    let customer = world.find(call, "customer", &customer, "customer")?;
    due_date(world, &params)?;
    let id = draft(world, call.account.clone(), &customer, &params)?;
    if let Some(of) = &of {
        subscriptions::adopt(world, &id, of, "manual");
        items::take_pending(world, &id, Some(of));
    } else if params.text("pending_invoice_items_behavior") == Some("include") {
        items::take_pending(world, &id, None);
    }
    clock::announce(world, &id);
    Ok(world.body(&id))
}

/// Makes a draft that nobody is told of yet.
///
/// # Errors
/// The day by which to pay does not fit the way of collecting.
pub(super) fn draft(
    world: &mut World,
    account: Option<String>,
    customer: &Value,
    params: &Params,
) -> Result<String, Failure> {
    let due = due_date(world, params)?;
    let id = world.id("in_");
    let mut invoice = body::new(&id, world.now(), customer, params);
    params.copy_into(&mut invoice, COPIED);
    if invoice["auto_advance"].is_null() {
        invoice["auto_advance"] = json!(false);
    }
    invoice["due_date"] = due;
    world.insert(account, invoice, json!({ "number_prefix": customer["invoice_prefix"] }));
    Ok(id)
}

fn due_date(world: &World, params: &Params) -> Result<Value, Failure> {
    let is_sent = params.text("collection_method") == Some("send_invoice");
    match (params.int("days_until_due"), params.int("due_date")) {
        (Some(_), _) | (_, Some(_)) if !is_sent => Err(Failure::invalid(
            "You can only set `days_until_due` or `due_date` if `collection_method` is `send_invoice`.",
        )),
        (Some(days), _) => Ok(json!(world.now() + days * 24 * 60 * 60)),
        (None, Some(due)) => Ok(json!(due)),
        (None, None) if is_sent => Err(Failure::invalid(
            "If invoice `collection_method` is `send_invoice`, you must specify `due_date` or `days_until_due`.",
        )),
        (None, None) => Ok(Value::Null),
    }
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer status collection_method subscription", pages::SHAPE))?;
    let mut invoices = world.all(call.account.as_deref(), "invoice");
    invoices.retain(|invoice| {
        super::fits(invoice, &params, &["customer", "status", "collection_method"])
            && params.text("subscription").is_none_or(|of| subscriptions::of_invoice(invoice) == Some(of))
    });
    pages::page("/v1/invoices", &params, invoices)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(NEW)?;
    let invoice = world.find(call, "invoice", id, "id")?;
    let is_frozen = invoice["status"] != "draft";
    let free =
        ["metadata", "auto_advance", "default_payment_method", "description", "due_date", "days_until_due"];
    if is_frozen && params.0.keys().any(|name| !free.contains(&name.as_str())) {
        return Err(
            Failure::invalid("Finalized invoices can't be updated in this way.").code("invoice_not_editable")
        );
    }
    world.update(id, "invoice.updated", |invoice| {
        params.copy_into(invoice, COPIED);
        params.merge_metadata(&mut invoice["metadata"]);
    });
    if params.is_true("auto_advance") && invoice["auto_advance"] != true {
        clock::start(world, id);
        clock::charge_in_an_hour(world, id);
    }
    if params.get("auto_advance") == Some(&Value::Bool(false)) {
        clock::stop(world, id);
    }
    Ok(world.body(id))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let invoice = world.find(call, "invoice", id, "id")?;
    if invoice["status"] != "draft" {
        return Err(Failure::invalid("You can only delete draft invoices.").code("invoice_not_editable"));
    }
    if subscriptions::of_invoice(&invoice).is_some() {
        let message = "You can't delete invoices created by subscriptions.";
        return Err(Failure::invalid(message).code("invoice_not_editable"));
    }
    world.emit("invoice.deleted", id);
    world.remove(id);
    Ok(json!({ "id": id, "object": "invoice", "deleted": true }))
}

fn finalize(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("auto_advance:bool")?;
    let invoice = world.find(call, "invoice", id, "id")?;
    if invoice["status"] != "draft" {
        let message = "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(Failure::invalid(message).code("invoice_not_editable"));
    }
    if let Some(auto) = params.get("auto_advance") {
        world.change(id, |invoice| invoice["auto_advance"] = auto.clone());
    }
    pay::open(world, id);
    clock::charge_in_an_hour(world, id);
    if world.body(id)["status"] == "paid" {
        subscriptions::invoice_paid(world, id);
    }
    Ok(world.body(id))
}

/// The invoice, if its status is one of these.
fn in_status(world: &World, call: &Call, id: &str, allowed: &[&str], what: &str) -> Answer {
    let invoice = world.find(call, "invoice", id, "id")?;
    let status = invoice["status"].as_str().unwrap_or_default();
    if !allowed.contains(&status) {
        let message =
            format!("You can only {what} an invoice that is {}; this one is {status}.", allowed.join(" or "));
        return Err(Failure::invalid(message).code("invoice_not_editable"));
    }
    Ok(invoice)
}

fn send(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let invoice = in_status(world, call, id, &["draft", "open", "uncollectible", "paid"], "send")?;
    if invoice["collection_method"] != "send_invoice" {
        let message = "You can only manually send an invoice if its collection method is 'send_invoice'.";
        return Err(Failure::invalid(message));
    }
    if invoice["status"] == "draft" {
        pay::open(world, id);
    }
    world.emit("invoice.sent", id);
    Ok(world.body(id))
}

fn void(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    in_status(world, call, id, &["open", "uncollectible"], "void")?;
    make_void(world, id);
    subscriptions::first_invoice_void(world, id);
    Ok(world.body(id))
}

/// Nobody is to pay it any more.
pub(super) fn make_void(world: &mut World, id: &str) {
    let now = world.now();
    clock::stop(world, id);
    world.change(id, |invoice| {
        invoice["status"] = json!("void");
        invoice["status_transitions"]["voided_at"] = json!(now);
    });
    payments::cancel_open(world, id, "void_invoice");
    world.emit("invoice.voided", id);
}

fn mark_uncollectible(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    in_status(world, call, id, &["open"], "mark as uncollectible")?;
    make_uncollectible(world, id);
    Ok(world.body(id))
}

/// It is not expected to be paid, but may be.
pub(super) fn make_uncollectible(world: &mut World, id: &str) {
    let now = world.now();
    clock::stop(world, id);
    world.change(id, |invoice| {
        invoice["status"] = json!("uncollectible");
        invoice["status_transitions"]["marked_uncollectible_at"] = json!(now);
    });
    world.emit("invoice.marked_uncollectible", id);
}
