//! How providers are doing: what attempts tell their circuit breakers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;

use super::super::state::Tally;
use super::super::store;
use super::FulfilmentWorker;
use super::attempt::Finished;

/// Successes are kept here this long before they are forgotten, as in the breaker.
const KEPT: time::Duration = time::Duration::seconds(60);

/// Successes that no row knows of yet: while all goes well nothing is written, so that workers do not queue up for the
/// one row of a provider. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Tallies(Arc<Mutex<HashMap<String, (OffsetDateTime, Tally)>>>);

impl Tallies {
    /// Adds what ended, and takes out what is to be written: where something failed, and where the breaker is not known
    /// to be closed.
    fn add(
        &self,
        ended: HashMap<String, Tally>,
        now: OffsetDateTime,
        trials: &[String],
    ) -> Vec<(String, Tally)> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to_write = Vec::new();
        for (provider, ended) in ended {
            let (since, tally) = kept.entry(provider.clone()).or_insert_with(|| (now, Tally::default()));
            if now - *since > KEPT {
                (*since, *tally) = (now, Tally::default());
            }
            tally.attempts += ended.attempts;
            tally.failures += ended.failures;
            tally.last_failure = ended.last_failure.or(tally.last_failure.take());
            if tally.failures > 0 || trials.contains(&provider) {
                let tally = std::mem::take(tally);
                kept.remove(&provider);
                to_write.push((provider, tally));
            }
        }
        to_write
    }
}

impl FulfilmentWorker {
    /// Tells the breakers what came of attempts. Nothing depends on it that must not be lost.
    pub(super) async fn tell_health(&self, finished: &[&Finished], now: OffsetDateTime) {
        let mut ended: HashMap<String, Tally> = HashMap::new();
        for one in finished {
            let Some(is_well) = one.is_well else { continue };
            let tally = ended.entry(one.claimed.provider.clone()).or_default();
            tally.attempts += 1;
            if !is_well {
                tally.failures += 1;
                tally.last_failure = one.came.detail().map(str::to_owned);
            }
        }
        let trials: Vec<String> = finished
            .iter()
            .filter(|one| one.claimed.is_trial)
            .map(|one| one.claimed.provider.clone())
            .collect();
        let to_write = self.tallies.add(ended, now, &trials);
        if to_write.is_empty() {
            return;
        }
        if let Err(error) = self.write_health(&to_write, now).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "what attempts tell of their providers could not be written");
        }
    }

    async fn write_health(&self, tallies: &[(String, Tally)], now: OffsetDateTime) -> sqlx::Result<()> {
        let names: Vec<String> = tallies.iter().map(|(name, _)| name.clone()).collect();
        let mut tx = self.pool.begin().await?;
        let mut rows = store::lock_providers(&mut tx, &names, now).await?;
        for row in &mut rows {
            let Some((_, tally)) = tallies.iter().find(|(name, _)| *name == row.name) else { continue };
            let before = row.health.breaker;
            row.health.tell(tally, now);
            if before != row.health.breaker {
                tracing::warn!(
                    provider = row.name,
                    from = before.as_str(),
                    to = row.health.breaker.as_str(),
                    "a circuit breaker moved"
                );
            }
        }
        store::save_health(&mut tx, rows.iter().map(|row| (row.name.as_str(), &row.health))).await?;
        tx.commit().await
    }
}
