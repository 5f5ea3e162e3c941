//! Receiving webhooks: proves that a request is Stripe's, files the event, answers.
//!
//! A 2xx means that the event is durable. An unverified request leaves no row, learns nothing and costs little: no
//! database is asked before the signature is right. Whoever sends slowly or much is cut off; memory for bodies is
//! bounded over all requests together.

mod metrics;
mod receive;
mod signature;

pub use metrics::WebhookMetrics;
pub use receive::{Described, Intake, configure};
pub use signature::{EndpointSecret, Rejected, TOLERANCE_SECONDS, verify};
