//! What a subscription does by itself: it renews, its trial ends, it expires unpaid, it ends.

use serde_json::{Value, json};

use super::status::end;
use super::{bill, body};
use crate::fake_stripe::resources::calendar::DAY;
use crate::fake_stripe::world::{Timer, World};

/// How long before its end a trial is said to end.
const TRIAL_NOTICE: i64 = 3 * DAY;

/// What has its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fake_stripe) enum Turn {
    /// The period or the trial is over.
    Renews,
    /// The period will be over in a week.
    Upcoming,
    /// The trial will end.
    TrialWillEnd,
    /// The first invoice was not paid.
    Expires,
    /// The time that `cancel_at` says.
    Ends,
    /// Collection goes on.
    ResumesCollection,
}

/// Does what has its time, if it is still so.
pub(in crate::fake_stripe) fn turn(world: &mut World, id: &str, turn: Turn, at: i64) {
    let subscription = world.body(id);
    let status = subscription["status"].as_str().unwrap_or_default();
    let is_running = ["active", "trialing", "past_due", "unpaid"].contains(&status);
    let (_, end_of_period) = body::period(&subscription);
    match turn {
        Turn::Renews if is_running && end_of_period == at => renew(world, id, at),
        // A first invoice that was not paid yet does not stop the clock of the period.
        Turn::Upcoming if is_running && !ends_then(&subscription) => {
            let is_of_period = at < end_of_period && end_of_period - at <= 8 * DAY;
            if is_of_period {
                bill::upcoming(world, id);
            }
        }
        Turn::TrialWillEnd if status == "trialing" && subscription["trial_end"] == at_end(&subscription) => {
            world.emit("customer.subscription.trial_will_end", id);
        }
        Turn::Expires if status == "incomplete" => expire(world, id),
        Turn::Ends if subscription["cancel_at"] == at && status != "canceled" => end(world, id, Value::Null),
        Turn::ResumesCollection if subscription["pause_collection"]["resumes_at"] == at => {
            world.update(id, "customer.subscription.updated", |subscription| {
                subscription["pause_collection"] = Value::Null;
            });
        }
        _ => {}
    }
}

fn at_end(subscription: &Value) -> i64 {
    body::period(subscription).1
}

fn ends_then(subscription: &Value) -> bool {
    subscription["cancel_at_period_end"] == true
}

/// Has it told that the trial will end: three days before, or now if it is shorter.
pub(in crate::fake_stripe::resources) fn plan_trial_notice(world: &mut World, id: &str) {
    if let Some(trial_end) = world.body(id)["trial_end"].as_i64() {
        let at = (trial_end - TRIAL_NOTICE).max(world.now());
        let turn = Turn::TrialWillEnd;
        world.schedule_at(at, Timer::Subscription { subscription: id.to_owned(), turn, at });
    }
}

/// The period or the trial is over.
pub(super) fn renew(world: &mut World, id: &str, at: i64) {
    let subscription = world.body(id);
    if ends_then(&subscription) {
        end(world, id, Value::Null);
        return;
    }
    if subscription["status"] == "trialing" && super::kept_method(world, &subscription).is_none() {
        match subscription["trial_settings"]["end_behavior"]["missing_payment_method"].as_str() {
            Some("pause") => {
                world.change(id, |subscription| subscription["status"] = json!("paused"));
                world.emit("customer.subscription.paused", id);
                return;
            }
            Some("cancel") => {
                end(world, id, Value::Null);
                return;
            }
            _ => {}
        }
    }
    bill::next_period(world, id, at);
}

/// The first invoice was not paid within 23 hours.
pub(super) fn expire(world: &mut World, id: &str) {
    let now = world.now();
    let invoice = world.body(id)["latest_invoice"].as_str().unwrap_or_default().to_owned();
    world.update(id, "customer.subscription.updated", |subscription| {
        subscription["status"] = json!("incomplete_expired");
        subscription["ended_at"] = json!(now);
    });
    if world.body(&invoice)["status"] == "open" {
        crate::fake_stripe::resources::invoices::make_void(world, &invoice);
    }
}
