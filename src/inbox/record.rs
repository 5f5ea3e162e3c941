//! Storing: many requests, one transaction.
//!
//! A committer takes whatever has arrived, up to a bound, and stores it in one statement; while Postgres writes that
//! down, the next batch gathers by itself. Nobody waits for a batch to fill. A request is answered when its row is
//! durable, and never otherwise: when the queue is full, when the database fails or is slow, the answer is that it was
//! not stored, and Stripe sends it again.
//!
//! One committer is enough where a commit is on the disk at once. Where that takes a millisecond or more it would mostly
//! wait, and more of them take turns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::event::NewEvent;
use super::metrics::InboxMetrics;
use super::store;
use crate::db;

/// More rows in one statement gain nothing.
const LARGEST_BATCH: usize = 64;
/// Requests that may wait for the committer; the rest hear at once that there is no room.
const QUEUE: usize = 1024;
/// How long the database may take over one batch.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a batch that could not be stored is tried again: connections that a restart of Postgres broke are found out
/// one by one, by being used.
const RETRIED_FOR: Duration = Duration::from_secs(1);
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a request waits for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// The event is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// For the first time.
    Stored,
    /// It had been before.
    Duplicate,
}

/// The event is not known to be durable; it must be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// Too many requests wait already.
    #[error("too many events wait to be stored")]
    QueueFull,
    /// The database did not take it.
    #[error("the database did not store the event")]
    Database,
    /// No answer in time.
    #[error("the database did not answer in time")]
    TimedOut,
}

struct Waiting {
    event: NewEvent,
    answer: oneshot::Sender<Result<Recorded, NotStored>>,
}

/// The way to the committers. Clones lead to the same ones.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Waiting>,
}

impl Recorder {
    /// Starts so many committers; they end when the last recorder is dropped and everything that waited is answered.
    pub fn start(pool: &PgPool, metrics: &InboxMetrics, committers: usize) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let committers: JoinSet<()> = (0..committers)
            .map(|_| Committer { pool: pool.clone(), metrics: metrics.clone(), conn: None })
            .map(|committer| committer.run(Arc::clone(&waiting)))
            .collect();
        (Self { queue }, tokio::spawn(async { drop(committers.join_all().await) }))
    }

    /// Stores an event and waits until it is durable.
    ///
    /// # Errors
    /// It may not be stored; it is safe to try again.
    pub async fn record(&self, event: NewEvent) -> Result<Recorded, NotStored> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { event, answer }).map_err(|_| NotStored::QueueFull)?;
        match timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(NotStored::Database),
            Err(_) => Err(NotStored::TimedOut),
        }
    }
}

struct Committer {
    pool: PgPool,
    metrics: InboxMetrics,
    /// Kept from batch to batch while there is one after the other: to give it back asks it twice whether it still works.
    conn: Option<PoolConnection<Postgres>>,
}

impl Committer {
    async fn run(mut self, waiting: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
        loop {
            let mut batch = Vec::with_capacity(LARGEST_BATCH);
            // Only the taking is one at a time.
            if waiting.lock().await.recv_many(&mut batch, LARGEST_BATCH).await == 0 {
                return;
            }
            // Whoever stopped waiting has been told to send again.
            batch.retain(|waiting| !waiting.answer.is_closed());
            self.commit(batch).await;
            // While another committer waits for more there is none.
            if waiting.try_lock().map_or(true, |waiting| waiting.is_empty()) {
                self.conn = None;
            }
        }
    }

    /// Stores a batch. If the database refuses it for what is in it, each event is tried alone, so that one that
    /// cannot be stored does not take the others with it.
    async fn commit(&mut self, batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        match self.store_patiently(&batch).await {
            Ok(new) => self.answer(batch, &new),
            Err(Failure::InTheBatch) if batch.len() > 1 => {
                for waiting in batch {
                    let alone = [waiting];
                    let stored = self.store(&alone).await;
                    let [waiting] = alone;
                    match stored {
                        Ok(new) => self.answer(vec![waiting], &new),
                        Err(failure) => refuse(waiting, failure.told()),
                    }
                }
            }
            Err(failure) => batch.into_iter().for_each(|waiting| refuse(waiting, failure.told())),
        }
    }

    async fn store_patiently(&mut self, batch: &[Waiting]) -> Result<Vec<String>, Failure> {
        let deadline = Instant::now() + RETRIED_FOR;
        loop {
            match self.store(batch).await {
                Err(Failure::OutOfReach) if Instant::now() < deadline => sleep(RETRY_PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// Returns the ids of the batch's events that were new.
    async fn store(&mut self, batch: &[Waiting]) -> Result<Vec<String>, Failure> {
        let mut events: HashMap<&str, &NewEvent> = HashMap::with_capacity(batch.len());
        for waiting in batch {
            events.entry(&waiting.event.envelope.id).or_insert(&waiting.event);
        }
        let mut events: Vec<&NewEvent> = events.into_values().collect();
        // Sorted, so that two committers with the same ids wait for each other instead of deadlocking.
        events.sort_unstable_by(|a, b| a.envelope.id.cmp(&b.envelope.id));

        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.pool.acquire().await.map_err(|error| Failure::of(&error))?,
        };
        let stored = timeout(STATEMENT_TIMEOUT, store::insert_events(&mut conn, &events)).await;
        match stored {
            Ok(Ok(new)) => {
                self.metrics.batch_stored(events.len());
                self.conn = Some(conn);
                Ok(new)
            }
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => {
                // The statement is still under way on this connection; nobody else may find it there.
                drop(conn.detach());
                tracing::warn!("the database took too long to store a batch of events");
                Err(Failure::TimedOut)
            }
        }
    }

    fn answer(&self, batch: Vec<Waiting>, new: &[String]) {
        let mut new: std::collections::HashSet<&str> = new.iter().map(String::as_str).collect();
        for waiting in batch {
            let recorded = if new.remove(waiting.event.envelope.id.as_str()) {
                Recorded::Stored
            } else {
                Recorded::Duplicate
            };
            _ = waiting.answer.send(Ok(recorded));
        }
    }
}

fn refuse(waiting: Waiting, why: NotStored) {
    _ = waiting.answer.send(Err(why));
}

#[derive(Clone, Copy)]
enum Failure {
    /// Nothing can be stored now.
    OutOfReach,
    /// The database did not like what is in the batch.
    InTheBatch,
    TimedOut,
}

impl Failure {
    fn of(error: &sqlx::Error) -> Self {
        tracing::warn!(error = error as &dyn std::error::Error, "a batch of events could not be stored");
        if db::is_unavailable(error) { Self::OutOfReach } else { Self::InTheBatch }
    }

    fn told(self) -> NotStored {
        match self {
            Self::OutOfReach | Self::InTheBatch => NotStored::Database,
            Self::TimedOut => NotStored::TimedOut,
        }
    }
}
