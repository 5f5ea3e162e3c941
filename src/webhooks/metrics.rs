//! What the endpoints count.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::inbox::Endpoint;

/// Requests by answer, and how long the good ones took. Clones count together.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    requests: Family<AnswerLabels, Counter>,
    seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    endpoint: &'static str,
    answer: &'static str,
}

impl WebhookMetrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
        };
        registry.register(
            "webhook_requests",
            "Requests to the webhook endpoints, by answer",
            metrics.requests.clone(),
        );
        registry.register(
            "webhook_seconds",
            "From a request to its answer, for stored events",
            metrics.seconds.clone(),
        );
        metrics
    }

    pub(super) fn answered(&self, endpoint: Endpoint, answer: &'static str) {
        self.requests.get_or_create(&AnswerLabels { endpoint: endpoint.as_str(), answer }).inc();
    }

    pub(super) fn stored_after(&self, elapsed: Duration) {
        self.seconds.observe(elapsed.as_secs_f64());
    }
}
