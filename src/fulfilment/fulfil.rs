//! The worker: claims what is due, makes the attempts, records what came of them.
//!
//! [`FulfilmentWorker::run`] does so for as long as the process lives, [`FulfilmentWorker::run_once`] is one round of it.
//! Between the claim and the record no transaction is open; what makes that safe is the lease, the fence and the
//! idempotency key. See the feature's page for the guarantee.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::task::JoinSet;

use super::{FulfilmentMetrics, Providers};
use crate::clock::Clock;

mod attempt;
mod beat;
mod claim;
mod health;
mod places;
mod record;
mod rooms;
mod run;

use health::Tallies;
use places::Places;

/// How the worker works.
#[derive(Clone, Debug)]
pub struct FulfilmentSettings {
    /// How long a claim is the worker's own without a beat; after it the worker counts as dead. 25 s.
    pub lease: Duration,
    /// How often the worker lengthens the leases of what it is at. 5 s.
    pub beat: Duration,
    /// How many calls to each provider this process makes at a time. 16.
    pub concurrency: u32,
    /// The wait before the second attempt; it doubles with each further one. 10 s.
    pub retry_base: Duration,
    /// A series of tries that is older is given up, and a person must act. 3 days.
    pub max_age: Duration,
    /// So is one with so many tries, however young: it may be what kills the workers. 50.
    pub max_attempts: i32,
}

impl Default for FulfilmentSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(25),
            beat: Duration::from_secs(5),
            concurrency: 16,
            retry_base: Duration::from_secs(10),
            max_age: Duration::from_secs(3 * 24 * 60 * 60),
            max_attempts: 50,
        }
    }
}

/// Gets queued fulfilments carried out. Any number may run, in one process or in many.
#[derive(Clone)]
pub struct FulfilmentWorker {
    pool: PgPool,
    clock: Clock,
    providers: Arc<Providers>,
    name: String,
    settings: FulfilmentSettings,
    metrics: FulfilmentMetrics,
    places: Places,
    tallies: Tallies,
}

impl FulfilmentWorker {
    /// A worker. `name` holds its leases: it must be this process's alone, now and after a restart.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        providers: Providers,
        name: impl Into<String>,
        settings: FulfilmentSettings,
        metrics: FulfilmentMetrics,
    ) -> Self {
        Self {
            pool,
            clock,
            providers: Arc::new(providers),
            name: name.into(),
            settings,
            metrics,
            places: Places::default(),
            tallies: Tallies::default(),
        }
    }

    /// Claims what is due, up to the concurrency, and sees each to its end. Returns how many it took, those included
    /// that turned out not to be ready; 0 means that there is nothing to do now.
    ///
    /// Rounds of one worker may overlap. To stop, let the round end. A round that is dropped instead leaves its
    /// fulfilments in doubt until their leases end. Nothing beats here: see [`Self::beat`].
    ///
    /// # Errors
    /// The database failed. Attempts whose outcome could not be recorded are in doubt, and are taken up again when
    /// their leases end.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        let took = self.claim(false).await?;
        let deliveries = self.deliveries(&took.claimed).await;

        let mut under_way = JoinSet::new();
        for (claimed, delivery) in took.claimed.into_iter().zip(deliveries) {
            under_way.spawn(self.clone().attempt(claimed, delivery));
        }

        let mut recorded = Ok(());
        while let Some(first) = under_way.join_next().await {
            // What else has ended by now is recorded with it: commits, not calls, are what the database pays for.
            let ended = std::iter::once(first).chain(std::iter::from_fn(|| under_way.try_join_next()));
            let finished: Vec<_> = ended.filter_map(attempt::unless_broken_off).collect();
            recorded = self.record(&finished).await.and(recorded);
        }
        recorded.map(|()| took.looked_at)
    }
}
