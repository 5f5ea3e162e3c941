//! What can be asked about events and deliveries.

use serde_json::{Value, json};

use super::Deliveries;
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

    /// Every delivery and what became of it, in the order of their beginning; those of one event if one is named.
    pub fn deliveries(&self, event: Option<&str>) -> Value {
        let state = self.state();
        let all = state.ledger.all().iter();
        let wanted = all.filter(|delivery| event.is_none_or(|event| delivery.event == event));
        json!({ "mode": state.mode, "deliveries": wanted.map(super::ledger::Delivery::json).collect::<Vec<_>>() })
    }
}
