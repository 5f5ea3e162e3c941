//! Looks at the tables when somebody looks at the gauges: what waits, what is stuck, how the providers are.
//!
//! One statement a sample, over indexes that only hold what is open, and no more than one in fifteen seconds.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::FulfilmentMetrics;
use super::store;

/// How old the gauges may be.
const OLDEST: Duration = Duration::from_secs(15);

/// Sets the gauges of a process. Clones share what they know.
#[derive(Clone, Debug)]
pub struct FulfilmentSampler {
    pool: PgPool,
    metrics: FulfilmentMetrics,
    /// When they were set last.
    sampled: Arc<Mutex<Option<Instant>>>,
}

impl FulfilmentSampler {
    /// A sampler for these metrics.
    pub fn new(pool: PgPool, metrics: FulfilmentMetrics) -> Self {
        Self { pool, metrics, sampled: Arc::default() }
    }

    /// Sets the gauges now.
    ///
    /// # Errors
    /// The database's; the gauges stay as they are.
    pub async fn sample(&self) -> sqlx::Result<()> {
        let providers = store::list_providers(&mut *self.pool.acquire().await?).await?;
        self.metrics.set_gauges(&providers);
        Ok(())
    }

    /// Sets the gauges unless they are fresh. Where the database does not answer in time they stay as they are.
    pub async fn keep_fresh(&self, within: Duration) {
        let mut sampled = self.sampled.lock().await;
        if sampled.is_some_and(|at| at.elapsed() < OLDEST) {
            return;
        }
        *sampled = Some(Instant::now());
        match timeout(within, self.sample()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the fulfilment gauges cannot be set now"),
            Err(_) => tracing::warn!("the database took too long to say how fulfilment is doing"),
        }
    }
}
