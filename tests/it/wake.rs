//! Waking workers by `notify`.

use std::time::Duration;

use packline::db;
use packline::worker::Wake;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::TestDatabase;

/// Only a bound for a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_worker_of_a_channel_is_woken_by_each_notification() {
    let database = TestDatabase::create().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let channels = [db::EVENTS_CHANNEL, db::FULFILMENTS_CHANNEL];
    let pool = db::connect(&database.url, "wake", 2).unwrap();
    let wake = Wake::start(pool.clone(), &channels, &tasks, &stop);
    let workers =
        [wake.on(db::EVENTS_CHANNEL), wake.on(db::EVENTS_CHANNEL), wake.on(db::FULFILMENTS_CHANNEL)];
    let all_woken = || futures_util::future::join_all(workers.iter().map(|worker| worker.notified()));
    timeout(PATIENCE, all_woken()).await.expect("all look once when the listening begins");

    for _ in 0..3 {
        for channel in channels {
            sqlx::query("select pg_notify($1, '')").bind(channel).execute(&pool).await.unwrap();
        }
        timeout(PATIENCE, all_woken()).await.expect("all are woken by one notification");
    }

    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
