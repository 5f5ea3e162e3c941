//! One connection that listens for all workers of the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Notifications by channel.
pub struct Wake {
    channels: Arc<Channels>,
}

/// Who is to be woken: each worker by a `Notify` of its own, since a shared one wakes only one of those who wait.
struct Channels(HashMap<&'static str, Mutex<Vec<Arc<Notify>>>>);

impl Wake {
    /// Listens until stopped; connects again whenever the connection is lost.
    pub fn start(
        pool: PgPool,
        channels: &[&'static str],
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let channels = channels.iter().map(|channel| (*channel, Mutex::default())).collect();
        let channels = Arc::new(Channels(channels));
        let (heard, stop) = (Arc::clone(&channels), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = listen(pool, &heard) => {}
                () = stop.cancelled() => {}
            }
        });
        Self { channels }
    }

    /// What is notified when the channel is, for one worker.
    pub fn on(&self, channel: &str) -> Arc<Notify> {
        let woken = Arc::new(Notify::new());
        if let Some(workers) = self.channels.0.get(channel) {
            workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&woken));
        }
        woken
    }
}

impl Channels {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    fn wake(&self, channel: &str) {
        if let Some(workers) = self.0.get(channel) {
            let workers = workers.lock().unwrap_or_else(PoisonError::into_inner);
            workers.iter().for_each(|worker| worker.notify_one());
        }
    }
}

async fn listen(pool: PgPool, channels: &Channels) {
    loop {
        if let Err(error) = listen_once(&pool, channels).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the wake-up connection was lost");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn listen_once(pool: &PgPool, channels: &Channels) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(channels.names()).await?;
    // What was announced before we listened is found now.
    channels.names().for_each(|channel| channels.wake(channel));
    loop {
        channels.wake(listener.recv().await?.channel());
    }
}
