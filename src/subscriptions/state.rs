//! The rules by which snapshots move what is known of a subscription and of a schedule, what follows from it for the
//! customer, and what may be asked. Pure: no clock, no SQL, no HTTP.
//!
//! Stripe tells subscriptions in snapshots that may come late, twice and in any order, with times of whole seconds. What
//! is over stays over; else of several the latest counts. Within one second that is a rule: `created` first, then the
//! later period, then the status that usually comes later, then the greater event id, so that any order of arrival ends
//! in the same row. It is a guess: where Stripe can be called each event also asks the worker to look, and what it sees
//! replaces the guess.

use time::OffsetDateTime;

use super::subscription::{Access, Facts, STATUSES, is_over};

/// What `told_by` and `told_as` say where we asked Stripe ourselves.
pub(super) const ASKED: &str = "api";

/// Who told the facts, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The type of the event.
    pub told_as: String,
    pub at: OffsetDateTime,
    /// The event's id.
    pub by: String,
}

/// What is known of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub facts: Facts,
    pub source: Source,
}

impl Known {
    /// Hears a snapshot; returns why it changed nothing, if it did not.
    pub fn hear(&mut self, facts: &Facts, source: &Source) -> Option<String> {
        if rank(facts, source) <= rank(&self.facts, &self.source) {
            return Some(format!("{} told of a later state of the subscription", self.source.by));
        }
        self.facts = facts.clone();
        self.source = source.clone();
        None
    }

    /// Takes over what Stripe answered while nobody else spoke of the subscription. It claims no time of its own: our
    /// clock and Stripe's differ, and the next event must count.
    pub fn ask(&mut self, facts: &Facts) {
        if is_over(&self.facts.status) && !is_over(&facts.status) || *facts == self.facts {
            return;
        }
        self.facts = facts.clone();
        self.source = Source { told_as: ASKED.to_owned(), by: ASKED.to_owned(), at: self.source.at };
    }
}

type Rank<'s> = (bool, i64, u8, Option<OffsetDateTime>, Option<usize>, &'s str);

fn rank<'s>(facts: &Facts, source: &'s Source) -> Rank<'s> {
    let kind = match source.told_as.as_str() {
        "customer.subscription.deleted" => 3,
        "customer.subscription.created" => 1,
        // An answer of ours stands below every event of its second.
        ASKED => 0,
        _ => 2,
    };
    (
        is_over(&facts.status),
        source.at.unix_timestamp(),
        kind,
        facts.current_period_end,
        STATUSES.iter().position(|status| *status == facts.status),
        source.by.as_str(),
    )
}

/// What is known of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    pub status: String,
    pub subscription: Option<String>,
    pub customer: Option<String>,
    pub starts_at: Option<OffsetDateTime>,
    pub source: Source,
}

impl Schedule {
    /// Hears another snapshot of the same schedule; returns why it changed nothing, if it did not. Which subscription it
    /// became is never forgotten: a schedule that let go names it elsewhere, or not at all.
    pub fn hear(&mut self, told: &Self) -> Option<String> {
        let rank = |schedule: &Self| {
            let far = match schedule.status.as_str() {
                "not_started" => 0,
                "active" => 1,
                _ => 2,
            };
            (
                far,
                schedule.source.at.unix_timestamp(),
                schedule.source.told_as.clone(),
                schedule.source.by.clone(),
            )
        };
        if rank(told) <= rank(self) {
            if self.subscription.is_none() {
                self.subscription.clone_from(&told.subscription);
            }
            return Some(format!("{} told of a later state of the schedule", self.source.by));
        }
        let subscription = told.subscription.clone().or(self.subscription.take());
        *self = Self { subscription, ..told.clone() };
        None
    }
}

/// Whether the customer has what was subscribed to, and why.
pub(super) fn access(facts: Option<&Facts>) -> (Access, String) {
    let Some(facts) = facts else {
        return (Access::Revoked, "Stripe has not said yet that it made the subscription".to_owned());
    };
    let (access, why) = match facts.status.as_str() {
        "trialing" => (Access::Granted, "it is in its trial"),
        "active" if facts.pause_behaviour.is_some() => (
            Access::Granted,
            "it is active; its invoices are paused, so nothing is charged and nothing is sent",
        ),
        "active" if facts.cancel_at_period_end => (Access::Granted, "it is active until its period ends"),
        "active" => (Access::Granted, "it is active"),
        "past_due" => (
            Access::Granted,
            "a payment is past due, and Stripe still tries; it is revoked when Stripe gives up",
        ),
        "incomplete" => (Access::Revoked, "its first payment has not arrived"),
        "incomplete_expired" => (Access::Revoked, "its first payment did not arrive in time"),
        "unpaid" => (Access::Revoked, "Stripe gave up collecting; paying the open invoice brings it back"),
        "paused" => (Access::Revoked, "its trial ended without a way to pay; it goes on once resumed"),
        "canceled" => (Access::Revoked, "it is cancelled"),
        _ => (Access::Revoked, "Stripe's status of it is not known here"),
    };
    (access, why.to_owned())
}

/// What can be asked of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Change,
    Pause,
    Resume,
    CancelAtPeriodEnd,
    CancelNow,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Ask Stripe.
    Ask,
    /// It is so already.
    IsSo,
    /// It cannot be: the code, and why, with what to do instead.
    Not(&'static str, String),
}

/// Whether something can be asked of a subscription, as far as it is known. Stripe has the last word.
pub(super) fn may(asked: Asked, id: &str, facts: &Facts) -> May {
    let not = |code, why: String| May::Not(code, format!("{id} {why}"));
    if is_over(&facts.status) {
        if matches!(asked, Asked::CancelNow | Asked::CancelAtPeriodEnd) {
            return May::IsSo;
        }
        let verb = match asked {
            Asked::Change => "changed",
            Asked::Pause => "paused",
            _ => "resumed",
        };
        let over =
            if facts.status == "canceled" { "is cancelled" } else { "expired before its first payment" };
        return not(
            "subscription_over",
            format!("{over} and cannot be {verb}; what is over never comes back, make a new subscription"),
        );
    }
    match asked {
        Asked::Pause if facts.status == "paused" => not(
            "subscription_paused",
            "is paused already, since its trial ended without a way to pay".to_owned(),
        ),
        Asked::Pause if facts.status == "incomplete" => not(
            "subscription_incomplete",
            "has no first payment yet; it can be cancelled, or paid".to_owned(),
        ),
        Asked::Resume if facts.status != "paused" && facts.pause_behaviour.is_none() => {
            if facts.cancel_at_period_end { May::Ask } else { May::IsSo }
        }
        Asked::CancelAtPeriodEnd if facts.cancel_at_period_end => May::IsSo,
        Asked::CancelAtPeriodEnd if facts.status == "incomplete" => not(
            "subscription_incomplete",
            "has no first payment yet, so no period that could end; cancel it now with {\"when\": \"now\"}"
                .to_owned(),
        ),
        _ => May::Ask,
    }
}

#[cfg(test)]
mod tests;
