//! `packline serve` and `packline worker`.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::database::Database;
use crate::app::{App, Roles};
use crate::clock::Clock;
use crate::config::{Faults, ProviderChoice, ServeConfig, Settings, WorkerConfig};

pub(super) async fn serve(settings: &Settings, with_worker: bool) -> anyhow::Result<()> {
    let roles = if with_worker {
        let (serve, work) = Faults::both(settings.for_serve(), settings.for_worker())?;
        Roles { serve: Some(serve), work: Some(work) }
    } else {
        Roles { serve: Some(settings.for_serve()?), work: None }
    };
    run(settings, roles).await
}

pub(super) async fn work(settings: &Settings) -> anyhow::Result<()> {
    run(settings, Roles { serve: None, work: Some(settings.for_worker()?) }).await
}

async fn run(settings: &Settings, roles: Roles) -> anyhow::Result<()> {
    // From the first moment: whoever is told to stop while it starts still leaves in order.
    let mut stop = StopSignal::listen()?;
    if let Some(WorkerConfig { provider: Some(ProviderChoice::Log), .. }) = roles.work {
        tracing::warn!("paid orders are only written to this log; set FULFILMENT_URL to have them sent");
    }
    if let Some(ServeConfig { stripe: None, livemode: false, .. }) = roles.serve
        && cfg!(feature = "fake-stripe")
    {
        tracing::info!(
            "STRIPE_SECRET_KEY is not set: events are received, but Stripe is not called. To develop without an account run \
             `packline fake-stripe` and set STRIPE_API_BASE=http://127.0.0.1:12111 STRIPE_SECRET_KEY=sk_test_local"
        );
    }
    let is_served = roles.serve.is_some();
    let mode = roles.serve.as_ref().map(|serve| if serve.livemode { "live" } else { "test" });
    let database = Database::open(settings).await?;
    let app = App::start(&database.url, roles, Clock::system())?;
    match app.address() {
        Some(address) if !is_served => {
            tracing::info!(%address, "working; metrics at http://{address}/metrics")
        }
        Some(address) => tracing::info!(%address, stripe.mode = mode, "serving http://{address}"),
        None => tracing::info!("working"),
    }

    stop.received().await;
    tracing::info!("stopping: finishing what was begun");
    if !app.stop().await {
        tracing::warn!("stopped before everything was finished; it will be taken up again");
    }
    database.close().await
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(feature = "fake-stripe")]
pub(super) async fn until_told_to_stop() -> anyhow::Result<()> {
    StopSignal::listen()?.received().await;
    Ok(())
}

/// Ctrl-C and SIGTERM: what comes from now on is kept until it is asked for.
pub(super) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// Begins to listen.
    ///
    /// # Errors
    /// The signals cannot be listened for.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("the signals to stop cannot be listened for");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the first of them.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
