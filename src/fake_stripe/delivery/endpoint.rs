//! Who is told: webhook endpoints, and the sockets of the Stripe CLI.

use serde_json::{Map, Value, json};

use super::mode::matches;
use super::shape::ApiVersion;

/// A webhook endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `we_…`
    pub id: String,
    /// Where events are posted to.
    pub url: String,
    /// `whsec_…`
    pub secret: String,
    /// Types, `*`, or such as `invoice.*`.
    pub enabled_events: Vec<String>,
    /// Whether it is for the events of connected accounts, and for those only.
    pub connect: bool,
    /// The version that its events are in; none is that of the account.
    pub api_version: Option<ApiVersion>,
    /// Whether it was switched off.
    pub is_disabled: bool,
    /// Whatever its owner noted.
    pub description: Option<String>,
    /// Whatever its owner noted.
    pub metadata: Map<String, Value>,
    /// Seconds since 1970.
    pub created: i64,
}

impl Endpoint {
    /// For all events of the platform; the id and the secret are drawn when it is added.
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            id: String::new(),
            url: url.into(),
            secret: String::new(),
            enabled_events: vec!["*".to_owned()],
            connect: false,
            api_version: None,
            is_disabled: false,
            description: None,
            metadata: Map::new(),
            created: 0,
        }
    }

    /// Whether it wants an event.
    pub(super) fn wants(&self, event_type: &str, account: Option<&str>) -> bool {
        !self.is_disabled
            && self.connect == account.is_some()
            && self.enabled_events.iter().any(|pattern| matches(pattern, event_type))
    }

    /// The API's view, without the secret.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "webhook_endpoint",
            "api_version": self.api_version.as_ref().map(ApiVersion::as_str),
            "application": self.connect.then_some("ca_local"), "created": self.created,
            "description": self.description, "enabled_events": self.enabled_events, "livemode": false,
            "metadata": self.metadata, "status": if self.is_disabled { "disabled" } else { "enabled" }, "url": self.url
        })
    }
}

/// One receiver of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Receiver {
    /// A webhook endpoint, by its id.
    Endpoint(String),
    /// A `stripe listen`, by its websocket id.
    Socket(String),
}

impl Receiver {
    /// Its id.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Endpoint(id) | Self::Socket(id) => id,
        }
    }
}
