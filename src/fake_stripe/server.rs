//! The server: reads calls, carries them out one at a time, and answers as Stripe does.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tokio::task::JoinHandle;

use super::controls::{self, AfterRetries, Outcome};
use super::delivery::{self, Deliveries};
use super::event::Happening;
use super::frame::faults::Fault;
use super::hosted_pages;
use super::resources::{accounts, payment_intents};
use super::world::World;
use super::{cli_protocol, stripe_js};
use crate::clock::Clock;

mod answer;

/// How often the server looks whether something has become due.
const TICK: Duration = Duration::from_millis(100);

/// How long it keeps a connection open that is not used: longer than a caller that thinks does not ask.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Told of each thing that happens, in order. It must return at once and must not call the server.
pub type Publish = Arc<dyn Fn(Happening) + Send + Sync>;

/// How to start a local Stripe.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; on loopback only. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Decides the ids.
    pub seed: u64,
    /// The time; the server's own clock can be moved further than it.
    pub clock: Clock,
    /// The waits after deliveries that failed; none means Stripe's, with quick ones first.
    pub retries: Option<Vec<Duration>>,
}

impl Options {
    /// On a free port of 127.0.0.1.
    pub fn new(clock: Clock) -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), seed: 1, clock, retries: None }
    }
}

/// A running local Stripe. Dropping it does not stop it; [`FakeStripe::stop`] does.
#[derive(Debug)]
pub struct FakeStripe {
    shared: Shared,
    deliveries: Deliveries,
    base: String,
    server: ServerHandle,
    running: JoinHandle<std::io::Result<()>>,
    ticking: JoinHandle<()>,
}

/// What the routes work with.
#[derive(Clone)]
pub(super) struct Shared {
    world: Arc<Mutex<World>>,
    publish: Publish,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Works on the world, alone; does what is due before and after, and tells what happened.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world: MutexGuard<'_, World> = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.run_due();
        let worked = work(&mut world);
        world.cause = None;
        world.run_due();
        // Told before the lock is let go, so that the order of telling is the order of happening.
        let deliveries = world.deliveries.clone();
        for happening in world.take_happenings() {
            (self.publish)(happening.clone());
            deliveries.publish(happening, &*world);
        }
        worked
    }
}

impl FakeStripe {
    /// Starts a server that tells what happens to nobody.
    ///
    /// # Errors
    /// The address is not on loopback or cannot be listened on.
    pub fn start(options: Options) -> std::io::Result<Self> {
        Self::start_telling(options, Arc::new(|_| {}))
    }

    /// Starts a server that tells what happens.
    ///
    /// # Errors
    /// The address is not on loopback or cannot be listened on.
    pub fn start_telling(options: Options, publish: Publish) -> std::io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!(
                    "the local Stripe listens on loopback only, not on {}; use 127.0.0.1",
                    options.listen
                ),
            ));
        }
        let listener = TcpListener::bind(options.listen)?;
        let base = format!("http://{}", listener.local_addr()?);
        let deliveries = Deliveries::start(options.clock.clone(), options.seed, options.retries)?;
        let world = World::new(base.clone(), options.seed, options.clock, deliveries.clone());
        let shared = Shared { world: Arc::new(Mutex::new(world)), publish };
        let for_routes = shared.clone();
        let for_deliveries = web::Data::new(deliveries.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(for_routes.clone()))
                .app_data(for_deliveries.clone())
                .app_data(web::PayloadConfig::new(1 << 20))
                // Browsers call Stripe from the shop's page.
                .wrap(
                    Cors::default()
                        .allow_any_origin()
                        .allow_any_method()
                        .allow_any_header()
                        .expose_any_header(),
                )
                .configure(controls::configure)
                .configure(delivery::controls::configure)
                .configure(cli_protocol::configure)
                .configure(stripe_js::configure)
                .configure(hosted_pages::configure)
                .route("/v1/quotes/{id}/pdf", web::get().to(answer::quote_pdf))
                .default_service(web::to(answer::answer))
        })
        .keep_alive(KEEP_ALIVE)
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run();
        let handle = server.handle();
        let running = tokio::spawn(server);
        let ticking = tokio::spawn(tick(shared.clone()));
        Ok(Self { shared, deliveries, base, server: handle, running, ticking })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// What is told, to whom, and what became of it.
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// Lets time pass, and does all that becomes due.
    pub fn advance(&self, by: Duration) {
        self.shared.with(|world| world.advance(by));
    }

    /// Has the next calls fail.
    pub fn order_fault(&self, fault: Fault) {
        self.shared.with(|world| world.faults.order(fault));
    }

    /// Takes back all faults that did not happen yet.
    pub fn clear_faults(&self) {
        self.shared.with(|world| world.faults.clear());
    }

    /// The customer ends the 3-D Secure step of a PaymentIntent so.
    ///
    /// # Errors
    /// There is no such step to end; says why.
    pub fn authenticate(&self, payment_intent: &str, outcome: Outcome) -> Result<(), String> {
        let is_passed = outcome == Outcome::Succeeded;
        self.shared
            .with(|world| payment_intents::authenticate(world, payment_intent, is_passed))
            .map_or_else(|failure| Err(failure.body("").to_string()), |_| Ok(()))
    }

    /// The owner of a connected account tells all that Stripe wants to know: it can take payments and transfers.
    ///
    /// # Errors
    /// There is no such account.
    pub fn complete_account(&self, account: &str) -> Result<(), String> {
        self.shared
            .with(|world| accounts::complete(world, account))
            .map_or_else(|failure| Err(failure.body("").to_string()), |_| Ok(()))
    }

    /// Says what becomes of a subscription when the last retry of a charge failed.
    pub fn after_retries(&self, what: AfterRetries) {
        self.shared.with(|world| world.after_retries = what);
    }

    /// Forgets every object, key and fault; the time goes on.
    pub fn reset(&self) {
        self.shared.with(World::reset);
    }

    /// Waits until the server ends by itself.
    ///
    /// # Errors
    /// It ended badly.
    pub async fn wait(&mut self) -> std::io::Result<()> {
        (&mut self.running).await.unwrap_or_else(|cause| Err(std::io::Error::other(cause)))
    }

    /// Stops; calls that are not answered yet are cut off.
    pub async fn stop(self) {
        self.ticking.abort();
        self.deliveries.stop();
        self.server.stop(false).await;
    }
}

async fn tick(shared: Shared) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        shared.with(|_| ());
    }
}
