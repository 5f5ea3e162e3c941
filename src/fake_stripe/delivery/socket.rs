//! The sockets of the Stripe CLI as receivers. What is spoken on them is in [`crate::fake_stripe::cli_protocol`].

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedSender;

use super::event::Event;
use super::ledger::{Delivery, Stage};
use super::send::HEADERS;
use super::shape::ApiVersion;
use super::signature::lasting_secret;
use super::{Deliveries, State, body, signature};

/// How long a session is kept that nobody is connected to, in seconds: the CLI connects again after a moment.
const KEPT_SECONDS: i64 = 120;

/// One `stripe listen`.
#[derive(Clone, Debug)]
pub struct Session {
    /// `cliws_…`, the `Websocket-Id`.
    pub id: String,
    /// `whsec_…`; the same each time for one device, so that `--print-secret` tells the one that is used later, also when
    /// the local Stripe was started again meanwhile.
    pub secret: String,
    link: Option<Link>,
    was_connected: bool,
    seen: OffsetDateTime,
}

/// The connection of a session.
#[derive(Clone, Debug)]
struct Link {
    number: u64,
    frames: UnboundedSender<String>,
}

impl Session {
    /// Whether the CLI is there.
    pub(super) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the CLI was ever there: `--print-secret` opens sessions that it never connects.
    pub(super) fn was_connected(&self) -> bool {
        self.was_connected
    }

    /// Sends a delivery as one frame, and a second one in the newest version for `stripe listen --latest`: the CLI takes
    /// one of both. False where nobody is connected.
    pub(super) fn send(&self, delivery: &Delivery, event: Option<&Event>, timestamp: i64) -> bool {
        let Some(link) = &self.link else {
            return false;
        };
        let newest = ApiVersion::default();
        let latest = event.map(|event| body::pretty(&event.json(Some(&newest), 1)));
        let sent = link.frames.send(self.frame(&delivery.id, &delivery.body, None, timestamp)).is_ok();
        if let Some(latest) = latest {
            // Where this one is lost the other was too, and both are sent again.
            let _ = link.frames.send(self.frame(&delivery.id, &latest, Some(newest.as_str()), timestamp));
        }
        sent
    }

    fn frame(&self, id: &str, payload: &str, api_version: Option<&str>, timestamp: i64) -> String {
        let mut headers: serde_json::Map<String, Value> =
            HEADERS.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        // The CLI's own HTTP client asks for what it can read.
        headers.remove("Accept-Encoding");
        headers.insert(
            "Stripe-Signature".to_owned(),
            json!(signature::header(&self.secret, timestamp, payload)),
        );
        json!({
            "type": "webhook_event", "endpoint": { "api_version": api_version }, "event_payload": payload,
            "http_headers": headers, "webhook_conversation_id": id.replace("wh_", "wc_"), "webhook_id": id
        })
        .to_string()
    }
}

impl Deliveries {
    /// Opens a session for a device.
    pub fn open_session(&self, device: &str) -> Session {
        let mut state = self.state();
        state.drawn += 1;
        let session = Session {
            id: format!("cliws_{}", &self.draw("session", &state.drawn.to_string())[..24]),
            secret: lasting_secret(device),
            link: None,
            was_connected: false,
            seen: self.now(),
        };
        state.sessions.push(session.clone());
        session
    }

    /// Connects a session: frames for the CLI go to `frames`. Gives the number of the connection; none where there is no
    /// such session.
    pub fn connect_session(&self, id: &str, frames: UnboundedSender<String>) -> Option<u64> {
        let mut state = self.state();
        state.drawn += 1;
        let number = state.drawn;
        let session = state.sessions.iter_mut().find(|session| session.id == id)?;
        session.link = Some(Link { number, frames });
        session.was_connected = true;
        drop(state);
        self.wake();
        Some(number)
    }

    /// Disconnects a session, unless it has a newer connection. What was sent but not acknowledged is sent again.
    pub fn disconnect_session(&self, id: &str, number: u64) {
        let mut state = self.state();
        let now = self.now();
        let Some(session) = state.sessions.iter_mut().find(|session| session.id == id) else {
            return;
        };
        if session.link.as_ref().is_none_or(|link| link.number != number) {
            return;
        }
        session.link = None;
        session.seen = now;
        for delivery in state.ledger.all_mut() {
            if delivery.stage == Stage::Sending && delivery.receiver.id() == id {
                delivery.stage = Stage::Waiting;
            }
        }
        drop(state);
        self.0.changed.send_replace(());
    }

    /// Closes a session: nothing is kept for it any more.
    pub fn close_session(&self, id: &str) {
        self.state().sessions.retain(|session| session.id != id);
        self.wake();
    }

    /// The CLI has a delivery; it may not want to forward it.
    pub fn acknowledge(&self, delivery: &str) {
        if let Some(delivery) = self.state().ledger.get_mut(delivery)
            && delivery.stage == Stage::Sending
        {
            delivery.stage = Stage::Acknowledged;
        }
        self.0.changed.send_replace(());
    }

    /// The CLI says what its endpoint answered.
    pub fn forwarded(&self, delivery: &str, status: u16) {
        self.record(delivery, Ok(status));
    }
}

impl State {
    pub(super) fn forget_dead_sessions(&mut self, now: OffsetDateTime) {
        let is_alive =
            |session: &Session| session.is_connected() || (now - session.seen).whole_seconds() < KEPT_SECONDS;
        self.sessions.retain(is_alive);
    }
}
