//! An event on its way into the ledger.

use actix_web::web::Bytes;
use time::OffsetDateTime;

use super::dispatch;
use crate::stripe::Envelope;

/// Which of our endpoints received an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/webhooks/stripe`
    Platform,
    /// `/webhooks/stripe/connect`
    Connect,
}

impl Endpoint {
    /// The endpoint as tables, logs and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Connect => "connect",
        }
    }
}

/// A verified event, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its face.
    pub envelope: Envelope,
    /// The bytes that were signed; valid UTF-8.
    pub body: Bytes,
    /// Where it came in.
    pub endpoint: Endpoint,
    /// The label of the secret that signed it.
    pub verified_by: String,
    /// When it came in.
    pub received_at: OffsetDateTime,
    /// What is to be done with it.
    pub disposition: Disposition,
}

/// What is to be done with an event once it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is for one of the features.
    Apply,
    /// It is kept, but nothing here acts on it; the reason.
    SetAside(String),
}

impl Disposition {
    /// Judges an event by its face. `livemode` is the mode that this service is for.
    pub fn of(envelope: &Envelope, livemode: bool) -> Self {
        let mode = |live| if live { "live" } else { "test" };
        if envelope.is_thin {
            Self::SetAside("a thin event: it carries no object".to_owned())
        } else if envelope.livemode != livemode {
            let (theirs, ours) = (mode(envelope.livemode), mode(livemode));
            Self::SetAside(format!(
                "an event of {theirs} mode; this service is for {ours} mode (STRIPE_MODE)"
            ))
        } else if !dispatch::is_handled(&envelope.event_type) {
            Self::SetAside(format!("nothing here acts on {}", envelope.event_type))
        } else {
            Self::Apply
        }
    }
}
