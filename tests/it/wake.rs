//! Waking workers by `notify`, and what happens without it.

use std::time::Duration;

use packline::clock::Clock;
use packline::webhooks::EndpointSecret;
use packline::worker::Wake;
use packline::{api, db};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::stripe::{self, intent_succeeded};
use crate::support::{Process, Proxy, SECRET, TestDatabase};

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

/// A process that serves and another that works, which reaches the database through a proxy.
struct Apart {
    serve: Process,
    worker: Process,
    proxy: Proxy,
    pool: PgPool,
    base: String,
    api_key: String,
    client: reqwest::Client,
    count: usize,
    // Dropped last: it takes the database away.
    _database: TestDatabase,
}

impl Apart {
    async fn start() -> Self {
        let database = TestDatabase::create().await;
        let proxy = Proxy::before(&database.url);
        let mut serve = Process::spawn(&["serve", "--no-worker"], &[("DATABASE_URL", &database.url)]);
        let mut worker = Process::spawn(&["worker"], &[("DATABASE_URL", &proxy.url)]);
        let base = serve.base().await;
        worker.logged("working").await;
        let pool = db::connect(&database.url, "packline-test", 2).unwrap();
        let now = Clock::system().now();
        let api_key = api::create_key(&mut pool.acquire().await.unwrap(), "test", now).await.unwrap().text;
        let client = packline::http_client::builder().build().unwrap();
        Self { serve, worker, proxy, pool, base, api_key, client, count: 0, _database: database }
    }

    /// Has an order placed and paid, and waits until it is carried out.
    async fn sell(&mut self) -> Sold {
        self.count += 1;
        let intent = format!("pi_apart{}", self.count);
        let order = stripe::with(stripe::order(json!({})), json!({ "payment_intent": intent }));
        let request = self.client.post(format!("{}/v1/orders", self.base)).bearer_auth(&self.api_key);
        let placed: Value = request.json(&order).send().await.unwrap().json().await.unwrap();

        let event = intent_succeeded(&intent);
        let body = serde_json::to_vec(&event).unwrap();
        let signature =
            EndpointSecret::new("test", SECRET).sign(Clock::system().now().unix_timestamp(), &body);
        let request = self.client.post(format!("{}/webhooks/stripe", self.base)).body(body);
        let answer = request.header("stripe-signature", signature).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");

        let (event, order) = (stripe::id(&event), placed["id"].as_str().unwrap());
        self.reached("select state = 'applied' from stripe_events where id = $1", event).await;
        self.reached("select fulfilment_status = 'fulfilled' from orders where id = $1::uuid", order).await;
        sqlx::query_as(
            "select extract(epoch from e.applied_at - e.received_at)::float8 as applied_in,
               extract(epoch from a.started_at - e.applied_at)::float8 as claimed_in
             from stripe_events e, fulfilment_attempts a join fulfilments f on f.id = a.fulfilment_id
             where e.id = $1 and f.order_id = $2::uuid",
        )
        .bind(event)
        .bind(order)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    async fn reached(&self, query: &'static str, id: &str) {
        let reached = async {
            while !sqlx::query_scalar::<_, bool>(query).bind(id).fetch_one(&self.pool).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("not reached: {query}"));
    }

    async fn stop(self) {
        self.worker.terminate().await;
        self.serve.terminate().await;
    }
}

/// How long the two steps of an order's way took to begin, in seconds.
#[derive(Debug, sqlx::FromRow)]
struct Sold {
    applied_in: f64,
    claimed_in: f64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_is_applied_and_claimed_in_another_process_well_before_it_would_be_by_polling() {
    let mut apart = Apart::start().await;

    let mut took = Vec::new();
    for _ in 0..9 {
        took.push(apart.sell().await);
    }

    // Each is sold right after a poll: by polling, the two steps would take a second together.
    let mut seconds: Vec<f64> = took.iter().map(|sold| sold.applied_in + sold.claimed_in).collect();
    seconds.sort_by(f64::total_cmp);
    assert!(seconds[seconds.len() / 2] < 0.5, "{took:?}");
    apart.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_notifications_lost_a_paid_order_is_applied_and_claimed_by_polling_within_seconds() {
    let mut apart = Apart::start().await;
    // Until the worker is heard to listen to both, an event's and a fulfilment's.
    while apart.proxy.notifications().0 < 2 {
        apart.sell().await;
    }
    apart.proxy.keep_notifications();

    // More than one: the first might owe something to what was heard before.
    for _ in 0..3 {
        let sold = apart.sell().await;
        assert!(sold.applied_in < 10.0 && sold.claimed_in < 10.0, "{sold:?}");
    }

    let (_, kept) = apart.proxy.notifications();
    assert!(kept >= 6, "each was told of twice, and nobody heard it: {kept}");
    apart.stop().await;
}
