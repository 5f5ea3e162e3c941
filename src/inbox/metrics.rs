//! What the inbox counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Counters and histograms of storing and applying. Clones count together.
#[derive(Clone, Debug)]
pub struct InboxMetrics {
    batch_size: Histogram,
    events: Family<StateLabel, Counter>,
    lag: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

impl InboxMetrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 7)),
            events: Family::default(),
            lag: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
        };
        registry.register(
            "events_stored_in_batch",
            "Events that shared one transaction",
            metrics.batch_size.clone(),
        );
        registry.register(
            "events_applied",
            "Looks at events, by the state that they left it in",
            metrics.events.clone(),
        );
        registry.register("events_lag_seconds", "From an event's arrival to its effect", metrics.lag.clone());
        metrics
    }

    pub(super) fn batch_stored(&self, events: usize) {
        self.batch_size.observe(events as f64);
    }

    pub(super) fn looked_at(&self, state: &'static str) {
        self.events.get_or_create(&StateLabel { state }).inc();
    }

    pub(super) fn applied_after(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }
}
