//! What the fulfilment worker counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Outcome;
use super::state::Next;

/// Upper bounds of the buckets of provider times, in seconds.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Counters and times of one process. Clones count together.
#[derive(Clone, Debug)]
pub struct FulfilmentMetrics {
    attempts: Family<ByOutcome, Counter>,
    ended: Family<ByState, Counter>,
    fences_lost: Counter,
    provider_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

impl FulfilmentMetrics {
    /// Makes the metrics and shows them in a registry:
    /// - `fulfilment_attempts_total{outcome}`: attempts recorded;
    /// - `fulfilments_ended_total{state}`: fulfilments that came to an end; `failed` are the dead letters;
    /// - `fulfilment_fences_lost_total`: outcomes that were dropped because the lease had gone to another worker;
    /// - `fulfilment_provider_seconds`: how long the provider took for an attempt, look-up included.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            attempts: Family::default(),
            ended: Family::default(),
            fences_lost: Counter::default(),
            provider_seconds: Histogram::new(SECONDS),
        };
        // Each is there from the start, so that a rate can be taken of its first one.
        for outcome in ["fulfilled", "rejected", "not_done", "unknown"] {
            drop(metrics.attempts.get_or_create(&ByOutcome { outcome }));
        }
        for state in ["fulfilled", "rejected", "failed", "cancelled"] {
            drop(metrics.ended.get_or_create(&ByState { state }));
        }
        registry.register("fulfilment_attempts", "Attempts by outcome", metrics.attempts.clone());
        registry.register(
            "fulfilments_ended",
            "Fulfilments that came to an end, by state",
            metrics.ended.clone(),
        );
        registry.register(
            "fulfilment_fences_lost",
            "Outcomes dropped because the lease had gone to another worker",
            metrics.fences_lost.clone(),
        );
        registry.register_with_unit(
            "fulfilment_provider",
            "Time the provider took for an attempt",
            Unit::Seconds,
            metrics.provider_seconds.clone(),
        );
        metrics
    }

    pub(super) fn count_attempt(&self, outcome: &Outcome, provider_time: Duration) {
        self.attempts.get_or_create(&ByOutcome { outcome: outcome.code() }).inc();
        self.provider_seconds.observe(provider_time.as_secs_f64());
    }

    pub(super) fn count_ends<'a>(&self, changes: impl IntoIterator<Item = &'a Next>) {
        for next in changes.into_iter().filter(|next| next.is_end()) {
            self.ended.get_or_create(&ByState { state: next.state() }).inc();
        }
    }

    pub(super) fn count_lost_fence(&self) {
        self.fences_lost.inc();
    }
}
