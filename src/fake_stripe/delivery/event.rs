//! The events that were told, as they are kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::shape::{ApiVersion, Objects, render};
use crate::fake_stripe::Happening;

/// How long an event can be asked for, in seconds.
pub(super) const KEPT_SECONDS: i64 = 30 * 24 * 3600;

/// An event: frozen when it happened, in each version that somebody wanted then.
#[derive(Debug)]
pub(super) struct Event {
    /// What happened.
    pub(super) happening: Happening,
    /// The version of the account at that time.
    version: ApiVersion,
    objects: BTreeMap<ApiVersion, Value>,
}

impl Event {
    /// Freezes it in the version of the account and in others.
    pub(super) fn freeze(
        happening: Happening,
        version: ApiVersion,
        others: impl IntoIterator<Item = ApiVersion>,
        world: &dyn Objects,
    ) -> Self {
        let mut objects = BTreeMap::new();
        for wanted in others.into_iter().chain([version.clone()]) {
            objects.entry(wanted).or_insert_with_key(|version| render(&happening.object, version, world));
        }
        Self { happening, version, objects }
    }

    /// The event in a version; in that of the account where nobody wanted that one when it happened.
    pub(super) fn json(&self, version: Option<&ApiVersion>, pending_webhooks: usize) -> Value {
        let version = version.filter(|version| self.objects.contains_key(version)).unwrap_or(&self.version);
        let happening = &self.happening;
        let mut data = json!({ "object": self.objects.get(version) });
        if let Some(previous) = &happening.previous_attributes {
            data["previous_attributes"] = previous.clone();
        }
        let call = happening.caused_by.as_ref();
        let mut event = json!({
            "id": happening.id, "object": "event", "api_version": version.as_str(), "created": happening.created,
            "data": data, "livemode": false, "pending_webhooks": pending_webhooks,
            "request": {
                "id": call.map(|call| &call.request_id),
                "idempotency_key": call.and_then(|call| call.idempotency_key.as_ref())
            },
            "type": happening.event_type
        });
        if let Some(account) = &happening.account {
            event["account"] = json!(account);
        }
        event
    }
}
