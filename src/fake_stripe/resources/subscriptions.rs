//! Subscriptions: made, changed, paused, resumed and cancelled here; what they do by themselves is in [`turns`].
//!
//! All items renew together: prices of different intervals in one subscription are refused, as Stripe did before
//! `billing_mode=flexible`. No tiers, meters, discounts, taxes, pending updates or test clocks.

use serde_json::{Value, json};

use super::{Answer, invoices, payment_methods, prices, search, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{Timer, World};

mod bill;
mod body;
mod change;
mod items;
mod status;
mod turns;

pub(super) use bill::{First, adopt, first, of_invoice};
pub(super) use body::{Item, New, insert};
pub(super) use status::{
    end, ends_instead_of_charge, first_invoice_void, invoice_paid, keep_method, payment_failed,
};
pub(super) use turns::plan_trial_notice;
pub(in crate::fake_stripe) use turns::{Turn, turn};

const CREATE: &str = "add_invoice_items:list application_fee_percent automatic_tax{} backdate_start_date:int \
                      billing_cycle_anchor:int billing_mode{} cancel_at:int cancel_at_period_end:bool \
                      collection_method currency customer! days_until_due:int default_payment_method default_source \
                      default_tax_rates:any description discounts:any invoice_settings{} items:list! metadata:map \
                      off_session:bool on_behalf_of payment_behavior payment_settings{} proration_behavior \
                      transfer_data{} trial_end trial_from_plan:bool trial_period_days:int trial_settings{}";

/// What of an item is given.
const ITEM: &str = "metadata:map price price_data{} quantity:int tax_rates:any";

const NOT_MODELLED: &[&str] = &["backdate_start_date", "discounts", "default_tax_rates", "transfer_data"];

const MOST_ITEMS: usize = 20;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["subscriptions"]) => create(world, call),
        ("get", ["subscriptions"]) => list(world, call),
        ("get", ["subscriptions", "search"]) => search::search(world, call, "subscription"),
        ("get", ["subscriptions", id]) => {
            call.params("").and_then(|_| world.find(call, "subscription", id, "id"))
        }
        ("post", ["subscriptions", id]) => change::update(world, call, id),
        ("delete", ["subscriptions", id]) => change::cancel(world, call, id),
        ("post", ["subscriptions", id, "resume"]) => change::resume(world, call, id),
        ("post", ["subscription_items"]) => items::create(world, call),
        ("get", ["subscription_items"]) => items::list(world, call),
        ("get", ["subscription_items", id]) => {
            call.params("").and_then(|_| world.find(call, "subscription_item", id, "id"))
        }
        ("post", ["subscription_items", id]) => items::update(world, call, id),
        ("delete", ["subscription_items", id]) => items::delete(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(CREATE)?;
    if let Some(name) =
        NOT_MODELLED.iter().find(|name| params.get(name).is_some_and(|value| !value.is_null()))
    {
        return Err(Failure::not_modelled(&format!("`{name}` of subscriptions")));
    }
    let account = call.account.as_deref();
    let customer = world.find(call, "customer", params.text("customer").unwrap_or_default(), "customer")?;
    let given = params.items("items", ITEM)?.unwrap_or_default();
    let mut of_items = Vec::new();
    for (place, item) in given.iter().enumerate() {
        let price = prices::of_item(world, account, item, &format!("items[{place}]"))?;
        let quantity = item.int("quantity").unwrap_or(1);
        check_quantity(quantity, &format!("items[{place}][quantity]"))?;
        of_items.push(Item { price, quantity, metadata: item.metadata() });
    }
    check_prices(&of_items)?;
    let behavior = params.text("payment_behavior").unwrap_or("allow_incomplete");
    let first = match behavior {
        _ if is_sent(&params) => First::Draft,
        "allow_incomplete" => First::Charged,
        "default_incomplete" => First::Opened,
        "error_if_incomplete" => First::ChargedOrNothing,
        other => {
            return Err(Failure::not_modelled(&format!("payment_behavior={other} of new subscriptions")));
        }
    };
    check_collection(&params)?;
    let method = match params.text("default_payment_method") {
        Some(method) => {
            let method = payment_methods::resolve(world, account, method, "default_payment_method")?;
            check_owner(world, &method, &customer["id"])?;
            json!(method)
        }
        None => Value::Null,
    };
    let trial_end = trial_end(world, &params)?;
    let now = world.now();
    let mut shown = json!({ "metadata": params.metadata(), "default_payment_method": method });
    for name in ["collection_method", "cancel_at", "cancel_at_period_end", "description", "on_behalf_of"] {
        if let Some(value) = params.get(name) {
            shown[name] = value.clone();
        }
    }
    if is_sent(&params) {
        shown["days_until_due"] = params.value("days_until_due");
    }
    if params.is_true("cancel_at_period_end") {
        shown["canceled_at"] = json!(now);
    }
    let new = New {
        customer: customer["id"].as_str().unwrap_or_default().to_owned(),
        items: of_items,
        trial_end,
        anchor: params.int("billing_cycle_anchor").filter(|anchor| *anchor > now),
        shown,
    };
    let is_charged = matches!(first, First::Charged | First::ChargedOrNothing) && trial_end.is_none();
    if is_charged && method.is_null() && kept_method(world, &json!({ "customer": customer["id"] })).is_none()
    {
        let costs = new.items.iter().any(|item| prices::amount(&item.price, item.quantity) > 0);
        if costs {
            return Err(Failure::invalid(
                "This customer has no attached payment source or default payment method. Please consider adding a \
                 default payment method. For more information, visit \
                 https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
            )
            .code("resource_missing"));
        }
    }
    let id = insert(world, call.account.clone(), &new);
    overlay_settings(world, &id, &params);
    add_single_items(world, call, &id, &params)?;
    self::first(world, &id, first)?;
    turns::plan_trial_notice(world, &id);
    if let Some(at) = params.int("cancel_at") {
        world.schedule_at(at, Timer::Subscription { subscription: id.clone(), turn: Turn::Ends, at });
    }
    Ok(world.body(&id))
}

/// The settings of which parts can be given.
fn overlay_settings(world: &mut World, id: &str, params: &Params) {
    for name in ["trial_settings", "payment_settings", "invoice_settings"] {
        if let Some(given) = params.get(name) {
            world.change(id, |subscription| super::overlay(&mut subscription[name], given));
        }
    }
}

/// `add_invoice_items`: what is billed once, with the first invoice.
fn add_single_items(world: &mut World, call: &Call, id: &str, params: &Params) -> Result<(), Failure> {
    let shape = "metadata:map period{} price price_data{} quantity:int";
    for (place, item) in params.items("add_invoice_items", shape)?.unwrap_or_default().iter().enumerate() {
        let above = format!("add_invoice_items[{place}]");
        let price = prices::of_item(world, call.account.as_deref(), item, &above)?;
        bill_once(world, id, &price, item.int("quantity").unwrap_or(1));
    }
    Ok(())
}

/// Has something billed once with the next invoice of a subscription.
pub(super) fn bill_once(world: &mut World, id: &str, price: &Value, quantity: i64) {
    let customer = world.body(id)["customer"].as_str().unwrap_or_default().to_owned();
    let now = world.now();
    let new = invoices::items::New {
        customer: &customer,
        amount: prices::amount(price, quantity),
        currency: price["currency"].as_str().unwrap_or_default(),
        description: json!(prices::product_name(world, price)),
        price,
        quantity,
        period: (now, now),
        of: Some((id, None)),
        metadata: json!({}),
    };
    invoices::items::make(world, world.owner(id), new);
}

fn is_sent(params: &Params) -> bool {
    params.text("collection_method") == Some("send_invoice")
}

fn check_collection(params: &Params) -> Result<(), Failure> {
    match params.text("collection_method") {
        None | Some("charge_automatically") if params.int("days_until_due").is_some() => {
            Err(Failure::invalid(
                "You can only set `days_until_due` if `collection_method` is set to `send_invoice`.",
            ))
        }
        Some("send_invoice") if params.int("days_until_due").is_none() => Err(Failure::invalid(
            "If subscription `collection_method` is `send_invoice`, you must specify `days_until_due`.",
        )),
        None | Some("charge_automatically" | "send_invoice") => Ok(()),
        Some(_) => {
            let message = "Invalid collection_method: must be one of charge_automatically or send_invoice";
            Err(Failure::parameter("parameter_invalid", "collection_method", message))
        }
    }
}

/// How many of something can be subscribed to.
///
/// # Errors
/// It is below zero.
pub(super) fn check_quantity(quantity: i64, param: &str) -> Result<(), Failure> {
    match quantity {
        0.. => Ok(()),
        _ => Err(Failure::parameter("parameter_invalid_integer", param, "Invalid non-negative integer")),
    }
}

/// The prices of one subscription recur, all in one currency and interval, and none is there twice.
///
/// # Errors
/// In Stripe's words.
pub(super) fn check_prices(items: &[Item]) -> Result<(), Failure> {
    let Some(first) = items.first() else {
        return Err(Failure::missing("items"));
    };
    if items.len() > MOST_ITEMS {
        return Err(Failure::invalid(format!("Subscriptions are limited to {MOST_ITEMS} items.")));
    }
    for (place, item) in items.iter().enumerate() {
        let param = format!("items[{place}][price]");
        let refused = |message: String| Err(Failure::invalid(message).param(&param));
        if item.price["type"] != "recurring" {
            return refused(
                "The price specified is set to `type=one_time` but this field only accepts prices with \
                 `type=recurring`."
                    .to_owned(),
            );
        }
        if item.price["currency"] != first.price["currency"] {
            return refused(format!(
                "The price specified only supports `{}`. This doesn't match the expected currency: `{}`.",
                item.price["currency"].as_str().unwrap_or_default(),
                first.price["currency"].as_str().unwrap_or_default()
            ));
        }
        if prices::interval(&item.price) != prices::interval(&first.price) {
            return refused(
                "Currently, all prices of a subscription must have the same `recurring[interval]` and \
                 `recurring[interval_count]`."
                    .to_owned(),
            );
        }
        if items.iter().filter(|other| other.price["id"] == item.price["id"]).count() > 1 {
            let price = item.price["id"].as_str().unwrap_or_default();
            return refused(format!("Cannot add multiple subscription items with the same plan: {price}"));
        }
    }
    Ok(())
}

/// When the trial ends that `trial_end` or `trial_period_days` ask for.
fn trial_end(world: &World, params: &Params) -> Result<Option<i64>, Failure> {
    let now = world.now();
    match (params.text("trial_end"), params.int("trial_period_days")) {
        (Some(_), Some(_)) => Err(Failure::invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
        )),
        (Some("now"), None) => Ok(None),
        (Some(text), None) => match text.parse::<i64>() {
            Ok(at) if at > now => Ok(Some(at)),
            Ok(_) => {
                let message = "Invalid timestamp: must be an integer Unix timestamp in the future.";
                Err(Failure::parameter("parameter_invalid_integer", "trial_end", message))
            }
            Err(_) => {
                let message = format!("Invalid timestamp: {text}");
                Err(Failure::parameter("parameter_invalid_integer", "trial_end", message))
            }
        },
        (None, Some(days)) if days < 0 => {
            let message = "Invalid non-negative integer";
            Err(Failure::parameter("parameter_invalid_integer", "trial_period_days", message))
        }
        (None, Some(days)) => Ok((days > 0).then(|| now + days * super::calendar::DAY)),
        (None, None) => Ok(None),
    }
}

/// What a subscription would charge: its own method, or its customer's.
fn kept_method(world: &World, subscription: &Value) -> Option<String> {
    let customer = world.body(subscription["customer"].as_str().unwrap_or_default());
    let kept = [
        &subscription["default_payment_method"],
        &subscription["default_source"],
        &customer["invoice_settings"]["default_payment_method"],
        &customer["default_source"],
    ];
    kept.into_iter().find_map(Value::as_str).map(str::to_owned)
}

fn check_owner(world: &World, method: &str, customer: &Value) -> Result<(), Failure> {
    if world.body(method)["customer"] == *customer {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "The customer does not have a payment method with the ID {method}. The payment method must be attached to the \
         customer."
    ))
    .code("resource_missing")
    .param("default_payment_method"))
}

fn list(world: &World, call: &Call) -> Answer {
    let filters = "collection_method current_period_end:any current_period_start:any customer price status";
    let params = call.params(&format!("{} {filters}", pages::SHAPE))?;
    let wanted = params.text("status");
    let mut found = world.all(call.account.as_deref(), "subscription");
    found.retain(|subscription| {
        let status = subscription["status"].as_str().unwrap_or_default();
        let has = |price: &str| {
            let items = subscription["items"]["data"].as_array().into_iter().flatten();
            items.into_iter().any(|item| item["price"]["id"] == price)
        };
        super::fits(subscription, &params, &["customer", "collection_method"])
            && params.text("price").is_none_or(has)
            && match wanted {
                None => !["canceled", "incomplete_expired"].contains(&status),
                Some("all") => true,
                Some("ended") => ["canceled", "incomplete_expired"].contains(&status),
                Some(wanted) => status == wanted,
            }
    });
    pages::page("/v1/subscriptions", &params, found)
}
