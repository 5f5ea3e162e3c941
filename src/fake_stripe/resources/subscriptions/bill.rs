//! The invoices of a subscription: the first one, one for each period, and one for changes in between.

use serde_json::{Value, json};

use super::body;
use crate::fake_stripe::frame::call::Params;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::calendar::{self, DAY, HOUR};
use crate::fake_stripe::resources::{invoices, prices};
use crate::fake_stripe::world::{Timer, World};

use super::turns::Turn;

/// How long before a renewal its invoice is announced.
const UPCOMING: i64 = 7 * DAY;
/// How long a first invoice may stay unpaid.
const INCOMPLETE: i64 = 23 * HOUR;

/// What is done with the first invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fake_stripe::resources) enum First {
    /// It is charged at once; if that fails, the subscription is incomplete.
    Charged,
    /// The same, but then there is no subscription.
    ChargedOrNothing,
    /// It is opened at once, for the customer to pay.
    Opened,
    /// It is a draft for an hour; the subscription is active.
    Draft,
}

/// The subscription that an invoice is of.
pub(in crate::fake_stripe::resources) fn of_invoice(invoice: &Value) -> Option<&str> {
    invoice["parent"]["subscription_details"]["subscription"].as_str()
}

/// Makes an invoice one of a subscription.
pub(in crate::fake_stripe::resources) fn adopt(
    world: &mut World,
    invoice: &str,
    subscription: &str,
    reason: &str,
) {
    let of = world.body(subscription);
    world.change(invoice, |invoice| {
        invoice["billing_reason"] = json!(reason);
        invoice["currency"] = of["currency"].clone();
        invoice["parent"] = json!({
            "quote_details": null,
            "subscription_details": { "metadata": of["metadata"], "subscription": subscription },
            "type": "subscription_details",
        });
    });
}

/// A draft of a subscription, without lines; nobody is told yet.
fn draft(world: &mut World, id: &str, reason: &str, advances: bool, period: (i64, i64)) -> String {
    let subscription = world.body(id);
    let customer = world.body(subscription["customer"].as_str().unwrap_or_default());
    let mut params =
        json!({ "auto_advance": advances, "collection_method": subscription["collection_method"] });
    if subscription["collection_method"] == "send_invoice" {
        params["days_until_due"] = json!(subscription["days_until_due"].as_i64().unwrap_or(30));
    }
    let params = Params(params.as_object().cloned().unwrap_or_default());
    let Ok(invoice) = invoices::draft(world, world.owner(id), &customer, &params) else {
        return String::new();
    };
    adopt(world, &invoice, id, reason);
    world.change(&invoice, |invoice| {
        invoice["period_start"] = json!(period.0);
        invoice["period_end"] = json!(period.1);
    });
    invoice
}

/// Adds what the items cost in the period that they are in.
fn add_items(world: &mut World, invoice: &str, subscription: &str) {
    let of = world.body(subscription);
    let is_trial = of["status"] == "trialing";
    let mut lines = Vec::new();
    for item in body::items(world, subscription) {
        let quantity = item["quantity"].as_i64().unwrap_or(1);
        let amount = if is_trial { 0 } else { part_of_first(&of, prices::amount(&item["price"], quantity)) };
        let period = body::period(&of);
        lines.push(invoices::lines::of_subscription(world, invoice, &item, period, amount, is_trial));
    }
    invoices::lines::add(world, invoice, lines);
}

/// A first period that is shorter, since the anchor was chosen, costs its part.
fn part_of_first(subscription: &Value, amount: i64) -> i64 {
    let (start, end) = body::period(subscription);
    let anchor = subscription["billing_cycle_anchor"].as_i64().unwrap_or(start);
    if end != anchor || start == anchor {
        return amount;
    }
    let (interval, count) = body::interval(subscription);
    let whole = end - calendar::after(anchor, &interval, count, -1);
    part(amount, end - start, whole)
}

/// So much of an amount as a time is of a longer one.
pub(super) fn part(amount: i64, of: i64, whole: i64) -> i64 {
    let whole = i128::from(whole.max(1));
    let exact = i128::from(amount) * i128::from(of.max(0));
    i64::try_from((exact + whole / 2).div_euclid(whole)).unwrap_or(amount)
}

/// Bills what a new subscription costs at first, and tells of both.
///
/// # Errors
/// 402, with [`First::ChargedOrNothing`]: then nothing was made.
pub(in crate::fake_stripe::resources) fn first(
    world: &mut World,
    id: &str,
    what: First,
) -> Result<String, Failure> {
    let now = world.now();
    let invoice = draft(world, id, "subscription_create", true, (now, now));
    invoices::items::take_pending(world, &invoice, Some(id));
    add_items(world, &invoice, id);
    let due = world.body(&invoice)["amount_due"].as_i64().unwrap_or_default();
    let waits = what != First::Draft && due > 0;
    world.change(id, |subscription| {
        subscription["latest_invoice"] = json!(invoice);
        if waits {
            subscription["status"] = json!("incomplete");
        }
    });
    world.emit("customer.subscription.created", id);
    plan(world, id);
    if what == First::Draft {
        invoices::clock::announce(world, &invoice);
        return Ok(invoice);
    }
    world.emit("invoice.created", &invoice);
    invoices::open(world, &invoice);
    if waits {
        let at = now + INCOMPLETE;
        let expires = Timer::Subscription { subscription: id.to_owned(), turn: Turn::Expires, at };
        world.schedule_at(at, expires);
        let charged = match what {
            First::Opened => Ok(()),
            _ => invoices::with_kept_method(world, &invoice),
        };
        if let (Err(failure), First::ChargedOrNothing) = (charged, what) {
            world.undo();
            return Err(failure);
        }
    }
    Ok(invoice)
}

/// Begins the next period: its invoice is a draft for an hour.
pub(super) fn next_period(world: &mut World, id: &str, at: i64) {
    let before = world.body(id);
    let was_trial = before["status"] == "trialing";
    let anchor = before["billing_cycle_anchor"].as_i64().unwrap_or(at);
    let (interval, count) = body::interval(&before);
    let end = calendar::next(anchor, &interval, count, at);
    body::set_period(world, id, (at, end));
    let items = body::items_list(world, id);
    // Set before the invoice is made, which bills the new period; told after it.
    world.change(id, |subscription| {
        body::set_items(subscription, items.clone());
        if was_trial {
            subscription["status"] = json!("active");
        }
    });
    let advances = before["status"] != "unpaid" && before["pause_collection"]["behavior"] != "keep_as_draft";
    let invoice = draft(world, id, "subscription_cycle", advances, (body::period(&before).0, at));
    invoices::items::take_pending(world, &invoice, Some(id));
    add_items(world, &invoice, id);
    let after = world.body(id);
    world.change(id, |subscription| *subscription = before.clone());
    world.update(id, "customer.subscription.updated", |subscription| {
        *subscription = after;
        subscription["latest_invoice"] = json!(invoice);
    });
    plan(world, id);
    invoices::clock::announce(world, &invoice);
}

/// Bills at once what was changed in between, with the whole new period if one begins.
pub(super) fn now(world: &mut World, id: &str, with_items: bool) -> Option<String> {
    let period = body::period(&world.body(id));
    let invoice = draft(world, id, "subscription_update", true, (period.0, world.now()));
    invoices::items::take_pending(world, &invoice, Some(id));
    if with_items {
        add_items(world, &invoice, id);
    }
    if invoices::lines::all(world, &invoice).is_empty() {
        world.remove(&invoice);
        return None;
    }
    world.update(id, "customer.subscription.updated", |subscription| {
        subscription["latest_invoice"] = json!(invoice);
    });
    world.emit("invoice.created", &invoice);
    invoices::open(world, &invoice);
    if world.body(&invoice)["status"] == "open" {
        match world.body(&invoice)["collection_method"] == "charge_automatically" {
            true => invoices::clock::charge(world, &invoice),
            false => world.emit("invoice.sent", &invoice),
        }
    }
    Some(invoice)
}

/// Sees to the end of the period that it is in.
pub(super) fn plan(world: &mut World, id: &str) {
    let subscription = world.body(id);
    let (start, end) = body::period(&subscription);
    let mut at = |turn: Turn, at: i64| {
        world.schedule_at(at, Timer::Subscription { subscription: id.to_owned(), turn, at });
    };
    at(Turn::Renews, end);
    if end - start > UPCOMING && subscription["status"] != "trialing" {
        at(Turn::Upcoming, end - UPCOMING);
    }
}

/// The invoice of the next renewal, as a preview: it has no id.
pub(super) fn upcoming(world: &mut World, id: &str) {
    let subscription = world.body(id);
    let (_, end) = body::period(&subscription);
    let invoice = draft(world, id, "upcoming", false, body::period(&subscription));
    add_items(world, &invoice, id);
    let mut preview = world.body(&invoice);
    world.remove(&invoice);
    preview["next_payment_attempt"] = json!(end + HOUR);
    if let Some(fields) = preview.as_object_mut() {
        fields.remove("id");
    }
    world.tell("invoice.upcoming", world.owner(id), preview, None);
}
