//! The record: what came of the attempts is written, if they are still this worker's to write.

use time::OffsetDateTime;

use super::super::state::{self, Next};
use super::super::{moved, store};
use super::FulfilmentWorker;
use super::attempt::Finished;
use crate::orders;

/// An attempt, and what follows from it.
struct Followed {
    finished: Finished,
    next: Next,
}

impl FulfilmentWorker {
    /// Records what ended, together; if that fails, each by itself, so that one that cannot be written does not take
    /// the outcomes of others along.
    pub(super) async fn record(&self, finished: Vec<Finished>) -> sqlx::Result<()> {
        let now = self.clock.now();
        let followed: Vec<Followed> =
            finished.into_iter().map(|finished| self.followed(finished, now)).collect();
        if followed.is_empty() || self.write(&followed, now).await.is_ok() {
            return Ok(());
        }
        let mut written = Ok(());
        for one in followed.chunks(1) {
            written = self.write(one, now).await.and(written);
        }
        written
    }

    fn followed(&self, finished: Finished, now: OffsetDateTime) -> Followed {
        let policy = self.settings.retry_policy();
        let next = state::after(&finished.outcome, finished.claimed.attempt, &policy, rand::random(), now);
        Followed { finished, next }
    }

    async fn write(&self, followed: &[Followed], now: OffsetDateTime) -> sqlx::Result<()> {
        let order_ids: Vec<_> = followed.iter().map(|one| one.finished.claimed.order_id).collect();
        let fences = followed.iter().map(|one| (one.finished.claimed.id, one.finished.claimed.attempt));

        let mut tx = self.pool.begin().await?;
        store::lock_orders(&mut tx, &order_ids).await?;
        let held = store::lock_held(&mut tx, &self.name, fences).await?;
        let (ours, lost): (Vec<_>, Vec<_>) =
            followed.iter().partition(|one| held.contains(&one.finished.claimed.id));

        let ended: Vec<_> = ours.iter().map(|one| one.ended()).collect();
        let changes: Vec<_> = ours.iter().map(|one| one.change()).collect();
        let moves: Vec<_> = ours.iter().map(|one| one.order_move()).collect();
        store::finish_attempts(&mut tx, &ended, now).await?;
        store::save(&mut tx, &changes, now).await?;
        orders::move_fulfilment(&mut tx, &moves, now).await?;
        tx.commit().await?;

        ours.iter().for_each(|one| self.tell(one));
        lost.iter().for_each(|one| self.tell_lost(one));
        Ok(())
    }

    /// One line an attempt. The reason stays in the table: it may quote the provider.
    fn tell(&self, one: &Followed) {
        let Finished { claimed, outcome, provider_time } = &one.finished;
        self.metrics.count_attempt(outcome, *provider_time);
        self.metrics.count_ends([&one.next]);
        tracing::info!(
            fulfilment.id = %claimed.id,
            order.id = %claimed.order_id,
            attempt = claimed.attempt,
            outcome = outcome.code(),
            fulfilment.state = one.next.state(),
            provider.seconds = provider_time.as_secs_f64(),
            "fulfilment attempt"
        );
    }

    fn tell_lost(&self, one: &Followed) {
        let Finished { claimed, outcome, .. } = &one.finished;
        self.metrics.count_lost_fence();
        tracing::warn!(
            fulfilment.id = %claimed.id,
            order.id = %claimed.order_id,
            attempt = claimed.attempt,
            outcome = outcome.code(),
            "fulfilment attempt outlived its lease; another worker has it now, so its outcome was not written"
        );
    }
}

impl Followed {
    fn ended(&self) -> store::Ended<'_> {
        store::Ended {
            fulfilment_id: self.finished.claimed.id,
            attempt: self.finished.claimed.attempt,
            outcome: self.finished.outcome.code(),
            detail: self.finished.outcome.detail(),
        }
    }

    fn change(&self) -> store::Change {
        store::Change {
            id: self.finished.claimed.id,
            attempts: self.finished.claimed.attempt,
            next: self.next.clone(),
            last_outcome: Some(self.finished.outcome.code()),
        }
    }

    fn order_move(&self) -> orders::FulfilmentMove {
        let claimed = &self.finished.claimed;
        moved(claimed.order_id, self.next.axis(), claimed.cause(), self.next.reason().map(str::to_owned))
    }
}
