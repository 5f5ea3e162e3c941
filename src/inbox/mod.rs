//! The inbox: every event that Stripe signed, stored once, then applied once.
//!
//! [`Recorder`] stores: requests that arrive together share one transaction, and each is answered when its row is
//! durable. [`Applier`] takes what is due in batches, hands each event to the feature that [`dispatch`] names, and
//! writes the effects and the event's new state in one transaction: an event has its effect exactly when its row says
//! `applied`. An event that cannot be applied is isolated, tried again with growing waits, and then set aside as
//! `failed` with its error; it holds up nobody else.
//!
//! What it does not do: judge what an event means. That is the features' business.

mod apply;
pub mod dispatch;
mod event;
mod metrics;
mod record;
mod store;

pub use apply::Applier;
pub use event::{Disposition, Endpoint, NewEvent, STATES};
pub use metrics::InboxMetrics;
pub use record::{NotStored, Recorded, Recorder};
pub use store::{
    EventDetails, EventFilter, EventRow, Expiring, expire_payloads, find_event, list_events, oldest_due,
    replay, wake_waiting,
};
