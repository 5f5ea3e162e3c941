//! What happens is told: events are kept, signed and sent to webhook endpoints and to the sockets of the Stripe CLI.
//!
//! An event is frozen when it happens, in the version of each receiver. Each receiver gets it on its own: an endpoint
//! that is slow or refuses delays no other. By default one endpoint gets events in the order of happening, one at a
//! time; Stripe promises no order, and [`Mode`] makes use of that. Anything but a 2xx is tried again, with a fresh time
//! and signature, after waits that pass on the clock of the local Stripe.

mod body;
pub(super) mod controls;
mod endpoint;
mod event;
mod ledger;
mod mode;
mod publish;
mod read;
pub(super) mod routes;
mod send;
mod shape;
mod signature;
mod socket;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::http_client;

pub use endpoint::Endpoint;
pub use mode::Mode;
pub use read::EventFilter;
pub use shape::{ApiVersion, NEWEST, OLD, Objects};
pub use signature::lasting_secret;
pub use socket::Session;

use event::Event;
use ledger::Ledger;

/// How many webhook endpoints there may be.
pub const MOST_ENDPOINTS: usize = 16;
/// How long an endpoint may take to answer; Stripe does not publish its own patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// All that is told, and to whom. Clones share it.
#[derive(Clone, Debug)]
pub struct Deliveries(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// How far the clock of the local Stripe was moved beyond that, in microseconds.
    ahead_micros: AtomicI64,
    client: reqwest::Client,
    state: Mutex<State>,
    /// There may be something to send.
    wake: Notify,
    /// Something changed, for those who wait for it.
    changed: watch::Sender<()>,
    stop: CancellationToken,
    retries: Vec<Duration>,
    seed: u64,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    version: ApiVersion,
    chance: StdRng,
    events: Vec<Event>,
    endpoints: Vec<Endpoint>,
    sessions: Vec<Session>,
    ledger: Ledger,
    /// Counts what gets a drawn id.
    drawn: u64,
}

impl Deliveries {
    /// Starts to deliver, on the runtime that this is called on, until it is told to stop.
    ///
    /// `retries` are the waits after a try that failed; none means Stripe's, quick at first.
    ///
    /// # Errors
    /// There can be no HTTP client.
    pub fn start(clock: Clock, seed: u64, retries: Option<Vec<Duration>>) -> std::io::Result<Self> {
        let client = http_client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .map_err(|error| std::io::Error::other(format!("no HTTP client: {error}")))?;
        let state = State::new(seed);
        let deliveries = Self(Arc::new(Shared {
            clock,
            ahead_micros: AtomicI64::new(0),
            client,
            state: Mutex::new(state),
            wake: Notify::new(),
            changed: watch::Sender::new(()),
            stop: CancellationToken::new(),
            retries: retries.unwrap_or_else(|| ledger::RETRIES.to_vec()),
            seed,
        }));
        tokio::spawn(send::run(deliveries.clone()));
        Ok(deliveries)
    }

    /// Sends no more.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Takes over how far the clock of the local Stripe was moved.
    pub(super) fn keep_ahead(&self, ahead: Duration) {
        self.0.ahead_micros.store(i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.wake();
    }

    /// Looks whether something became due.
    fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// The time of the local Stripe.
    fn now(&self) -> OffsetDateTime {
        let ahead = self.0.ahead_micros.load(Ordering::Relaxed);
        self.0.clock.now().saturating_add(time::Duration::microseconds(ahead))
    }

    /// The time that signatures bear: that of the clock it was started with, since a receiver takes no signature from
    /// the future, however far the clock of the local Stripe was moved.
    fn signing_time(&self) -> i64 {
        self.0.clock.now().unix_timestamp()
    }

    /// Completes when it is told to stop.
    pub(super) async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// The version of the account.
    pub fn version(&self) -> ApiVersion {
        self.state().version.clone()
    }

    /// How deliveries go wrong now.
    pub fn mode(&self) -> Mode {
        self.state().mode.clone()
    }

    /// Says how deliveries go wrong from now on. What is held stays so until it is released.
    ///
    /// # Errors
    /// The shape is no version.
    pub fn set_mode(&self, mode: Mode) -> Result<(), String> {
        let version = mode.version()?;
        let mut state = self.state();
        state.version = version;
        state.mode = mode;
        Ok(())
    }

    /// Forgets all events, deliveries and the mode; endpoints and sockets stay.
    pub fn reset(&self) {
        let mut state = self.state();
        let old = std::mem::replace(&mut *state, State::new(self.0.seed));
        state.endpoints = old.endpoints;
        state.sessions = old.sessions;
        state.drawn = old.drawn;
        // What is under way still must not be taken for something newer.
        state.ledger.go_on_after(&old.ledger);
        drop(state);
        self.0.changed.send_replace(());
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub fn add_endpoint(&self, mut endpoint: Endpoint) -> Result<Endpoint, String> {
        let mut state = self.state();
        if state.endpoints.len() >= MOST_ENDPOINTS {
            return Err(format!("You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints."));
        }
        state.drawn += 1;
        let number = state.drawn;
        if endpoint.id.is_empty() {
            endpoint.id = format!("we_{}", &self.draw("endpoint", &number.to_string())[..24]);
        }
        if endpoint.secret.is_empty() {
            endpoint.secret = format!("whsec_{}", &self.draw("secret", &number.to_string())[..32]);
        }
        endpoint.created = self.now().unix_timestamp();
        state.endpoints.push(endpoint.clone());
        Ok(endpoint)
    }

    /// All endpoints, newest first.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.state().endpoints.iter().rev().cloned().collect()
    }

    /// Changes an endpoint; none where there is none.
    pub fn change_endpoint(&self, id: &str, change: impl FnOnce(&mut Endpoint)) -> Option<Endpoint> {
        let mut state = self.state();
        let endpoint = state.endpoints.iter_mut().find(|endpoint| endpoint.id == id)?;
        change(endpoint);
        Some(endpoint.clone())
    }

    /// Removes an endpoint: what is on its way to it is not tried again. False where there is none.
    pub fn remove_endpoint(&self, id: &str) -> bool {
        let mut state = self.state();
        let before = state.endpoints.len();
        state.endpoints.retain(|endpoint| endpoint.id != id);
        state.endpoints.len() < before
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half way through a change that matters.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hex digits that depend on the seed, and on what they are for.
    fn draw(&self, purpose: &str, of: &str) -> String {
        signature::hmac_hex(&self.0.seed.to_be_bytes(), &[purpose.as_bytes(), b"/", of.as_bytes()])
    }
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            mode: Mode::default(),
            version: ApiVersion::default(),
            chance: StdRng::seed_from_u64(seed),
            events: Vec::new(),
            endpoints: Vec::new(),
            sessions: Vec::new(),
            ledger: Ledger::default(),
            drawn: 0,
        }
    }
}
