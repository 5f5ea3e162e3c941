//! What invoices do by themselves. A draft that advances is finalised an hour after every endpoint has taken its
//! `invoice.created`, or after 72 hours if one does not take it; then it is charged or sent. A charge that fails is tried
//! again after 3, 5 and 7 days, and then the subscription ends as [`World::after_retries`] says.
//!
//! Stripe draws the days of its smart retries from what it knows of cards; these are its fixed schedule.

use serde_json::{Value, json};

use super::pay;
use crate::fake_stripe::resources::calendar::{DAY, HOUR};
use crate::fake_stripe::resources::subscriptions;
use crate::fake_stripe::world::{Timer, World};

/// Days from one failed charge to the next.
const RETRY_DAYS: [i64; 3] = [3, 5, 7];
/// How long a draft waits for an endpoint that does not take its event.
const PATIENCE: i64 = 72 * HOUR;

/// Tells of a new draft, and starts its clock if it advances by itself.
pub(in crate::fake_stripe::resources) fn announce(world: &mut World, id: &str) {
    start(world, id);
    let event = world.tell("invoice.created", world.owner(id), world.body(id), None);
    world.hide(id, "created_event", json!(event));
}

/// Starts the clock of a draft that advances by itself.
pub(super) fn start(world: &mut World, id: &str) {
    let invoice = world.body(id);
    if invoice["status"] != "draft" || invoice["auto_advance"] != true {
        return;
    }
    let at = world.now() + HOUR;
    world.change(id, |invoice| {
        invoice["automatically_finalizes_at"] = json!(at);
        if invoice["collection_method"] == "charge_automatically" {
            invoice["next_payment_attempt"] = json!(at);
        }
    });
    world.hide(id, "clock_from", json!(at - HOUR));
    world.schedule(HOUR, Timer::InvoiceFinalizes { invoice: id.to_owned() });
}

/// Stops it: the draft stays one, and nothing is charged.
pub(in crate::fake_stripe::resources) fn stop(world: &mut World, id: &str) {
    world.change(id, |invoice| {
        invoice["auto_advance"] = json!(false);
        invoice["automatically_finalizes_at"] = Value::Null;
        invoice["next_payment_attempt"] = Value::Null;
    });
}

/// The hour is over.
pub(in crate::fake_stripe) fn finalize_when_due(world: &mut World, id: &str) {
    let invoice = world.body(id);
    if invoice["status"] != "draft" || invoice["auto_advance"] != true {
        return;
    }
    let (hidden, now) = (world.hidden(id), world.now());
    let from = hidden["clock_from"].as_i64().unwrap_or_default();
    let event = hidden["created_event"].as_str().unwrap_or_default();
    let is_over = now >= invoice["created"].as_i64().unwrap_or_default() + PATIENCE;
    let wait = match world.deliveries.taken_at(event, from) {
        _ if is_over => 0,
        Some(at) => at.max(from) + HOUR - now,
        None => HOUR,
    };
    if wait > 0 {
        world.schedule(wait, Timer::InvoiceFinalizes { invoice: id.to_owned() });
        return;
    }
    pay::open(world, id);
    if world.body(id)["status"] != "open" {
        return;
    }
    if subscriptions::ends_instead_of_charge(world, id) {
        return;
    }
    match invoice["collection_method"] == "charge_automatically" {
        true => charge(world, id),
        false => world.emit("invoice.sent", id),
    }
}

/// It was finalised by hand: what would have been charged at once is charged an hour later.
pub(super) fn charge_in_an_hour(world: &mut World, id: &str) {
    let invoice = world.body(id);
    let is_charged =
        invoice["auto_advance"] == true && invoice["collection_method"] == "charge_automatically";
    if invoice["status"] == "open" && is_charged {
        try_at(world, id, HOUR);
    }
}

fn try_at(world: &mut World, id: &str, in_seconds: i64) {
    let at = world.now() + in_seconds;
    world.change(id, |invoice| invoice["next_payment_attempt"] = json!(at));
    world.schedule(in_seconds, Timer::InvoiceCharges { invoice: id.to_owned(), at });
}

/// The time of a charge has come.
pub(in crate::fake_stripe) fn charge_when_due(world: &mut World, id: &str, at: i64) {
    let invoice = world.body(id);
    if invoice["status"] == "open" && invoice["auto_advance"] == true && invoice["next_payment_attempt"] == at
    {
        charge(world, id);
    }
}

/// Charges the method that is kept for it; the next try is settled before the failure is told.
pub(in crate::fake_stripe::resources) fn charge(world: &mut World, id: &str) {
    let tries = world.body(id)["attempt_count"].as_i64().unwrap_or_default() + 1;
    let next = usize::try_from(tries - 1).ok().and_then(|tries| RETRY_DAYS.get(tries)).copied();
    world.change(id, |invoice| {
        invoice["attempted"] = json!(true);
        invoice["attempt_count"] = json!(tries);
        invoice["next_payment_attempt"] = Value::Null;
    });
    world.hide(id, "retry_days", json!(next.unwrap_or(0)));
    // What went wrong is told by events.
    let _ = pay::with_kept_method(world, id);
}

/// A charge failed: when it is tried again, if the clock made it. True if it was the last try.
pub(super) fn plan_retry(world: &mut World, id: &str) -> bool {
    let days = world.hidden(id)["retry_days"].as_i64();
    world.hide(id, "retry_days", Value::Null);
    match days {
        None => false,
        Some(0) => true,
        Some(days) => {
            try_at(world, id, days * DAY);
            false
        }
    }
}
