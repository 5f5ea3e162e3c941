//! Several worker processes, some of them killed at random, a warehouse that flaps, a Postgres that is restarted: at the
//! end the warehouse's ledger and our tables agree.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use packline::clock::Clock;
use packline::{api, db};
use rand::RngExt;
use serde_json::Value;
use sqlx::PgPool;

use super::flapping::Flapping;
use crate::process::{ended, join, postmaster};
use crate::support::{Load, Process, TempDir};

/// A dead worker's work is taken over within 30 seconds; retries and a busy machine take their time too.
const PATIENCE: Duration = Duration::from_secs(120);

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    // Postgres may be starting again.
    loop {
        match sqlx::query_scalar(query).fetch_one(pool).await {
            Ok(count) => return count,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Which worker is at something that takes a while, under load: killed now, it leaves that undone.
async fn one_in_the_middle(pool: &PgPool, workers: &[Process], load: &Load) -> usize {
    let at_it = "select split_part(lease_holder, '/', 1) from fulfilments
                 where state = 'in_progress' and updated_at < now() - interval '50 ms'";
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let busy: Vec<String> = sqlx::query_scalar(at_it).fetch_all(pool).await.unwrap_or_default();
        if let Some(found) = workers.iter().position(|worker| busy.contains(&worker.id().to_string())) {
            return found;
        }
        load.run_for(2).await;
    }
    panic!("no worker is at anything for longer than a moment");
}

/// Tells call-backs until they are heard.
async fn tell(base: &str, key: &str, told: Vec<(String, Value)>) {
    let client = packline::http_client::builder().build().unwrap();
    for (fulfilment, event) in told {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = client.post(format!("{base}/v1/fulfilments/{fulfilment}/events")).bearer_auth(key);
            let answer = request.json(&event).send().await;
            let status = answer.as_ref().map(reqwest::Response::status);
            if status.as_ref().is_ok_and(reqwest::StatusCode::is_success) {
                break;
            }
            assert!(Instant::now() < deadline, "{event} is not heard: {status:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_killed_at_random_a_flapping_warehouse_and_a_postgres_that_restarts_agree_at_the_end() {
    let folder = TempDir::new("fulfilling");
    let mut cluster = join(&folder.0).await;
    let url = cluster.url("packline");
    let warehouse = Flapping::start();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("FULFILMENT_URL", warehouse.url.as_str()),
        ("FULFILMENT_PROVIDER", "http"),
        ("FULFILMENT_TIMEOUT", "1s"),
        ("FULFILMENT_RETRY_BASE", "100ms"),
    ];
    let mut serve = Process::spawn(&["serve", "--no-worker"], &settings);
    let base = serve.base().await;
    let pool = db::connect(&url, "packline-test", 2).unwrap();
    let key = api::create_key(&mut pool.acquire().await.unwrap(), "warehouse", Clock::system().now())
        .await
        .unwrap()
        .text;
    let mut workers: Vec<Process> = (0..3).map(|_| Process::spawn(&["worker"], &settings)).collect();
    let load = Load::start_slowly(&base, Duration::from_millis(200));

    for round in 0..5 {
        load.run_for(80).await;
        // Now and then at any moment, else in the middle of a hand-over.
        let victim = match round % 2 {
            0 => one_in_the_middle(&pool, &workers, &load).await,
            _ => rand::rng().random_range(0..workers.len()),
        };
        workers.swap_remove(victim).kill();
        workers.push(Process::spawn(&["worker"], &settings));
        tell(&base, &key, warehouse.finish()).await;
        if round == 2 {
            let server = postmaster(cluster.folder()).unwrap();
            kill(server, Signal::SIGINT).unwrap();
            ended(server).await;
            let again = join(&folder.0).await;
            let old = std::mem::replace(&mut cluster, again);
            tokio::task::spawn_blocking(move || old.leave()).await.unwrap();
        }
    }
    let acknowledged = load.stop(true).await;
    warehouse.get_well();

    let deadline = Instant::now() + PATIENCE;
    let open = "select (select count(*) from stripe_events where state in ('pending', 'parked'))
                  + (select count(*) from fulfilments where state <> 'fulfilled')";
    while count(&pool, open).await > 0 {
        assert!(Instant::now() < deadline, "{} are open still", count(&pool, open).await);
        tell(&base, &key, warehouse.finish()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let rows: Vec<(String, String)> =
        sqlx::query_as("select idempotency_key, order_id::text from fulfilments")
            .fetch_all(&pool)
            .await
            .unwrap();
    let parcels = warehouse.parcels();
    assert!(rows.len() >= acknowledged.len());
    assert_eq!(rows.len(), parcels.len(), "as many parcels as fulfilments");
    for (key, order) in rows {
        assert_eq!(parcels.get(&key).map(|parcel| &parcel.order), Some(&order), "{key}");
    }
    assert_eq!(count(&pool, "select count(*) from orders where status <> 'fulfilled'").await, 0);
    let deaths = "select count(*) from fulfilment_attempts where detail like 'lease expired%'";
    assert!(count(&pool, deaths).await > 0, "the kills left nothing to take over: they proved nothing");
    for worker in workers {
        assert!(!worker.log().contains("panicked"), "{}", worker.log());
        worker.terminate().await;
    }
    serve.terminate().await;
    pool.close().await;
    tokio::task::spawn_blocking(move || cluster.leave()).await.unwrap();
}
