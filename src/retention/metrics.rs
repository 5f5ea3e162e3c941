//! What was deleted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// `retention_deleted_total{what}`: rows that this process deleted since nobody needs them any more. Clones count
/// together.
#[derive(Clone, Debug)]
pub struct RetentionMetrics {
    deleted: Family<ByTable, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTable {
    what: &'static str,
}

impl RetentionMetrics {
    /// Adds the metric to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { deleted: Family::default() };
        // Each is there from the start, so that a rate can be taken of its first one.
        for what in ["payloads", "idempotency_keys", "checkout_tokens"] {
            drop(metrics.deleted.get_or_create(&ByTable { what }));
        }
        registry.register(
            "retention_deleted",
            "Rows deleted because nobody needs them any more",
            metrics.deleted.clone(),
        );
        metrics
    }

    pub(super) fn count(&self, what: &'static str, deleted: u64) {
        self.deleted.get_or_create(&ByTable { what }).inc_by(deleted);
    }
}
