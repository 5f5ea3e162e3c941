//! Schedules: a subscription that a quote begins at a day to come. They are made by quotes only, have one phase, and let
//! go of the subscription when that is over.

use serde_json::{Value, json};

use super::calendar;
use super::subscriptions::{self, First, New};
use super::{Answer, prices, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{Timer, World};

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("get", ["subscription_schedules"]) => list(world, call),
        ("get", ["subscription_schedules", id]) => {
            call.params("").and_then(|_| world.find(call, "subscription_schedule", id, "id"))
        }
        ("post", ["subscription_schedules", id, "cancel"]) => cancel(world, call, id),
        ("post", ["subscription_schedules", id, "release"]) => release_by_hand(world, call, id),
        _ => return None,
    })
}

/// A subscription that begins at a day to come; the items that are billed once come with its first invoice.
pub(super) fn make(
    world: &mut World,
    account: Option<String>,
    new: &New,
    once: &Value,
    start: i64,
) -> String {
    let id = world.id("sub_sched_");
    let first = new.items.first().map(|item| item.price.clone()).unwrap_or_default();
    let (interval, count) = prices::interval(&first).unwrap_or(("month", 1));
    let end = calendar::after(start, interval, count, 1);
    let items: Vec<Value> = new
        .items
        .iter()
        .map(|item| {
            json!({
                "billing_thresholds": null, "discounts": [], "metadata": item.metadata,
                "plan": item.price["id"], "price": item.price["id"], "quantity": item.quantity, "tax_rates": [],
            })
        })
        .collect();
    let settings = json!({
        "account_tax_ids": null, "custom_fields": null, "days_until_due": new.shown["days_until_due"],
        "description": null, "footer": null, "issuer": { "type": "self" },
    });
    let tax = json!({ "disabled_reason": null, "enabled": false, "liability": null });
    let schedule = json!({
        "id": id, "object": "subscription_schedule", "application": null,
        "billing_mode": { "type": "flexible", "flexible": { "proration_discounts": "included" } },
        "canceled_at": null, "completed_at": null, "created": world.now(), "current_phase": null,
        "customer": new.customer, "customer_account": null,
        "default_settings": {
            "application_fee_percent": null, "automatic_tax": tax, "billing_cycle_anchor": "automatic",
            "billing_thresholds": null, "collection_method": new.shown["collection_method"],
            "default_payment_method": null, "description": null, "invoice_settings": settings, "on_behalf_of": null,
            "transfer_data": null,
        },
        "end_behavior": "release", "livemode": false, "metadata": {},
        "phases": [{
            "add_invoice_items": once, "application_fee_percent": null, "automatic_tax": tax,
            "billing_cycle_anchor": null, "billing_thresholds": null, "collection_method": null,
            "currency": first["currency"], "default_payment_method": null, "default_tax_rates": [],
            "description": null, "discounts": [], "end_date": end, "invoice_settings": null, "items": items,
            "metadata": new.shown["metadata"], "on_behalf_of": null, "proration_behavior": "create_prorations",
            "start_date": start, "transfer_data": null, "trial_end": null,
        }],
        "released_at": null, "released_subscription": null, "status": "not_started", "subscription": null,
        "test_clock": null,
    });
    world.insert(account, schedule, json!({ "shown": new.shown }));
    world.emit("subscription_schedule.created", &id);
    world.schedule_at(start, Timer::Schedule { schedule: id.clone() });
    id
}

/// It begins, or its phase is over.
pub(in crate::fake_stripe) fn turn(world: &mut World, id: &str) {
    match world.body(id)["status"].as_str().unwrap_or_default() {
        "not_started" => begin(world, id),
        "active" => release(world, id),
        _ => {}
    }
}

fn begin(world: &mut World, id: &str) {
    let schedule = world.body(id);
    let phase = &schedule["phases"][0];
    let of = |item: &Value| {
        let price = world.body(item["price"].as_str().unwrap_or_default());
        let quantity = item["quantity"].as_i64().unwrap_or(1);
        subscriptions::Item { price, quantity, metadata: item["metadata"].clone() }
    };
    let items = phase["items"].as_array().into_iter().flatten().map(of).collect();
    let mut shown = world.hidden(id)["shown"].clone();
    shown["schedule"] = json!(id);
    let customer = schedule["customer"].as_str().unwrap_or_default().to_owned();
    let new = New { customer, items, trial_end: None, anchor: None, shown };
    let subscription = subscriptions::insert(world, world.owner(id), &new);
    for item in phase["add_invoice_items"].as_array().into_iter().flatten() {
        let price = world.body(item["price"].as_str().unwrap_or_default());
        subscriptions::bill_once(world, &subscription, &price, item["quantity"].as_i64().unwrap_or(1));
    }
    // A draft is never refused.
    let _ = subscriptions::first(world, &subscription, First::Draft);
    world.update(id, "subscription_schedule.updated", |schedule| {
        schedule["status"] = json!("active");
        schedule["subscription"] = json!(subscription);
        schedule["current_phase"] =
            json!({ "end_date": phase["end_date"], "start_date": phase["start_date"] });
    });
    let end = phase["end_date"].as_i64().unwrap_or_default();
    world.schedule_at(end, Timer::Schedule { schedule: id.to_owned() });
}

/// The subscription goes on by itself.
fn release(world: &mut World, id: &str) {
    let now = world.now();
    let subscription = world.body(id)["subscription"].clone();
    world.change(id, |schedule| {
        schedule["status"] = json!("released");
        schedule["released_at"] = json!(now);
        schedule["released_subscription"] = subscription.clone();
        schedule["subscription"] = Value::Null;
        schedule["current_phase"] = Value::Null;
    });
    if let Some(subscription) = subscription.as_str() {
        world.update(subscription, "customer.subscription.updated", |subscription| {
            subscription["schedule"] = Value::Null;
        });
    }
    world.emit("subscription_schedule.released", id);
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer scheduled:bool", pages::SHAPE))?;
    let mut schedules = world.all(call.account.as_deref(), "subscription_schedule");
    schedules.retain(|schedule| {
        super::fits(schedule, &params, &["customer"])
            && (!params.is_true("scheduled") || schedule["status"] == "not_started")
    });
    pages::page("/v1/subscription_schedules", &params, schedules)
}

/// The schedule, if it is neither over nor let go.
fn running(world: &World, call: &Call, id: &str, what: &str) -> Answer {
    let schedule = world.find(call, "subscription_schedule", id, "id")?;
    let status = schedule["status"].as_str().unwrap_or_default();
    if ["not_started", "active"].contains(&status) {
        return Ok(schedule);
    }
    Err(Failure::invalid(format!(
        "You cannot {what} a subscription schedule that is currently in the `{status}` status. It can be {what}d if it \
         is in the `not_started` or `active` status."
    )))
}

fn cancel(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("invoice_now:bool prorate:bool")?;
    let schedule = running(world, call, id, "cancel")?;
    let now = world.now();
    if let Some(subscription) = schedule["subscription"].as_str() {
        subscriptions::end(world, subscription, json!("cancellation_requested"));
    }
    world.change(id, |schedule| {
        schedule["status"] = json!("canceled");
        schedule["canceled_at"] = json!(now);
        schedule["current_phase"] = Value::Null;
    });
    world.emit("subscription_schedule.canceled", id);
    Ok(world.body(id))
}

fn release_by_hand(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("preserve_cancel_date:bool")?;
    running(world, call, id, "release")?;
    release(world, id);
    Ok(world.body(id))
}
