//! The heartbeat: what a worker is at stays its own for as long as it lives, however slow the provider.

use super::super::store;
use super::FulfilmentWorker;

impl FulfilmentWorker {
    /// Lengthens the leases of what this process has under way, where they have run for a while. Returns how many it
    /// lengthened.
    ///
    /// # Errors
    /// The database failed; the leases run on, and nothing is sent any more under those that are over.
    pub async fn beat(&self) -> sqlx::Result<usize> {
        let now = self.clock.now();
        let lease_until = now + self.settings.lease;
        // What was claimed, or beat, within the last beat has nothing to gain by this one.
        let due = self.places.ending_before(lease_until - self.settings.beat.mul_f64(0.8));
        if due.is_empty() {
            return Ok(0);
        }
        let mut conn = self.pool.acquire().await?;
        let lengthened = store::lengthen_leases(&mut conn, &self.name, &due, lease_until).await?;
        self.places.lengthen(&lengthened, lease_until);
        Ok(lengthened.len())
    }

    /// Beats until it is dropped.
    pub(super) async fn keep_beating(self) {
        let mut beats = tokio::time::interval(self.settings.beat);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            if let Err(error) = self.beat().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the leases of what is under way could not be lengthened"
                );
            }
        }
    }
}
