//! What can be asked about events and deliveries.

use serde_json::{Value, json};

use super::Deliveries;
use super::endpoint::Receiver;
use super::ledger::{Delivery, Stage};
use super::mode::matches;

/// Which events are listed.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Types, or such as `invoice.*`; none means all.
    pub types: Vec<String>,
    /// Those that every receiver has, or those that some receiver lacks.
    pub delivery_success: Option<bool>,
    /// The connected account whose events they are; none is the platform.
    pub account: Option<String>,
}

impl Deliveries {
    /// The events that a filter lets through, newest first.
    pub fn events(&self, filter: &EventFilter) -> Vec<Value> {
        let state = self.state();
        let is_wanted = |event: &&super::Event| {
            let happening = &event.happening;
            let is_of_type = filter.types.is_empty()
                || filter.types.iter().any(|pattern| matches(pattern, &happening.event_type));
            let is_pending = || state.ledger.pending(&happening.id) > 0;
            is_of_type
                && happening.account == filter.account
                && filter.delivery_success.is_none_or(|success| success != is_pending())
        };
        let shown = |event: &super::Event| event.json(None, state.ledger.pending(&event.happening.id));
        state.events.iter().rev().filter(is_wanted).map(shown).collect()
    }

    /// An event, of whatever account.
    pub fn event(&self, id: &str) -> Option<Value> {
        self.state().event(id)
    }

    /// When all endpoints had taken an event, in seconds since 1970, but not before `from`. What is not told yet or on its
    /// way for the first time counts as taken, since the clock may have been moved faster than anybody answers. None
    /// where an endpoint refused it so far, or it is held back.
    pub(in crate::fake_stripe) fn taken_at(&self, event: &str, from: i64) -> Option<i64> {
        let state = self.state();
        let of_event = || state.ledger.all().iter().filter(|delivery| delivery.event == event);
        let mut last = from;
        for delivery in of_event().filter(|delivery| matches!(delivery.receiver, Receiver::Endpoint(_))) {
            let of_receiver = || of_event().filter(|other| other.receiver == delivery.receiver);
            let taken = of_receiver().find(|other| other.stage == Stage::Delivered);
            let is_fresh = |other: &Delivery| {
                matches!(other.stage, Stage::Waiting | Stage::Sending) && other.attempts.is_empty()
            };
            match taken.and_then(|taken| taken.attempts.last()) {
                Some(attempt) => last = last.max(attempt.at.unix_timestamp()),
                None if of_receiver().any(is_fresh) => {}
                None => return None,
            }
        }
        Some(last)
    }

    /// Every delivery and what became of it, in the order of their beginning; those of one event if one is named.
    pub fn deliveries(&self, event: Option<&str>) -> Value {
        let state = self.state();
        let all = state.ledger.all().iter();
        let wanted = all.filter(|delivery| event.is_none_or(|event| delivery.event == event));
        json!({ "mode": state.mode, "deliveries": wanted.map(super::ledger::Delivery::json).collect::<Vec<_>>() })
    }
}
