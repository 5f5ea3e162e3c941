//! The whole service, put together: for `serve` and `worker`, for the demo and for tests alike.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web;
use anyhow::Context;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::config::{LabelledSecret, ServeConfig, StripeConfig, WorkerConfig};
use crate::connect::Platform;
use crate::fulfilment::{
    DEFAULT_PROVIDER, FulfilmentMetrics, FulfilmentSettings, FulfilmentWorker, Links, Providers, provider,
};
use crate::inbox::{self, Applier, InboxMetrics, Recorder};
use crate::invoices::Invoices;
use crate::lookups::Lookups;
use crate::orders::Patience;
use crate::outbox::Outbox;
use crate::payments::{Payments, Resumer};
use crate::quotes::Quotes;
use crate::retention::{Retention, RetentionMetrics, RetentionSettings};
use crate::server::{self, Shared};
use crate::stripe;
use crate::subscriptions::Subscriptions;
use crate::webhooks::{EndpointSecret, Intake, WebhookMetrics};
use crate::worker::{AtStripe, Workers};
use crate::{db, telemetry};

mod neighbours;

pub use neighbours::{FOR_LOOKUPS, FOR_QUOTES, FOR_SUBSCRIPTIONS, RECEIVERS, UNPAID, billing, neighbours};

/// Connections for the JSON API and health checks.
const HTTP_CONNECTIONS: u32 = 8;
/// Connections for health checks and gauges of a process that only works.
const WATCH_CONNECTIONS: u32 = 2;
/// Connections for storing events and for the workers.
const WORK_CONNECTIONS: u32 = 12;

/// What a process does: serve HTTP, work, or both.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// Serve HTTP.
    pub serve: Option<ServeConfig>,
    /// Apply events and fulfil orders.
    pub work: Option<WorkerConfig>,
}

/// A running service.
pub struct App {
    address: Option<SocketAddr>,
    http: Option<Http>,
    workers: Option<Workers>,
    pool: PgPool,
    grace: Duration,
}

struct Http {
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
    /// Stores events; a process that only works takes none.
    recorder: Option<JoinHandle<()>>,
    pool: PgPool,
}

impl Http {
    fn run(server: Server, recorder: Option<JoinHandle<()>>, pool: PgPool) -> Self {
        Self { handle: server.handle(), task: tokio::spawn(server), recorder, pool }
    }
}

impl App {
    /// Starts a service on a migrated database.
    ///
    /// # Errors
    /// The address is taken, or a client cannot be built.
    pub fn start(database_url: &str, roles: Roles, clock: Clock) -> anyhow::Result<Self> {
        let mut registry = telemetry::registry();
        let inbox_metrics = InboxMetrics::register(&mut registry);
        let webhook_metrics = WebhookMetrics::register(&mut registry);
        let fulfilment_metrics = FulfilmentMetrics::register(&mut registry);
        let retention_metrics = RetentionMetrics::register(&mut registry);
        let registry = Arc::new(registry);

        let pool = db::connect_to_work(database_url, "packline", WORK_CONNECTIONS)?;
        let graces = [
            roles.serve.as_ref().map(|serve| serve.shutdown_grace),
            roles.work.as_ref().map(|work| work.shutdown_grace),
        ];
        let mut app = Self {
            address: None,
            http: None,
            workers: None,
            pool: pool.clone(),
            grace: graces.into_iter().flatten().max().unwrap_or_default(),
        };

        let configs = [
            roles.serve.as_ref().and_then(|serve| serve.stripe.clone()),
            roles.work.as_ref().and_then(|work| work.stripe.clone()),
        ];
        let stripe = configs.into_iter().flatten().next().map(with_client).transpose()?;

        if let Some(serve) = roles.serve {
            let listener = listen_on("PACKLINE_LISTEN", serve.listen)?;
            let (recorder, recording) = Recorder::start(&pool, &inbox_metrics, serve.committers);
            let intake = Intake::new(
                endpoint_secrets(&serve.platform_secrets),
                endpoint_secrets(&serve.connect_secrets),
                serve.livemode,
                recorder,
                clock.clone(),
                webhook_metrics,
            );
            // Apart from the workers' pool: its connections belong to the server's threads and end with them.
            let http_pool = db::connect(database_url, "packline-http", HTTP_CONNECTIONS)?;
            let address = listener.local_addr()?;
            let here =
                format!("http://{address}/").parse().context("PACKLINE_LISTEN is no address for browsers")?;
            let public_url: reqwest::Url = serve.public_url.unwrap_or(here);
            let payments = Payments::new(
                http_pool.clone(),
                clock.clone(),
                stripe.clone(),
                Some(public_url.clone()),
                neighbours(serve.livemode),
            );
            let client = stripe.as_ref().map(|(client, _)| client.clone());
            let outbox = Outbox::new(http_pool.clone(), clock.clone(), client, RECEIVERS);
            let links = Links::new(public_url.clone());
            let wake = inbox::wake_waiting;
            let platform = Platform::new(
                http_pool.clone(),
                clock.clone(),
                serve.livemode,
                public_url,
                wake,
                stripe.clone(),
            );
            let shared = Shared {
                pool: http_pool.clone(),
                clock: clock.clone(),
                intake: web::Data::new(intake),
                platform,
                registry,
                fulfilment_metrics: fulfilment_metrics.clone(),
                payments,
                quotes: Quotes::new(http_pool.clone(), clock.clone(), outbox.clone(), FOR_QUOTES),
                billing: billing(),
                invoices: Invoices::new(http_pool.clone(), clock.clone(), outbox.clone()),
                subscriptions: Subscriptions::new(
                    http_pool.clone(),
                    clock.clone(),
                    outbox.clone(),
                    FOR_SUBSCRIPTIONS,
                ),
                outbox,
                links,
                cors_origins: serve.cors_origins,
            };
            let threads = std::thread::available_parallelism().map_or(2, usize::from);
            let (server, address) = server::start(listener, threads, serve.shutdown_grace, shared)?;
            app.address = Some(address);
            app.http = Some(Http::run(server, Some(recording), http_pool));
        } else if let Some(listen) = roles.work.as_ref().and_then(|work| work.metrics_listen) {
            let listener = listen_on("PACKLINE_METRICS_LISTEN", listen)?;
            let watch_pool = db::connect(database_url, "packline-watch", WATCH_CONNECTIONS)?;
            let (server, address) = server::start_watched(
                listener,
                app.grace,
                watch_pool.clone(),
                clock.clone(),
                registry,
                fulfilment_metrics.clone(),
            )?;
            app.address = Some(address);
            app.http = Some(Http::run(server, None, watch_pool));
        }

        if let Some(work) = roles.work {
            let patience = Patience {
                grace: work.adoption_grace,
                order_wait: work.order_wait,
                can_ask: stripe.is_some(),
            };
            let applier = Applier::new(pool.clone(), clock.clone(), work.livemode, patience, inbox_metrics);
            let at_stripe =
                stripe.map(|stripe| at_stripe(&pool, &clock, (work.livemode, work.adoption_grace), stripe));
            let mut providers = Providers::new(pool.clone(), clock.clone(), work.provider_timeout);
            match &work.provider {
                Some(choice) => {
                    providers = providers.with(DEFAULT_PROVIDER, provider(choice, clock.clone())?);
                }
                None => tracing::warn!(
                    "no default provider: orders that no rule sends elsewhere wait until FULFILMENT_URL or \
                     FULFILMENT_PROVIDER is set"
                ),
            }
            let settings = FulfilmentSettings {
                retry_base: work.retry_base,
                max_age: work.max_age,
                ..FulfilmentSettings::default()
            };
            let retention = RetentionSettings {
                payloads: work.payload_retention,
                answers: work.answer_retention,
                ..RetentionSettings::default()
            };
            let retention = Retention::new(pool.clone(), clock.clone(), retention, retention_metrics);
            let name = format!("{}/{}", std::process::id(), uuid::Uuid::new_v4());
            let fulfilment =
                FulfilmentWorker::new(pool.clone(), clock, providers, name, settings, fulfilment_metrics);
            app.workers = Some(Workers::start(&pool, applier, fulfilment, retention, at_stripe));
        }
        Ok(app)
    }

    /// Where HTTP is served: everything, or for a process that only works what shows how it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Stops in the order of the line: takes no more requests, answers those that are there, lets the workers finish
    /// what they claimed. False where that took longer than the grace, all of it together; nothing is lost then either.
    pub async fn stop(self) -> bool {
        let deadline = Instant::now() + self.grace;
        let mut is_clean = true;
        if let Some(http) = self.http {
            is_clean &= timeout_at(deadline, http.handle.stop(true)).await.is_ok();
            is_clean &= timeout_at(deadline, http.task).await.is_ok();
            if let Some(recorder) = http.recorder {
                is_clean &= timeout_at(deadline, recorder).await.is_ok();
            }
            is_clean &= timeout_at(deadline, http.pool.close()).await.is_ok();
        }
        if let Some(workers) = self.workers {
            is_clean &= workers.stop(deadline.saturating_duration_since(Instant::now())).await;
        }
        is_clean &= timeout_at(deadline, self.pool.close()).await.is_ok();
        is_clean
    }
}

/// The workers that call Stripe, on a pool.
fn at_stripe(
    pool: &PgPool,
    clock: &Clock,
    (livemode, grace): (bool, Duration),
    stripe: (stripe::Client, StripeConfig),
) -> AtStripe {
    let (pool, clock) = (pool.clone(), clock.clone());
    let payments =
        Payments::new(pool.clone(), clock.clone(), Some(stripe.clone()), None, neighbours(livemode));
    let outbox = Outbox::new(pool.clone(), clock.clone(), Some(stripe.0.clone()), RECEIVERS);
    let wake = inbox::wake_waiting;
    // The worker sends no browser anywhere.
    let nowhere = stripe.1.connect_base.clone();
    AtStripe {
        payments: Resumer::new(payments),
        lookups: Lookups::new(pool.clone(), clock.clone(), stripe.0.clone(), grace, FOR_LOOKUPS),
        invoices: Invoices::new(pool.clone(), clock.clone(), outbox.clone()).waking(wake),
        quotes: Quotes::new(pool.clone(), clock.clone(), outbox.clone(), FOR_QUOTES),
        subscriptions: Subscriptions::new(pool.clone(), clock.clone(), outbox.clone(), FOR_SUBSCRIPTIONS),
        accounts: Platform::new(pool, clock, livemode, nowhere, wake, Some(stripe)),
        outbox,
    }
}

/// A client for all that a process calls Stripe for: they share the limit of calls a second.
fn with_client(config: StripeConfig) -> anyhow::Result<(stripe::Client, StripeConfig)> {
    Ok((stripe::Client::new(&config)?, config))
}

fn listen_on(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("{setting}: {address} cannot be listened on; is it in use?"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn endpoint_secrets(secrets: &[LabelledSecret]) -> Vec<EndpointSecret> {
    secrets.iter().map(|secret| EndpointSecret::new(&secret.label, secret.secret.expose())).collect()
}
