//! The loop that every worker runs: while there is work do it, else wait until woken or until the next poll.
//!
//! Waking is Postgres's `notify`: it makes the next step start within milliseconds, also across processes. It can be
//! lost; then polling finds the work within a second.

mod wake;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connect::Platform;
use crate::db;
use crate::fulfilment::FulfilmentWorker;
use crate::inbox::Applier;
use crate::invoices::Invoices;
use crate::lookups::Lookups;
use crate::outbox::Outbox;
use crate::payments::Resumer;
use crate::quotes::Quotes;
use crate::retention::Retention;
use crate::subscriptions::Subscriptions;

pub use wake::Wake;

/// How long work that nobody announced can wait.
const POLL: Duration = Duration::from_secs(1);
/// The pause after an error: the database is out of reach, and hammering it does not bring it back.
const PAUSE: Duration = Duration::from_secs(1);

/// The workers of one process.
pub struct Workers {
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The workers that call Stripe.
pub struct AtStripe {
    /// Finds out what became of calls that take and return money.
    pub payments: Resumer,
    /// Finds out what became of all other calls that change something.
    pub outbox: Outbox,
    /// Asks for what events do not say.
    pub lookups: Lookups,
    /// Looks at invoices.
    pub invoices: Invoices,
    /// Looks at quotes.
    pub quotes: Quotes,
    /// Looks at subscriptions.
    pub subscriptions: Subscriptions,
    /// Looks at connected accounts.
    pub accounts: Platform,
}

impl Workers {
    /// Starts the inbox worker, the fulfilment worker and the one that deletes, and where Stripe can be called those that
    /// call it.
    pub fn start(
        pool: &PgPool,
        applier: Applier,
        fulfilment: FulfilmentWorker,
        retention: Retention,
        at_stripe: Option<AtStripe>,
    ) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let wake = Wake::start(pool.clone(), &[db::EVENTS_CHANNEL, db::FULFILMENTS_CHANNEL], &tasks, &stop);
        let woken = wake.on(db::EVENTS_CHANNEL);
        // A second flight while there is more than one batch to do: one works while Postgres writes the other down.
        let second = applier.clone();
        tasks.spawn(run("inbox", stop.clone(), applier.crowded(), async move || second.run_once().await));
        tasks.spawn(run("inbox", stop.clone(), woken, async move || applier.run_once().await));
        tasks.spawn(fulfilment.run(wake.on(db::FULFILMENTS_CHANNEL), stop.clone()));
        tasks.spawn(retention.run(stop.clone()));
        if let Some(at_stripe) = at_stripe {
            let AtStripe { payments, outbox, lookups, invoices, quotes, subscriptions, accounts } = at_stripe;
            // Nothing wakes these: their work is due by time.
            let woken = Arc::default;
            tasks.spawn(run("payments", stop.clone(), woken(), async move || payments.run_once().await));
            tasks.spawn(run("outbox", stop.clone(), woken(), async move || outbox.run_once().await));
            // Events bring the work of these, or make it due; what nobody announced is found by polling.
            let woken = || wake.on(db::EVENTS_CHANNEL);
            tasks.spawn(run("lookups", stop.clone(), woken(), async move || lookups.run_once().await));
            tasks.spawn(run("invoices", stop.clone(), woken(), async move || invoices.run_once().await));
            tasks.spawn(run("quotes", stop.clone(), woken(), async move || quotes.run_once().await));
            let look = async move || subscriptions.run_once().await;
            tasks.spawn(run("subscriptions", stop.clone(), woken(), look));
            tasks.spawn(run("accounts", stop.clone(), woken(), async move || accounts.run_once().await));
        }
        Self { tasks, stop }
    }

    /// Lets every worker finish what it has claimed and stops; false where that took longer than `within`.
    pub async fn stop(self, within: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(within, self.tasks.wait()).await.is_ok()
    }
}

async fn run(
    name: &'static str,
    stop: CancellationToken,
    woken: Arc<Notify>,
    step: impl AsyncFn() -> sqlx::Result<usize>,
) {
    while !stop.is_cancelled() {
        let pause = match step().await {
            Ok(0) => POLL,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(
                    worker = name,
                    error = &error as &dyn std::error::Error,
                    "a worker cannot go on now"
                );
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => continue,
                    () = stop.cancelled() => break,
                }
            }
        };
        tokio::select! {
            () = woken.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    tracing::debug!(worker = name, "worker stopped");
}
