//! The whole service, put together: for `serve` and `worker`, for the demo and for tests alike.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use anyhow::Context;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::config::{LabelledSecret, ServeConfig, StripeConfig, WorkerConfig};
use crate::connect::Platform;
use crate::fulfilment::{FulfilmentMetrics, FulfilmentSettings, FulfilmentWorker, provider};
use crate::inbox::{self, Applier, InboxMetrics, Recorder};
use crate::orders::Patience;
use crate::payments::{Payments, Resumer};
use crate::server::{self, Shared};
use crate::stripe;
use crate::webhooks::{EndpointSecret, Intake, WebhookMetrics};
use crate::worker::Workers;
use crate::{db, telemetry};

mod neighbours;

pub use neighbours::neighbours;

/// Connections for the JSON API and health checks.
const HTTP_CONNECTIONS: u32 = 8;
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
    recorder: JoinHandle<()>,
    pool: PgPool,
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
        let registry = Arc::new(registry);

        let pool = db::connect(database_url, "packline", WORK_CONNECTIONS)?;
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
            let listener = TcpListener::bind(serve.listen).with_context(|| {
                format!("PACKLINE_LISTEN: {} cannot be listened on; is it in use?", serve.listen)
            })?;
            listener.set_nonblocking(true)?;
            let (recorder, recording) = Recorder::start(pool.clone(), inbox_metrics.clone());
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
                payments,
                cors_origins: serve.cors_origins,
            };
            let threads = std::thread::available_parallelism().map_or(2, usize::from);
            let (server, address) = server::start(listener, threads, serve.shutdown_grace, shared)?;
            app.address = Some(address);
            app.http = Some(Http {
                handle: server.handle(),
                task: tokio::spawn(server),
                recorder: recording,
                pool: http_pool,
            });
        }

        if let Some(work) = roles.work {
            let patience = Patience { grace: work.adoption_grace, order_wait: work.order_wait };
            let applier = Applier::new(pool.clone(), clock.clone(), work.livemode, patience, inbox_metrics);
            let resumer = stripe.clone().map(|stripe| {
                let neighbours = neighbours(work.livemode);
                Resumer::new(Payments::new(pool.clone(), clock.clone(), Some(stripe), None, neighbours))
            });
            let accounts = stripe.map(|stripe| {
                // The worker sends no browser anywhere.
                let nowhere = stripe.1.connect_base.clone();
                let wake = inbox::wake_waiting;
                Platform::new(pool.clone(), clock.clone(), work.livemode, nowhere, wake, Some(stripe))
            });
            let fulfilment = match &work.provider {
                Some(choice) => {
                    let settings = FulfilmentSettings::for_provider(choice, work.retry_base);
                    let provider = provider(choice, clock.clone())?;
                    let name = format!("{}/{}", std::process::id(), uuid::Uuid::new_v4());
                    Some(FulfilmentWorker::new(
                        pool.clone(),
                        clock,
                        provider,
                        name,
                        settings,
                        fulfilment_metrics,
                    ))
                }
                None => {
                    tracing::warn!(
                        "nothing fulfils paid orders: they wait until FULFILMENT_URL or FULFILMENT_PROVIDER is set"
                    );
                    None
                }
            };
            app.workers = Some(Workers::start(&pool, applier, fulfilment, resumer, accounts));
        }
        Ok(app)
    }

    /// Where HTTP is served.
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
            is_clean &= timeout_at(deadline, http.recorder).await.is_ok();
            is_clean &= timeout_at(deadline, http.pool.close()).await.is_ok();
        }
        if let Some(workers) = self.workers {
            is_clean &= workers.stop(deadline.saturating_duration_since(Instant::now())).await;
        }
        is_clean &= timeout_at(deadline, self.pool.close()).await.is_ok();
        is_clean
    }
}

/// A client for all that a process calls Stripe for: they share the limit of calls a second.
fn with_client(config: StripeConfig) -> anyhow::Result<(stripe::Client, StripeConfig)> {
    Ok((stripe::Client::new(&config)?, config))
}

fn endpoint_secrets(secrets: &[LabelledSecret]) -> Vec<EndpointSecret> {
    secrets.iter().map(|secret| EndpointSecret::new(&secret.label, secret.secret.expose())).collect()
}
