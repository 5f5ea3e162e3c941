//! What the fulfilment worker counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use time::OffsetDateTime;

use super::ProviderRow;
use super::state::Next;

/// Upper bounds of the buckets of provider times, in seconds.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Upper bounds of the buckets of the times from paid to fulfilled, in seconds: from one second to seven days.
const UNTIL_FULFILLED: [f64; 14] = [
    1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0, 345_600.0,
    604_800.0,
];

/// Counters and times of one process. Clones count together.
#[derive(Clone, Debug)]
pub struct FulfilmentMetrics {
    attempts: Family<ByOutcome, Counter>,
    ended: Family<ByState, Counter>,
    fences_lost: Counter,
    provider_seconds: Histogram,
    paid_to_fulfilled: Histogram,
    parts: Family<ByProviderAndState, Gauge>,
    oldest_queued: Family<ByProvider, Gauge<f64, AtomicU64>>,
    breakers: Family<ByProvider, Gauge>,
    paused: Family<ByProvider, Gauge>,
    dead_letters: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProvider {
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProviderAndState {
    provider: String,
    state: &'static str,
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
    /// - `fulfilment_provider_seconds`: how long the provider took for an attempt, look-up included;
    /// - `fulfilment_paid_to_fulfilled_seconds`: from paid to fulfilled, for each fulfilment.
    ///
    /// And gauges, as of the last sample: `fulfilments{provider,state}`, `fulfilment_oldest_queued_seconds{provider}`,
    /// `fulfilment_breaker{provider}` (0 closed, 1 half open, 2 open), `fulfilment_paused{provider}`,
    /// `fulfilment_dead_letters`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            attempts: Family::default(),
            ended: Family::default(),
            fences_lost: Counter::default(),
            provider_seconds: Histogram::new(SECONDS),
            paid_to_fulfilled: Histogram::new(UNTIL_FULFILLED),
            parts: Family::default(),
            oldest_queued: Family::default(),
            breakers: Family::default(),
            paused: Family::default(),
            dead_letters: Gauge::default(),
        };
        // Each is there from the start, so that a rate can be taken of its first one.
        for outcome in [
            "fulfilled",
            "accepted",
            "rejected",
            "not_done",
            "unknown",
            "recalled",
            "too_late",
            "not_offered",
        ] {
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
        registry.register_with_unit(
            "fulfilment_paid_to_fulfilled",
            "Time from paid to fulfilled",
            Unit::Seconds,
            metrics.paid_to_fulfilled.clone(),
        );
        registry.register("fulfilments", "Open fulfilments by provider and state", metrics.parts.clone());
        registry.register_with_unit(
            "fulfilment_oldest_queued",
            "For how long the oldest fulfilment that may be tried has been waiting",
            Unit::Seconds,
            metrics.oldest_queued.clone(),
        );
        registry.register(
            "fulfilment_breaker",
            "Circuit breaker: 0 closed, 1 half open, 2 open",
            metrics.breakers.clone(),
        );
        registry.register(
            "fulfilment_paused",
            "Whether a person paused the provider",
            metrics.paused.clone(),
        );
        registry.register(
            "fulfilment_dead_letters",
            "Fulfilments whose tries are used up",
            metrics.dead_letters.clone(),
        );
        metrics
    }

    pub(super) fn count_attempt(&self, outcome: &'static str, provider_time: Duration) {
        self.attempts.get_or_create(&ByOutcome { outcome }).inc();
        self.provider_seconds.observe(provider_time.as_secs_f64());
    }

    /// Counts what a fulfilment became, if that is an end, and for how long its order had been paid.
    pub(super) fn count_end(&self, next: &Next, paid_at: Option<OffsetDateTime>, now: OffsetDateTime) {
        if next.is_end() {
            self.ended.get_or_create(&ByState { state: next.state().as_str() }).inc();
        }
        if let (Next::Fulfilled { .. }, Some(paid_at)) = (next, paid_at) {
            self.paid_to_fulfilled.observe((now - paid_at).as_seconds_f64().max(0.0));
        }
    }

    /// Shows how the providers are.
    pub(super) fn set_gauges(&self, providers: &[ProviderRow]) {
        let count = |provider: &str, state: &'static str, count: i64| {
            let labels = ByProviderAndState { provider: provider.to_owned(), state };
            self.parts.get_or_create(&labels).set(count);
        };
        for row in providers {
            for (state, parts) in [
                ("queued", row.queued),
                ("in_progress", row.in_progress),
                ("recalling", row.recalling),
                ("accepted", row.accepted),
                ("rejected", row.rejected),
                ("failed", row.failed),
            ] {
                count(&row.name, state, parts);
            }
            let provider = ByProvider { provider: row.name.clone() };
            self.oldest_queued.get_or_create(&provider).set(row.oldest_due_seconds.unwrap_or(0.0));
            self.breakers.get_or_create(&provider).set(match row.breaker.as_str() {
                "closed" => 0,
                "half_open" => 1,
                _ => 2,
            });
            self.paused.get_or_create(&provider).set(i64::from(row.paused));
        }
        self.dead_letters.set(providers.iter().map(|row| row.failed).sum());
    }

    pub(super) fn count_lost_fence(&self) {
        self.fences_lost.inc();
    }
}
