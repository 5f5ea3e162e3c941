//! One connection that listens for all workers of the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Notifications by channel.
pub struct Wake {
    channels: HashMap<&'static str, Arc<Notify>>,
}

impl Wake {
    /// Listens until stopped; connects again whenever the connection is lost.
    pub fn start(
        pool: PgPool,
        channels: &[&'static str],
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let channels: HashMap<_, _> =
            channels.iter().map(|channel| (*channel, Arc::new(Notify::new()))).collect();
        let (heard, stop) = (channels.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = listen(pool, heard) => {}
                () = stop.cancelled() => {}
            }
        });
        Self { channels }
    }

    /// What is notified when the channel is.
    pub fn on(&self, channel: &str) -> Arc<Notify> {
        self.channels.get(channel).cloned().unwrap_or_default()
    }
}

async fn listen(pool: PgPool, channels: HashMap<&'static str, Arc<Notify>>) {
    loop {
        if let Err(error) = listen_once(&pool, &channels).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the wake-up connection was lost");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn listen_once(pool: &PgPool, channels: &HashMap<&'static str, Arc<Notify>>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(channels.keys().copied()).await?;
    // What was announced before we listened is found now.
    channels.values().for_each(|channel| channel.notify_one());
    loop {
        let notification = listener.recv().await?;
        if let Some(channel) = channels.get(notification.channel()) {
            channel.notify_one();
        }
    }
}
