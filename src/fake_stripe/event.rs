//! What happened in the local Stripe, before it is told to anybody.

use serde_json::Value;

/// Something that happened to an object; each becomes one event.
#[derive(Clone, Debug)]
pub struct Happening {
    /// `evt_…`.
    pub id: String,
    /// Such as `payment_intent.succeeded`.
    pub event_type: String,
    /// The connected account that it happened in; none is the platform's own.
    pub account: Option<String>,
    /// The object as it was then, in the newest shape.
    pub object: Value,
    /// What changed, for `*.updated`.
    pub previous_attributes: Option<Value>,
    /// Seconds since 1970.
    pub created: i64,
    /// The API call that caused it; none where time or the customer did.
    pub caused_by: Option<CausedBy>,
}

/// The API call that caused something.
#[derive(Clone, Debug)]
pub struct CausedBy {
    /// `req_…`.
    pub request_id: String,
    /// The call's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}
