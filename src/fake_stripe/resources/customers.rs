//! Customers.

use serde_json::{Value, json};

use super::{Answer, payment_methods, search, subscriptions, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::World;

const SHAPE: &str = "address:any balance:int description email invoice_prefix invoice_settings:any metadata:map name \
                     payment_method phone preferred_locales:list shipping:any source tax_exempt";

const COPIED: &[&str] =
    &["address", "balance", "description", "email", "name", "phone", "preferred_locales", "shipping"];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["customers"]) => create(world, call),
        ("get", ["customers"]) => list(world, call),
        ("get", ["customers", "search"]) => search::search(world, call, "customer"),
        ("get", ["customers", id]) => retrieve(world, call, id),
        ("post", ["customers", id]) => update(world, call, id),
        ("delete", ["customers", id]) => delete(world, call, id),
        _ => return None,
    })
}

/// Makes the customer of a purchase; their id.
pub(super) fn make(world: &mut World, account: Option<String>, email: &Value, name: &Value) -> String {
    let mut params = Params::default();
    for (field, value) in [("email", email), ("name", name)] {
        params.0.insert(field.to_owned(), value.clone());
    }
    insert(world, account, &params)
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    let id = insert(world, call.account.clone(), &params);
    give_method(world, call, &id, &params)?;
    choose_default(world, call, &id, &params)?;
    Ok(world.body(&id))
}

fn insert(world: &mut World, account: Option<String>, params: &Params) -> String {
    let id = world.id("cus_");
    let prefix = world.letters(8).to_uppercase();
    let mut customer = json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": world.now(), "currency": null,
        "customer_account": null, "default_source": null, "delinquent": false, "description": null, "discount": null,
        "email": null, "invoice_prefix": prefix,
        "invoice_settings": {
            "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null,
        },
        "livemode": false, "metadata": params.metadata(), "name": null, "next_invoice_sequence": 1, "phone": null,
        "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
    });
    apply(&mut customer, params);
    world.insert(account, customer, Value::Null);
    world.emit("customer.created", &id);
    id
}

/// `source=tok_visa` and `payment_method=pm_card_visa` give a customer a method, to be used for invoices.
fn give_method(world: &mut World, call: &Call, id: &str, params: &Params) -> Result<(), Failure> {
    let account = call.account.as_deref();
    let method = match (params.text("source"), params.text("payment_method")) {
        (Some(token), _) => payment_methods::of_token(world, account, token)?,
        (None, Some(method)) => payment_methods::resolve(world, account, method, "payment_method")?,
        (None, None) => return Ok(()),
    };
    payment_methods::attach(world, &method, id);
    world.change(id, |customer| match params.text("source") {
        Some(_) => customer["default_source"] = json!(method),
        None => customer["invoice_settings"]["default_payment_method"] = json!(method),
    });
    Ok(())
}

/// `invoice_settings[default_payment_method]`: a method of this customer, or the one that is given with it.
fn choose_default(world: &mut World, call: &Call, id: &str, params: &Params) -> Result<(), Failure> {
    let name = "invoice_settings.default_payment_method";
    let Some(method) = params.text(name).filter(|method| params.text("payment_method") != Some(method))
    else {
        return Ok(());
    };
    let param = "invoice_settings[default_payment_method]";
    let method = payment_methods::resolve(world, call.account.as_deref(), method, param)?;
    if world.body(&method)["customer"] != id {
        let message = format!(
            "The customer does not have a payment method with the ID {method}. The payment method must be attached to \
             the customer."
        );
        return Err(Failure::invalid(message).code("resource_missing").param(param));
    }
    world.change(id, |customer| customer["invoice_settings"]["default_payment_method"] = json!(method));
    Ok(())
}

fn apply(customer: &mut Value, params: &Params) {
    params.copy_into(customer, COPIED);
    for name in ["balance", "preferred_locales"] {
        if customer[name].is_null() {
            customer[name] = if name == "balance" { json!(0) } else { json!([]) };
        }
    }
    if let Some(exempt) = params.text("tax_exempt") {
        customer["tax_exempt"] = json!(exempt);
    }
    if params.get("invoice_settings.default_payment_method").is_some_and(Value::is_null) {
        customer["invoice_settings"]["default_payment_method"] = Value::Null;
    }
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} email", pages::SHAPE))?;
    let mut customers = world.all(call.account.as_deref(), "customer");
    customers.retain(|customer| {
        customer["deleted"].is_null() && params.text("email").is_none_or(|email| customer["email"] == email)
    });
    pages::page("/v1/customers", &params, customers)
}

fn retrieve(world: &World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    world.find(call, "customer", id, "id")
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(SHAPE)?;
    world.find(call, "customer", id, "id")?;
    choose_default(world, call, id, &params)?;
    world.update(id, "customer.updated", |customer| {
        apply(customer, &params);
        params.merge_metadata(&mut customer["metadata"]);
    });
    give_method(world, call, id, &params)?;
    Ok(world.body(id))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    world.find(call, "customer", id, "id")?;
    for subscription in world.all(call.account.as_deref(), "subscription") {
        if subscription["customer"] == id && subscription["ended_at"].is_null() {
            let of = subscription["id"].as_str().unwrap_or_default();
            subscriptions::end(world, of, json!("cancellation_requested"));
        }
    }
    world.emit("customer.deleted", id);
    world.change(id, |customer| *customer = json!({ "id": id, "object": "customer", "deleted": true }));
    Ok(world.body(id))
}
