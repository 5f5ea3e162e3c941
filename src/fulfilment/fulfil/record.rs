//! The record: what came of the attempts is written, if they are still this worker's to write.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::state::{self, AfterRecall, Next, RecallOutcome, RecallsFrom};
use super::super::store::{Change, Ended, Locked};
use super::super::{Moved, Outcome, Recall, ToRecall, callback, move_orders, recall, store};
use super::FulfilmentWorker;
use super::attempt::{Came, Finished};
use super::claim::{Claimed, known_move};
use crate::db;

impl FulfilmentWorker {
    /// Records what ended, together; if that fails, each by itself, so that one that cannot be written does not take
    /// the outcomes of others along.
    ///
    /// # Errors
    /// The database failed. Where it was out of reach nothing was written, and all of it may be recorded again.
    pub(super) async fn record(&self, finished: &[Finished]) -> sqlx::Result<()> {
        let now = self.clock.now();
        if finished.is_empty() {
            return Ok(());
        }
        match self.write(finished, now).await {
            Err(error) if !db::is_unavailable(&error) => {}
            written => return written,
        }
        let mut written = Ok(());
        for one in finished.chunks(1) {
            written = self.write(one, now).await.and(written);
        }
        written
    }

    async fn write(&self, finished: &[Finished], now: OffsetDateTime) -> sqlx::Result<()> {
        let order_ids: Vec<_> = finished.iter().map(|one| one.claimed.order_id).collect();
        let fences = finished.iter().map(|one| (one.claimed.id, one.claimed.attempt));

        let mut tx = self.pool.begin().await?;
        // What came of an event while the attempt was under way is read below, and stays so until this is committed.
        store::lock_orders(&mut tx, &order_ids).await?;
        let held = store::lock_held(&mut tx, &self.name, fences, now).await?;
        let held: HashMap<_, _> = held.into_iter().map(|part| (part.id, part)).collect();

        let (mut ours, mut lost, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for one in finished {
            match held.get(&one.claimed.id) {
                Some(part) => {
                    changes.push(self.followed(one, part, now));
                    ours.push(one);
                }
                None => lost.push(one),
            }
        }
        let ended: Vec<_> = ours.iter().map(|one| one.ended()).collect();
        store::finish_attempts(&mut tx, &ended, now).await?;
        store::save(&mut tx, &changes, now).await?;
        self.write_lines(&mut tx, &ours, now).await?;
        if held.values().any(|part| part.is_told_of) {
            heed_told(&mut tx, &ours, &mut changes, now).await?;
        }
        let moves =
            ours.iter().zip(&changes).map(|(one, change)| one.order_move(held.get(&change.id), change));
        let moves = moves.collect();
        move_orders(&mut tx, moves, now).await?;
        // What has to be recalled, or was: nothing else announces it.
        if changes.iter().any(|change| change.next.is_due(now)) {
            store::notify(&mut tx).await?;
        }
        tx.commit().await?;

        for (one, change) in ours.iter().zip(&changes) {
            let paid_at = held.get(&change.id).and_then(|part| part.paid_at);
            self.metrics.count_end(&change.next, paid_at, now);
            self.tell(one, change);
        }
        lost.into_iter().for_each(|one| self.tell_lost(one));
        self.tell_health(&ours, now).await;
        Ok(())
    }

    /// Gives back what was claimed and not begun, as if it had not been claimed.
    ///
    /// # Errors
    /// The database failed; nothing was written.
    pub(super) async fn give_back(&self, claimed: &[Claimed]) -> sqlx::Result<()> {
        if claimed.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let order_ids: Vec<_> = claimed.iter().map(|one| one.order_id).collect();
        let fences = claimed.iter().map(|one| (one.id, one.attempt));
        let mut tx = self.pool.begin().await?;
        store::lock_orders(&mut tx, &order_ids).await?;
        let held = store::lock_held(&mut tx, &self.name, fences, now).await?;

        let (mut changes, mut moves) = (Vec::new(), Vec::new());
        for part in &held {
            let Some(one) = claimed.iter().find(|one| one.id == part.id) else { continue };
            let reason = "given back by a worker that stopped".to_owned();
            let next = match part.facts.recalls_from {
                Some(from) => Next::Recalling { at: now, from, reason: reason.clone() },
                None => Next::Queued { at: now, reason: reason.clone() },
            };
            let mut change = Change::of(part, next);
            change.attempts -= 1;
            change.tries -= 1;
            change.tries_since = one.tried_before_since;
            changes.push(change);
            moves.push(Moved {
                order_id: part.order_id,
                cause: one.cause(),
                reason: Some(reason),
                known: None,
            });
        }
        store::delete_attempts(&mut tx, held.iter().map(|part| (part.id, part.attempts))).await?;
        store::save(&mut tx, &changes, now).await?;
        callback::fold_in(&mut tx, &mut changes, now).await?;
        move_orders(&mut tx, moves, now).await?;
        store::notify(&mut tx).await?;
        tx.commit().await?;

        // What was told of it meanwhile may have ended it.
        for change in &changes {
            let part = held.iter().find(|part| part.id == change.id);
            self.metrics.count_end(&change.next, part.and_then(|part| part.paid_at), now);
        }
        Ok(())
    }

    /// What follows from the outcomes for lines and parcels.
    async fn write_lines(
        &self,
        conn: &mut PgConnection,
        ours: &[&Finished],
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        let (mut done, mut accepted, mut given_back) = (Vec::new(), Vec::new(), Vec::new());
        for one in ours {
            let id = one.claimed.id;
            match &one.came {
                Came::Sent(Outcome::Fulfilled(receipt)) => {
                    done.push(store::Done { id, tracking: receipt.tracking.as_ref() });
                }
                Came::Sent(Outcome::Accepted(receipt)) => {
                    accepted.push(store::Done { id, tracking: receipt.tracking.as_ref() });
                }
                Came::Recalled(Recall::Recalled) => given_back.push(id),
                Came::Sent(_) | Came::Recalled(_) => {}
            }
        }
        store::mark_done(conn, &done, now).await?;
        store::insert_shipments(conn, &accepted, now).await?;
        store::take_back_answered(conn, &given_back).await
    }

    /// What a fulfilment becomes by its attempt, as the order stands by now.
    fn followed(&self, finished: &Finished, part: &Locked, now: OffsetDateTime) -> Change {
        let (policy, tried) = (self.settings.retry_policy(), &finished.claimed.tried);
        match &finished.came {
            Came::Sent(outcome) => {
                let next = state::after(outcome, tried, &policy, rand::random(), now);
                let next = state::or_recalled(next, &part.facts, now);
                let is_known = matches!(next, Next::Accepted { .. } | Next::Recalling { .. });
                let mut change = Change::of(part, next);
                change.last_outcome = Some(outcome.code().to_owned());
                if is_known && part.accepted_at.is_none() {
                    change.accepted_at = Some(now);
                }
                if let Some(reference) = outcome.reference() {
                    change.provider_reference = Some(reference.to_owned());
                }
                change
            }
            Came::Recalled(recall) => {
                let from = part.facts.recalls_from.unwrap_or(RecallsFrom::Accepted);
                let AfterRecall { next, outcome } =
                    state::after_recall(recall, from, tried, &policy, rand::random(), now);
                let is_unclear = matches!(next, Next::Recalling { .. });
                let mut change = Change::of(part, next);
                if outcome.is_some() {
                    change.recall_outcome = outcome;
                }
                if is_unclear {
                    change.last_outcome = Some("unknown".to_owned());
                } else if outcome == Some(RecallOutcome::Recalled) {
                    change.begin_round();
                }
                change
            }
        }
    }

    /// One line an attempt. The reason stays in the table: it may quote the provider.
    fn tell(&self, one: &Finished, change: &Change) {
        let Finished { claimed, came, provider_time, .. } = one;
        self.metrics.count_attempt(came.code(), *provider_time);
        tracing::info!(
            fulfilment.id = %claimed.id,
            order.id = %claimed.order_id,
            attempt = claimed.attempt,
            provider = claimed.provider,
            outcome = came.code(),
            fulfilment.state = change.next.state().as_str(),
            provider.seconds = provider_time.as_secs_f64(),
            "fulfilment attempt"
        );
    }

    fn tell_lost(&self, one: &Finished) {
        let Finished { claimed, came, .. } = one;
        self.metrics.count_lost_fence();
        tracing::warn!(
            fulfilment.id = %claimed.id,
            order.id = %claimed.order_id,
            attempt = claimed.attempt,
            provider = claimed.provider,
            outcome = came.code(),
            "fulfilment attempt outlived its lease; another worker has it now, so its outcome was not written"
        );
    }
}

/// What follows from what was told by call-back while the attempts were under way.
async fn heed_told(
    conn: &mut PgConnection,
    ours: &[&Finished],
    changes: &mut [Change],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let told_of = callback::fold_in(conn, changes, now).await?;
    let to_recall: Vec<ToRecall> = ours
        .iter()
        .filter(|one| told_of.contains(&one.claimed.id))
        .map(|one| ToRecall { order_id: one.claimed.order_id, cause: one.claimed.cause() })
        .collect();
    if !to_recall.is_empty() {
        recall(conn, &to_recall, now).await?;
    }
    Ok(())
}

impl Finished {
    fn ended(&self) -> Ended<'_> {
        Ended {
            fulfilment_id: self.claimed.id,
            attempt: self.claimed.attempt,
            outcome: self.came.code(),
            detail: self.came.detail(),
        }
    }

    fn order_move(&self, part: Option<&Locked>, change: &Change) -> Moved {
        let reason = change.next.reason().map(str::to_owned);
        // What comes back changes what has left.
        let known = match self.came {
            Came::Sent(_) => part.and_then(|part| known_move(part, change)),
            Came::Recalled(_) => None,
        };
        Moved { order_id: self.claimed.order_id, cause: self.claimed.cause(), reason, known }
    }
}
