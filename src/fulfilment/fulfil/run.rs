//! The loop of a process: claims as room becomes free, lets each provider take its time, records what has ended
//! together, and stops without leaving anything in doubt.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::Delivery;
use super::FulfilmentWorker;
use super::attempt::Finished;
use super::claim::Claimed;
use crate::db;

/// How long work that nobody announced can wait.
const POLL: Duration = Duration::from_secs(1);
/// The pause after an error: the database is out of reach, and hammering it does not bring it back.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a claim waits for more room than one place.
const GATHER: Duration = Duration::from_millis(5);
/// No more is recorded in one transaction.
const LARGEST_RECORD: usize = 256;
/// So many such transactions go on at once while there is more to record than one takes.
const FLIGHTS: usize = 2;

/// What became of something that was claimed.
enum Ended {
    Finished(Box<Finished>),
    /// The worker stops, and it had not begun.
    NotBegun(Box<Claimed>),
}

impl FulfilmentWorker {
    /// Works until it is stopped. Then it claims no more, gives back what it has not begun, and sees what it has begun
    /// to its end.
    pub async fn run(self, woken: Arc<Notify>, stop: CancellationToken) {
        let (ended, to_record) = mpsc::unbounded_channel();
        let recorder = tokio::spawn(self.clone().keep_recording(to_record));
        let heart = tokio::spawn(self.clone().keep_beating());
        let under_way = TaskTracker::new();

        while !stop.is_cancelled() {
            let (wait, is_full) = match self.claim(true).await {
                Ok(took) => {
                    self.start(took.claimed, &under_way, &ended, &stop);
                    (took.again_in.unwrap_or(POLL), took.is_full)
                }
                Err(error) => {
                    tracing::warn!(worker = "fulfilment", %error, "a worker cannot go on now");
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => continue,
                        () = stop.cancelled() => break,
                    }
                }
            };
            tokio::select! {
                () = woken.notified() => {}
                () = self.places.freed.notified(), if is_full => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }

        drop(ended);
        under_way.close();
        under_way.wait().await;
        drop(recorder.await);
        heart.abort();
        tracing::debug!(worker = "fulfilment", "worker stopped");
    }

    /// Makes the attempts, each when its turn at its provider has come.
    fn start(
        &self,
        claimed: Vec<Claimed>,
        under_way: &TaskTracker,
        ended: &mpsc::UnboundedSender<Ended>,
        stop: &CancellationToken,
    ) {
        if claimed.is_empty() {
            return;
        }
        let (worker, ended, stop, tasks) = (self.clone(), ended.clone(), stop.clone(), under_way.clone());
        under_way.spawn(async move {
            let deliveries = worker.deliveries(&claimed).await;
            for (claimed, delivery) in claimed.into_iter().zip(deliveries) {
                tasks.spawn(worker.clone().in_turn(claimed, delivery, ended.clone(), stop.clone()));
            }
        });
    }

    async fn in_turn(
        self,
        claimed: Claimed,
        delivery: Result<Delivery, String>,
        ended: mpsc::UnboundedSender<Ended>,
        stop: CancellationToken,
    ) {
        let slots = self.places.slots(&claimed.provider, self.settings.concurrency as usize);
        let turn = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            turn = slots.acquire() => turn.ok(),
        };
        let came = match turn {
            Some(_turn) => Ended::Finished(Box::new(self.attempt(claimed, delivery).await)),
            None => Ended::NotBegun(Box::new(claimed)),
        };
        // The recorder is there until all attempts are over.
        drop(ended.send(came));
    }

    /// Records what ended until nothing more can.
    async fn keep_recording(self, mut to_record: mpsc::UnboundedReceiver<Ended>) {
        let mut flights = JoinSet::new();
        let mut ended = Vec::new();
        while to_record.recv_many(&mut ended, LARGEST_RECORD).await > 0 {
            // Alone, what ends meanwhile is written together afterwards; only where that would be more than one takes is
            // a second one worth its while.
            let most = if ended.len() == LARGEST_RECORD { FLIGHTS } else { 1 };
            while flights.len() >= most {
                flights.join_next().await;
            }
            while ended.len() < LARGEST_RECORD
                && let Ok(one) = to_record.try_recv()
            {
                ended.push(one);
            }
            flights.spawn(self.clone().write_down(std::mem::take(&mut ended)));
        }
        flights.join_all().await;
    }

    async fn write_down(self, ended: Vec<Ended>) {
        let (mut finished, mut not_begun) = (Vec::new(), Vec::new());
        for one in ended {
            match one {
                Ended::Finished(one) => finished.push(*one),
                Ended::NotBegun(one) => not_begun.push(*one),
            }
        }
        let of_finished = finished.iter().map(|one| &one.claimed);
        self.until_written(of_finished, || self.record(&finished)).await;
        self.until_written(not_begun.iter(), || self.give_back(&not_begun)).await;
    }

    /// Writes as soon as the database can be reached, for as long as what is written is this worker's.
    async fn until_written<'a, F>(
        &self,
        claimed: impl Iterator<Item = &'a Claimed> + Clone,
        write: impl Fn() -> F,
    ) where
        F: Future<Output = sqlx::Result<()>>,
    {
        while let Err(error) = write().await {
            let now = self.clock.now();
            let is_ours = claimed.clone().any(|one| one.place.lease_until() > now);
            let is_passing = db::is_unavailable(&error) || db::is_retryable(&error);
            if !is_ours || !is_passing {
                tracing::error!(%error, "what came of attempts could not be written; they are in doubt");
                return;
            }
            tracing::warn!(%error, "what came of attempts cannot be written yet");
            tokio::time::sleep(PAUSE).await;
        }
    }
}
