//! The worker: claims what is due, makes the attempts, records what came of them.
//!
//! [`FulfilmentWorker::run_once`] is one round of it, step by step. Between the claim and the record no transaction is
//! open; what makes that safe is the lease, the fence and the idempotency key. See the feature's page for the guarantee.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::task::JoinSet;

use super::{FulfilmentMetrics, Provider};
use crate::clock::Clock;
use crate::config::ProviderChoice;

mod attempt;
mod claim;
mod record;

/// How the worker works.
#[derive(Clone, Debug)]
pub struct FulfilmentSettings {
    /// How long a claim is the worker's own; after it the worker counts as dead. 60 s.
    pub lease: Duration,
    /// How many fulfilments a round claims, and so how many calls to the provider run at a time. 16.
    pub concurrency: u32,
    /// The wait before the second attempt; it doubles with each further one. 10 s.
    pub retry_base: Duration,
    /// After so many attempts without a clear answer a person must act. 12, which with the other defaults is hours.
    pub max_attempts: i32,
}

impl Default for FulfilmentSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            concurrency: 16,
            retry_base: Duration::from_secs(10),
            max_attempts: 12,
        }
    }
}

impl FulfilmentSettings {
    /// The defaults, with a lease in which a question and a sending can both use up their time.
    pub fn for_provider(choice: &ProviderChoice, retry_base: Duration) -> Self {
        let defaults = Self { retry_base, ..Self::default() };
        match choice {
            ProviderChoice::Log => defaults,
            ProviderChoice::Http { timeout, .. } => {
                Self { lease: defaults.lease.max(timeout.saturating_mul(3)), ..defaults }
            }
        }
    }
}

/// Gets queued fulfilments carried out. Any number may run, in one process or in many.
#[derive(Clone)]
pub struct FulfilmentWorker {
    pool: PgPool,
    clock: Clock,
    provider: Arc<dyn Provider>,
    name: String,
    settings: FulfilmentSettings,
    metrics: FulfilmentMetrics,
}

impl FulfilmentWorker {
    /// A worker. `name` holds its leases: it must be this process's alone, now and after a restart.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        provider: Arc<dyn Provider>,
        name: impl Into<String>,
        settings: FulfilmentSettings,
        metrics: FulfilmentMetrics,
    ) -> Self {
        Self { pool, clock, provider, name: name.into(), settings, metrics }
    }

    /// Claims what is due, up to the concurrency, and sees each to its end. Returns how many it took, those included
    /// that turned out not to be ready; 0 means that there is nothing to do now.
    ///
    /// Rounds of one worker may overlap. To stop, let the round end: it is bounded by the lease. A round that is dropped
    /// instead leaves its fulfilments in doubt until their leases end.
    ///
    /// # Errors
    /// The database failed. Attempts whose outcome could not be recorded are in doubt, and are taken up again when
    /// their leases end.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        let (taken, claimed) = self.claim().await?;
        let deliveries = self.deliveries(&claimed).await;

        let mut under_way = JoinSet::new();
        for (claimed, delivery) in claimed.into_iter().zip(deliveries) {
            under_way.spawn(self.clone().attempt(claimed, delivery));
        }

        let mut recorded = Ok(());
        while let Some(first) = under_way.join_next().await {
            // What else has ended by now is recorded with it: commits, not calls, are what the database pays for.
            let ended = std::iter::once(first).chain(std::iter::from_fn(|| under_way.try_join_next()));
            let finished = ended.filter_map(attempt::unless_broken_off).collect();
            recorded = self.record(finished).await.and(recorded);
        }
        recorded.map(|()| taken)
    }
}
