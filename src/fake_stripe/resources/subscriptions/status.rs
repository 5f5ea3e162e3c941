//! What an invoice that is paid, or is not, does to its subscription.

use serde_json::{Value, json};

use super::bill::of_invoice;
use super::turns;
use crate::fake_stripe::controls::AfterRetries;
use crate::fake_stripe::resources::{invoices, payment_methods};
use crate::fake_stripe::world::World;

fn set_status(world: &mut World, id: &str, status: &str) {
    world.update(id, "customer.subscription.updated", |subscription| subscription["status"] = json!(status));
}

/// An invoice was paid.
pub(in crate::fake_stripe::resources) fn invoice_paid(world: &mut World, invoice: &str) {
    let paid = world.body(invoice);
    let Some(id) = of_invoice(&paid) else {
        return;
    };
    let subscription = world.body(id);
    if subscription["latest_invoice"] != invoice {
        return;
    }
    match subscription["status"].as_str().unwrap_or_default() {
        "incomplete" | "past_due" | "unpaid" => set_status(world, id, "active"),
        "paused" => {
            world.change(id, |subscription| subscription["status"] = json!("active"));
            world.emit("customer.subscription.resumed", id);
        }
        _ => {}
    }
}

/// A charge failed or the day passed; `is_given_up` where no further try is planned.
pub(in crate::fake_stripe::resources) fn payment_failed(world: &mut World, invoice: &str, is_given_up: bool) {
    let failed = world.body(invoice);
    let Some(id) = of_invoice(&failed) else {
        return;
    };
    if world.body(id)["status"] == "active" {
        set_status(world, id, "past_due");
    }
    if !is_given_up || world.body(id)["status"] != "past_due" {
        return;
    }
    invoices::clock::stop(world, invoice);
    match world.after_retries {
        AfterRetries::Cancel => end(world, id, json!("payment_failed")),
        AfterRetries::Unpaid => set_status(world, id, "unpaid"),
        AfterRetries::PastDue => {}
    }
}

/// An open first invoice was made void: there is no subscription then.
pub(in crate::fake_stripe::resources) fn first_invoice_void(world: &mut World, invoice: &str) {
    let void = world.body(invoice);
    let Some(id) = of_invoice(&void) else {
        return;
    };
    if world.body(id)["status"] == "incomplete" {
        turns::expire(world, id);
    }
}

/// Keeps what paid as the subscription's own method, where it says so.
pub(in crate::fake_stripe::resources) fn keep_method(world: &mut World, invoice: &str, method: &str) {
    let paid = world.body(invoice);
    let Some(id) = of_invoice(&paid) else {
        return;
    };
    let subscription = world.body(id);
    let wants = subscription["payment_settings"]["save_default_payment_method"] == "on_subscription";
    if wants && !method.is_empty() {
        payment_methods::attach(world, method, subscription["customer"].as_str().unwrap_or_default());
        world.change(id, |subscription| subscription["default_payment_method"] = json!(method));
    }
}

/// Where collection is paused, an invoice that was just opened is put aside instead of charged; true if it was.
pub(in crate::fake_stripe::resources) fn ends_instead_of_charge(world: &mut World, invoice: &str) -> bool {
    let opened = world.body(invoice);
    let Some(id) = of_invoice(&opened) else {
        return false;
    };
    match world.body(id)["pause_collection"]["behavior"].as_str() {
        Some("void") => invoices::make_void(world, invoice),
        Some("mark_uncollectible") => invoices::make_uncollectible(world, invoice),
        _ => return false,
    }
    true
}

/// Ends a subscription for good. Its invoices stay as they are, but are no longer charged by themselves.
pub(in crate::fake_stripe::resources) fn end(world: &mut World, id: &str, reason: Value) {
    let now = world.now();
    world.change(id, |subscription| {
        subscription["status"] = json!("canceled");
        subscription["ended_at"] = json!(now);
        if subscription["canceled_at"].is_null() {
            subscription["canceled_at"] = json!(now);
        }
        if !reason.is_null() {
            subscription["cancellation_details"]["reason"] = reason;
        }
    });
    for invoice in world.all(world.owner(id).as_deref(), "invoice") {
        let is_waiting = ["draft", "open"].contains(&invoice["status"].as_str().unwrap_or_default());
        if is_waiting && of_invoice(&invoice) == Some(id) {
            invoices::clock::stop(world, invoice["id"].as_str().unwrap_or_default());
        }
    }
    world.emit("customer.subscription.deleted", id);
}
