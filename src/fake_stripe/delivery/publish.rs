//! From a happening to deliveries: who gets it, how often and when.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::Value;
use time::OffsetDateTime;

use super::endpoint::Receiver;
use super::event::{Event, KEPT_SECONDS};
use super::ledger::{Delivery, Stage};
use super::mode::{Mode, matches};
use super::shape::{ApiVersion, Objects};
use super::{Deliveries, State, body};
use crate::fake_stripe::Happening;

impl Deliveries {
    /// Keeps an event and sends it to whoever wants it. `world` is asked for what older shapes show of other objects.
    pub fn publish(&self, happening: Happening, world: &dyn Objects) {
        let now = self.now();
        let mut state = self.state();
        let oldest = now.unix_timestamp() - KEPT_SECONDS;
        state.events.retain(|event| event.happening.created >= oldest);

        let versions: Vec<ApiVersion> =
            state.endpoints.iter().filter_map(|endpoint| endpoint.api_version.clone()).collect();
        let newest = ApiVersion::default();
        let event =
            Event::freeze(happening, state.version.clone(), versions.into_iter().chain([newest]), world);
        let receivers = state.receivers(&event.happening);
        let id = event.happening.id.clone();
        let mode = state.mode.for_type(&event.happening.event_type);
        state.events.push(event);
        state.send(&id, receivers, &mode, now);
        drop(state);
        self.told();
    }

    /// Sends an event again by hand, whatever the mode: to one endpoint, or to all sockets of the CLI, or without both
    /// to all that want it. Gives the event, or none where there is none.
    pub fn resend(&self, event: &str, endpoint: Option<&str>, to_cli: bool) -> Option<Value> {
        let now = self.now();
        let mut state = self.state();
        let happening = &state.events.iter().find(|kept| kept.happening.id == event)?.happening;
        let mut receivers = match endpoint {
            Some(id) if state.endpoints.iter().any(|endpoint| endpoint.id == id) => {
                vec![Receiver::Endpoint(id.to_owned())]
            }
            Some(_) => Vec::new(),
            None => state.receivers(happening),
        };
        if to_cli && endpoint.is_none() {
            receivers.retain(|receiver| matches!(receiver, Receiver::Socket(_)));
        }
        state.send(event, receivers, &Mode::default(), now);
        let shown = state.event(event);
        drop(state);
        self.told();
        shown
    }

    /// Sends what is held or delayed now, of some events only if any are named (by id, or by type). In a shuffling mode
    /// their order is drawn. Gives how many there were.
    pub fn deliver_now(&self, only: &[String]) -> usize {
        let now = self.now();
        let mut state = self.state();
        let state = &mut *state;
        let mut released: Vec<usize> = Vec::new();
        for (index, delivery) in state.ledger.all().iter().enumerate() {
            let is_wanted = only.is_empty()
                || only
                    .iter()
                    .any(|wanted| *wanted == delivery.event || matches(wanted, &delivery.event_type));
            let waits = match delivery.stage {
                Stage::Held => true,
                Stage::Waiting => delivery.due > now,
                _ => false,
            };
            if is_wanted && waits {
                released.push(index);
            }
        }
        let mut ranks: Vec<u64> = released.iter().map(|_| state.ledger.number()).collect();
        if state.mode.shuffle {
            ranks.shuffle(&mut state.chance);
        }
        for (index, rank) in released.iter().zip(ranks) {
            let delivery = &mut state.ledger.all_mut()[*index];
            delivery.stage = Stage::Waiting;
            delivery.due = now;
            delivery.rank = rank;
        }
        self.told();
        released.len()
    }

    fn told(&self) {
        self.0.changed.send_replace(());
        self.wake();
    }
}

impl State {
    /// Who wants an event.
    fn receivers(&self, happening: &Happening) -> Vec<Receiver> {
        let endpoints = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&happening.event_type, happening.account.as_deref()))
            .filter(|endpoint| {
                endpoint.api_version.as_ref().unwrap_or(&self.version).knows(&happening.event_type)
            })
            .map(|endpoint| Receiver::Endpoint(endpoint.id.clone()));
        // The CLI sorts out by itself what goes to its endpoint for connected accounts.
        let connected = self.sessions.iter().filter(|session| session.was_connected());
        let sockets = connected.map(|session| Receiver::Socket(session.id.clone()));
        endpoints.chain(sockets).collect()
    }

    /// Begins the deliveries of an event.
    fn send(&mut self, event: &str, receivers: Vec<Receiver>, mode: &Mode, now: OffsetDateTime) {
        let Some(kept) = self.events.iter().find(|kept| kept.happening.id == event) else {
            return;
        };
        let event_type = kept.happening.event_type.clone();
        let mut pending: Vec<&Receiver> = receivers.iter().collect();
        pending.dedup();
        let pending = pending.len();
        for receiver in receivers {
            let version = match &receiver {
                Receiver::Endpoint(id) => self.endpoints.iter().find(|endpoint| &endpoint.id == id),
                Receiver::Socket(_) => None,
            }
            .and_then(|endpoint| endpoint.api_version.as_ref());
            let body: Arc<str> = body::pretty(&kept.json(version, pending)).into();
            for _ in 0..mode.duplicate.max(1) {
                let rank = self.ledger.number();
                let mut wait = Duration::from_millis(mode.delay_ms);
                if mode.shuffle {
                    let window = u64::try_from(mode.shuffle_window().as_millis()).unwrap_or(u64::MAX);
                    wait += Duration::from_millis(self.chance.random_range(0..window));
                }
                let stage = match mode {
                    Mode { lose: true, .. } => Stage::Lost,
                    Mode { hold: true, .. } => Stage::Held,
                    _ => Stage::Waiting,
                };
                self.ledger.add(Delivery {
                    id: format!("wh_{rank}"),
                    event: event.to_owned(),
                    event_type: event_type.clone(),
                    receiver: receiver.clone(),
                    body: Arc::clone(&body),
                    stage,
                    due: now + wait,
                    rank,
                    attempts: Vec::new(),
                });
            }
        }
    }

    /// An event as the API shows it.
    pub(super) fn event(&self, id: &str) -> Option<Value> {
        let kept = self.events.iter().find(|kept| kept.happening.id == id)?;
        Some(kept.json(None, self.ledger.pending(id)))
    }
}
