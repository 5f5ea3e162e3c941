//! An event on its way into the ledger.

use actix_web::web::Bytes;
use time::OffsetDateTime;

use super::dispatch;
use crate::stripe::Envelope;

/// The states of a stored event, in the order in which it goes through them.
pub const STATES: &[&str] = &["pending", "parked", "applied", "set_aside", "failed"];

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
        if envelope.is_thin {
            return Self::SetAside("a thin event: it carries no object".to_owned());
        }
        Self::by(&envelope.event_type, envelope.livemode, livemode)
    }

    /// The same for an event that was stored before, perhaps under other settings or by another version.
    pub(super) fn by(event_type: &str, theirs: bool, ours: bool) -> Self {
        let mode = |is_live| if is_live { "live" } else { "test" };
        if theirs != ours {
            let (theirs, ours) = (mode(theirs), mode(ours));
            Self::SetAside(format!(
                "an event of {theirs} mode; this service is for {ours} mode (STRIPE_MODE)"
            ))
        } else if !dispatch::is_handled(event_type) {
            Self::SetAside(format!("nothing here acts on {event_type}"))
        } else {
            Self::Apply
        }
    }
}
