//! The HTTP server: all routes of all features, and the limits on whoever connects.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use prometheus_client::registry::Registry;
use sqlx::PgPool;

use crate::api::ApiError;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::fulfilment::{FulfilmentMetrics, FulfilmentSampler, Links};
use crate::invoices::Invoices;
use crate::orders::routes::WakeWaiting;
use crate::orders::{DescribeBilling, TakePayment};
use crate::outbox::Outbox;
use crate::payments::Payments;
use crate::quotes::Quotes;
use crate::subscriptions::Subscriptions;
use crate::webhooks::Intake;
use crate::{
    catalogue, connect, fulfilment, inbox, invoices, orders, payments, quotes, subscriptions, webhooks,
};

mod bounds;
mod health;
pub mod openapi;

/// How long a client may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; Stripe and load balancers use theirs again.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections of one server thread; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 2048;
/// Connections of those who watch a process that serves nothing else.
const MOST_WATCHERS: usize = 64;

/// What the routes work with.
#[derive(Clone)]
pub struct Shared {
    /// The API's own connections.
    pub pool: PgPool,
    /// The time.
    pub clock: Clock,
    /// The webhook endpoints.
    pub intake: web::Data<Intake>,
    /// The platform of the connected accounts.
    pub platform: connect::Platform,
    /// All metrics.
    pub registry: Arc<Registry>,
    /// Those of what call-backs tell.
    pub fulfilment_metrics: FulfilmentMetrics,
    /// Takes payments.
    pub payments: Payments,
    /// Offers to customers.
    pub quotes: Quotes,
    /// Describes what orders were billed by.
    pub billing: Arc<dyn DescribeBilling>,
    /// Asks things of invoices.
    pub invoices: Invoices,
    /// Asks things of subscriptions.
    pub subscriptions: Subscriptions,
    /// Makes the calls to Stripe that are no payments.
    pub outbox: Outbox,
    /// Where links to digital goods lead.
    pub links: Links,
    /// The origins whose pages may call what browsers call.
    pub cors_origins: Vec<String>,
}

/// Starts a server on a listening socket; returns it with the address that it has.
///
/// `grace` is how long requests may take to end when it is told to stop.
///
/// # Errors
/// The socket cannot be used.
pub fn start(
    listener: TcpListener,
    threads: usize,
    grace: Duration,
    shared: Shared,
) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    let wake: WakeWaiting = inbox::wake_waiting;
    let platform = web::Data::new(shared.platform.clone());
    let catalogue =
        web::Data::new(Catalogue::new(shared.pool.clone(), shared.clock.clone(), shared.outbox.clone()));
    let take: Arc<dyn TakePayment> = Arc::new(shared.payments.clone());
    let sampler = FulfilmentSampler::new(shared.pool.clone(), shared.fulfilment_metrics.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(sampler.clone()))
            .app_data(web::Data::new(shared.pool.clone()))
            .app_data(web::Data::new(shared.clock.clone()))
            .app_data(web::Data::new(wake))
            .app_data(web::Data::from(Arc::clone(&take)))
            .app_data(web::Data::new(shared.payments.clone()))
            .app_data(web::Data::from(Arc::clone(&shared.billing)))
            .app_data(web::Data::new(shared.outbox.clone()))
            .app_data(web::Data::new(shared.invoices.clone()))
            .app_data(web::Data::new(shared.subscriptions.clone()))
            .app_data(web::Data::from(Arc::clone(&shared.registry)))
            .app_data(web::Data::new(shared.fulfilment_metrics.clone()))
            .app_data(web::Data::new(shared.links.clone()))
            .app_data(shared.intake.clone())
            .app_data(platform.clone())
            .app_data(catalogue.clone())
            .app_data(web::Data::new(shared.quotes.clone()))
            .configure(webhooks::configure)
            .configure(payments::routes::configure(shared.cors_origins.clone()))
            .configure(orders::routes::configure)
            .configure(fulfilment::routes::configure)
            .configure(connect::routes::configure)
            .configure(invoices::routes::configure)
            .configure(subscriptions::routes::configure)
            .configure(catalogue::routes::configure)
            .configure(quotes::routes::configure)
            .configure(health::configure)
            .configure(openapi::configure)
            .default_service(web::to(no_such_route))
            .wrap(from_fn(bounds::bound))
    })
    .workers(threads)
    .max_connections(MOST_CONNECTIONS)
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .shutdown_timeout(grace.as_secs().max(1))
    .listen(listener)?
    .run();
    Ok((server, address))
}

/// Starts a server for whoever watches a process that serves nothing else: health checks and metrics.
///
/// # Errors
/// The socket cannot be used.
pub fn start_watched(
    listener: TcpListener,
    grace: Duration,
    pool: PgPool,
    clock: Clock,
    registry: Arc<Registry>,
    metrics: FulfilmentMetrics,
) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    let sampler = FulfilmentSampler::new(pool.clone(), metrics);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(sampler.clone()))
            .app_data(web::Data::new(pool.clone()))
            .app_data(web::Data::new(clock.clone()))
            .app_data(web::Data::from(Arc::clone(&registry)))
            .configure(health::configure)
            .default_service(web::to(no_such_route))
            .wrap(from_fn(bounds::bound))
    })
    .workers(1)
    .max_connections(MOST_WATCHERS)
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .shutdown_timeout(grace.as_secs().max(1))
    .listen(listener)?
    .run();
    Ok((server, address))
}

async fn no_such_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found("there is no such route; see the README for those that there are"))
}
