//! Changing a subscription: what it charges and when, its items, and its end.

use serde_json::{Value, json};

use super::items::{Change, Proration, apply};
use super::{bill, body, status, turns};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::{Answer, invoices, payment_methods};
use crate::fake_stripe::world::{Timer, World};

const UPDATE: &str = "add_invoice_items:list application_fee_percent automatic_tax{} billing_cycle_anchor \
                      cancel_at:int cancel_at_period_end:bool cancellation_details{comment feedback} \
                      collection_method days_until_due:int default_payment_method default_source default_tax_rates:any \
                      description discounts:any invoice_settings{} items:list metadata:map off_session:bool \
                      on_behalf_of pause_collection:any payment_behavior payment_settings{} proration_behavior \
                      proration_date:int transfer_data:any trial_end trial_from_plan:bool trial_settings{}";

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(UPDATE)?;
    let subscription = world.find(call, "subscription", id, "id")?;
    let is_ended =
        ["canceled", "incomplete_expired"].contains(&subscription["status"].as_str().unwrap_or_default());
    if is_ended && params.0.keys().any(|name| !["metadata", "cancellation_details"].contains(&name.as_str()))
    {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Failure::invalid(message));
    }
    for name in ["discounts", "default_tax_rates", "transfer_data"] {
        if params.get(name).is_some_and(|value| !value.is_null() && *value != json!("")) {
            return Err(Failure::not_modelled(&format!("`{name}` of subscriptions")));
        }
    }
    if params.text("payment_behavior") == Some("pending_if_incomplete") {
        return Err(Failure::not_modelled("pending updates of subscriptions"));
    }
    if let Some(anchor) = params.text("billing_cycle_anchor").filter(|anchor| *anchor != "unchanged") {
        return Err(Failure::not_modelled(&format!(
            "billing_cycle_anchor={anchor} of a subscription that runs"
        )));
    }
    let trial_end = super::trial_end(world, &params)?;
    set_fields(world, call, id, &params)?;
    super::add_single_items(world, call, id, &params)?;
    let proration = Proration::read(world, &params, id)?;
    if let Some(changes) = Change::read(world, call, &params)? {
        apply(world, id, &changes, &proration)?;
    }
    match (params.text("trial_end"), trial_end) {
        (Some("now"), _) if subscription["status"] == "trialing" => {
            let now = world.now();
            world.change(id, |subscription| {
                subscription["trial_end"] = json!(now);
                subscription["billing_cycle_anchor"] = json!(now);
            });
            turns::renew(world, id, now);
        }
        (_, Some(at)) => set_trial(world, id, at),
        _ => {}
    }
    Ok(world.body(id))
}

/// The fields that need nothing else to be done but to be told.
fn set_fields(world: &mut World, call: &Call, id: &str, params: &Params) -> Result<(), Failure> {
    let customer = world.body(id)["customer"].clone();
    let method = match params.text("default_payment_method") {
        Some(method) => {
            let account = call.account.as_deref();
            let method = payment_methods::resolve(world, account, method, "default_payment_method")?;
            super::check_owner(world, &method, &customer)?;
            Some(json!(method))
        }
        None => params.get("default_payment_method").cloned(),
    };
    if params.text("collection_method").is_some() {
        super::check_collection(params)?;
    }
    let pause = params.get("pause_collection").map(pause).transpose()?;
    let now = world.now();
    world.update(id, "customer.subscription.updated", |subscription| {
        params.copy_into(
            subscription,
            &["collection_method", "days_until_due", "description", "cancel_at", "on_behalf_of"],
        );
        if let Some(method) = method {
            subscription["default_payment_method"] = method;
        }
        if let Some(pause) = pause {
            subscription["pause_collection"] = pause;
        }
        if let Some(ends) = params.get("cancel_at_period_end").and_then(Value::as_bool) {
            let is_new = subscription["cancel_at_period_end"] != ends;
            let end = body::period(subscription).1;
            subscription["cancel_at_period_end"] = json!(ends);
            if is_new {
                subscription["cancel_at"] = if ends { json!(end) } else { Value::Null };
                subscription["canceled_at"] = if ends { json!(now) } else { Value::Null };
                let reason = if ends { json!("cancellation_requested") } else { Value::Null };
                subscription["cancellation_details"]["reason"] = reason;
            }
        }
        for name in ["cancellation_details", "trial_settings", "payment_settings", "invoice_settings"] {
            if let Some(given) = params.get(name) {
                crate::fake_stripe::resources::overlay(&mut subscription[name], given);
            }
        }
        params.merge_metadata(&mut subscription["metadata"]);
    });
    let changed = world.body(id);
    let mut at = |turn: turns::Turn, at: &Value| {
        if let Some(at) = at.as_i64() {
            world.schedule_at(at, Timer::Subscription { subscription: id.to_owned(), turn, at });
        }
    };
    if params.int("cancel_at").is_some() {
        at(turns::Turn::Ends, &changed["cancel_at"]);
    }
    at(turns::Turn::ResumesCollection, &changed["pause_collection"]["resumes_at"]);
    Ok(())
}

/// How collection is paused; empty lets it go on.
fn pause(given: &Value) -> Result<Value, Failure> {
    if !given.is_object() {
        return Ok(Value::Null);
    }
    let behavior = given["behavior"].as_str().unwrap_or_default();
    if !["keep_as_draft", "mark_uncollectible", "void"].contains(&behavior) {
        let message =
            "Invalid pause_collection[behavior]: must be one of keep_as_draft, mark_uncollectible, or void";
        return Err(Failure::parameter("parameter_invalid", "pause_collection[behavior]", message));
    }
    let resumes_at = given["resumes_at"].as_str().and_then(|at| at.parse::<i64>().ok());
    Ok(json!({ "behavior": behavior, "resumes_at": resumes_at }))
}

/// A trial from now until then, whatever it was in.
fn set_trial(world: &mut World, id: &str, at: i64) {
    let now = world.now();
    body::set_period(world, id, (now, at));
    let items = body::items_list(world, id);
    world.update(id, "customer.subscription.updated", |subscription| {
        if subscription["status"] != "trialing" {
            subscription["trial_start"] = json!(now);
        }
        subscription["status"] = json!("trialing");
        subscription["trial_end"] = json!(at);
        subscription["billing_cycle_anchor"] = json!(at);
        body::set_items(subscription, items);
    });
    bill::plan(world, id);
    turns::plan_trial_notice(world, id);
}

pub(super) fn cancel(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("cancellation_details{comment feedback} invoice_now:bool prorate:bool")?;
    let subscription = world.find(call, "subscription", id, "id")?;
    if ["canceled", "incomplete_expired"].contains(&subscription["status"].as_str().unwrap_or_default()) {
        return Err(Failure::no_such("subscription", id, "id"));
    }
    if let Some(given) = params.get("cancellation_details") {
        world.change(id, |subscription| {
            crate::fake_stripe::resources::overlay(&mut subscription["cancellation_details"], given);
        });
    }
    if params.is_true("prorate") {
        let proration = Proration::now(world, id);
        for item in body::items(world, id) {
            proration.credit(world, id, &item);
        }
    }
    if params.is_true("invoice_now") {
        bill::now(world, id, false);
    }
    let was_incomplete = subscription["status"] == "incomplete";
    status::end(world, id, json!("cancellation_requested"));
    let invoice = subscription["latest_invoice"].as_str().unwrap_or_default();
    if was_incomplete && world.body(invoice)["status"] == "open" {
        invoices::make_void(world, invoice);
    }
    Ok(world.body(id))
}

/// `POST /v1/subscriptions/…/resume`: out of `paused`, with a new period that begins now.
pub(super) fn resume(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("billing_cycle_anchor proration_behavior proration_date:int")?;
    let subscription = world.find(call, "subscription", id, "id")?;
    if subscription["status"] != "paused" {
        let message = "You can only resume a subscription whose status is `paused`. To let the collection of invoices \
                       go on, unset `pause_collection`.";
        return Err(Failure::invalid(message));
    }
    if params.text("billing_cycle_anchor") == Some("unchanged") {
        return Err(Failure::not_modelled("resuming with the anchor unchanged"));
    }
    let now = world.now();
    let (interval, count) = body::interval(&subscription);
    let end = crate::fake_stripe::resources::calendar::after(now, &interval, count, 1);
    body::set_period(world, id, (now, end));
    let items = body::items_list(world, id);
    world.change(id, |subscription| {
        subscription["billing_cycle_anchor"] = json!(now);
        body::set_items(subscription, items);
    });
    let invoice = bill::now(world, id, true);
    let is_paid = invoice.is_none_or(|invoice| world.body(&invoice)["status"] == "paid");
    if is_paid && world.body(id)["status"] == "paused" {
        world.change(id, |subscription| subscription["status"] = json!("active"));
        world.emit("customer.subscription.resumed", id);
    }
    bill::plan(world, id);
    Ok(world.body(id))
}
