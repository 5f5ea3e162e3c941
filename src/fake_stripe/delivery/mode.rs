//! How deliveries go wrong on demand.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shape::ApiVersion;

/// What becomes of events that happen from now on. By default each is sent once, at once, in the order of happening.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mode {
    /// Collect them; they are sent when told.
    pub hold: bool,
    /// Send none, ever; they can be sent again by hand.
    pub lose: bool,
    /// How often each is sent; 0 and 1 mean once.
    pub duplicate: u32,
    /// How many milliseconds each waits.
    pub delay_ms: u64,
    /// Send them in an order drawn from the seed, over `delay_ms` (300 where there is none), or when those held are
    /// released.
    pub shuffle: bool,
    /// `new`, `old` or an API version: how objects look, for endpoints that chose no version.
    pub shape: Option<String>,
    /// The types that all but `shape` is for, such as `payment_intent.*`; none means all.
    pub only: Vec<String>,
}

impl Mode {
    /// The version that objects are shown in.
    ///
    /// # Errors
    /// The shape is no version.
    pub fn version(&self) -> Result<ApiVersion, String> {
        self.shape.as_deref().map_or_else(|| Ok(ApiVersion::default()), ApiVersion::parse)
    }

    /// The mode as far as it is for events of a type.
    pub(super) fn for_type(&self, event_type: &str) -> Self {
        if self.only.is_empty() || self.only.iter().any(|pattern| matches(pattern, event_type)) {
            self.clone()
        } else {
            Self { shape: self.shape.clone(), ..Self::default() }
        }
    }

    /// Over how long deliveries are shuffled.
    pub(super) fn shuffle_window(&self) -> Duration {
        Duration::from_millis(if self.delay_ms == 0 { 300 } else { self.delay_ms })
    }
}

/// Whether a type is named by a pattern: itself, `*`, or `invoice.*`.
pub(super) fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => event_type.starts_with(prefix),
        None => pattern == event_type,
    }
}
