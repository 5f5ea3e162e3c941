//! The program as a process: what it refuses to start with, and what it keeps when it, or its Postgres, dies under load.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use packline::db;
use packline::db::cluster::{Cluster, ClusterSettings};
use sqlx::PgPool;

use crate::support::{Load, Process, TempDir, TestDatabase, command};

/// Longer than the backlog of any of these tests takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

/// Waits until nothing is due any more.
async fn drained(pool: &PgPool) {
    let deadline = Instant::now() + PATIENCE;
    let open = "select (select count(*) from stripe_events where state in ('pending', 'parked'))
                  + (select count(*) from fulfilments where state = 'queued')";
    while count(pool, open).await > 0 {
        assert!(Instant::now() < deadline, "{} are still due", count(pool, open).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every acknowledged event is in the ledger, and everything in the ledger had its effect once.
async fn assert_kept(pool: &PgPool, acknowledged: &[String]) {
    let known: i64 = sqlx::query_scalar("select count(*) from stripe_events where id = any($1)")
        .bind(acknowledged)
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(usize::try_from(known).unwrap(), acknowledged.len(), "acknowledged, but not in the ledger");

    drained(pool).await;
    let events = count(pool, "select count(*) from stripe_events").await;
    assert!(events >= known && known > 0);
    for (what, query) in [
        ("payloads", "select count(*) from stripe_event_payloads"),
        ("applied", "select count(*) from stripe_events where state = 'applied' and attempts = 0"),
        ("paid orders", "select count(*) from orders where payment_status = 'paid' and amount_paid = 2000"),
        ("orders", "select count(*) from orders"),
        ("money rows", "select count(*) from payments"),
        ("moves to paid", "select count(*) from order_transitions where to_value = 'paid'"),
        ("fulfilments", "select count(*) from fulfilments"),
        // A worker that was killed may hold its lease still; nothing else may be open.
        ("carried out", "select count(*) from fulfilments where state in ('fulfilled', 'in_progress')"),
    ] {
        assert_eq!(count(pool, query).await, events, "{what}");
    }
    let twice = "select count(*) from (
                   select from fulfilment_attempts where outcome = 'fulfilled' group by fulfilment_id having count(*) > 1
                 ) twice";
    assert_eq!(count(pool, twice).await, 0);
}

#[test]
fn serve_refuses_to_start_without_a_usable_secret_and_names_all_faults_at_once() {
    let run = |settings: &[(&str, &str)]| {
        let output = command(&["serve"]).envs(settings.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };

    assert!(run(&[]).contains("STRIPE_WEBHOOK_SECRET is not set"));
    assert!(run(&[("STRIPE_WEBHOOK_SECRET", "")]).contains("STRIPE_WEBHOOK_SECRET is empty"));
    assert!(run(&[("STRIPE_WEBHOOK_SECRET", "  ")]).contains("STRIPE_WEBHOOK_SECRET is empty"));
    let all = run(&[
        ("PACKLINE_LISTEN", "here"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hidden1 "),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", "hidden2"),
        ("FULFILMENT_URL", "https://warehouse.test"),
        ("FULFILMENT_SECRET", "hidden3"),
        ("PACKLINE_SHUTDOWN_GRACE", "soon"),
    ]);
    assert!(all.contains("5 settings are wrong"), "{all}");
    for name in
        ["PACKLINE_LISTEN", "STRIPE_WEBHOOK_SECRET: secret 1 has a space", "STRIPE_CONNECT_WEBHOOK_SECRET"]
    {
        assert!(all.contains(name), "{all}");
    }
    assert!(!all.contains("hidden"), "{all}");
}

#[test]
fn a_database_that_cannot_be_reached_is_told_without_its_password() {
    let url = "postgres://packline:hidden@127.0.0.1:1/packline?connect_timeout=1";
    let secret = ("STRIPE_WEBHOOK_SECRET", "whsec_hidden");

    let output = command(&["serve"]).envs([("DATABASE_URL", url), secret]).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("DATABASE_URL") && !said.contains("hidden"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_and_started_again_it_has_lost_nothing_and_done_nothing_twice() {
    let database = TestDatabase::create().await;
    let pool = db::connect(&database.url, "packline-test", 2).unwrap();
    let settings = [("DATABASE_URL", database.url.as_str()), ("PACKLINE_LOG", "info")];
    let mut process = Process::spawn(&["serve"], &settings);
    let load = Load::start(&process.base().await);

    for _ in 0..4 {
        load.run_for(60).await;
        process.kill();
        process = Process::spawn(&["serve"], &settings);
        load.send_to(&process.base().await);
    }
    load.run_for(60).await;
    let acknowledged = load.stop(true).await;

    assert_kept(&pool, &acknowledged).await;
    let log = process.log();
    assert!(!log.contains("whsec_") && !log.contains("panicked"), "{log}");
    process.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_under_load_it_stops_in_time_with_nothing_lost() {
    let database = TestDatabase::create().await;
    let pool = db::connect(&database.url, "packline-test", 2).unwrap();
    let settings = [("DATABASE_URL", database.url.as_str())];
    let mut process = Process::spawn(&["serve"], &settings);
    let load = Load::start(&process.base().await);
    load.run_for(100).await;

    let took = process.terminate().await;
    let acknowledged = load.stop(false).await;

    assert!(took < Duration::from_secs(12), "{took:?}");
    let in_progress = "select count(*) from fulfilments where state = 'in_progress'";
    assert_eq!(count(&pool, in_progress).await, 0, "what was claimed was finished");
    let mut next = Process::spawn(&["worker"], &settings);
    next.logged("working").await;
    assert_kept(&pool, &acknowledged).await;
    next.terminate().await;
}

#[tokio::test]
async fn told_to_stop_while_it_starts_it_stops_in_order() {
    let database = TestDatabase::create_empty().await;
    let settings = [("DATABASE_URL", database.url.as_str())];

    let mut process = Process::spawn(&["serve"], &settings);
    process.logged("INFO").await;

    process.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serving_and_working_in_two_processes_do_the_job_together() {
    let database = TestDatabase::create().await;
    let pool = db::connect(&database.url, "packline-test", 2).unwrap();
    let settings = [("DATABASE_URL", database.url.as_str())];
    let mut serve = Process::spawn(&["serve", "--no-worker"], &settings);
    let load = Load::start(&serve.base().await);
    load.run_for(50).await;
    assert_eq!(count(&pool, "select count(*) from orders").await, 0);

    let mut worker = Process::spawn(&["worker"], &settings);
    worker.logged("working").await;
    load.run_for(50).await;
    let acknowledged = load.stop(true).await;

    assert_kept(&pool, &acknowledged).await;
    assert!(!worker.log().contains("serving"), "{}", worker.log());
    serve.terminate().await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_start_at_the_same_moment_on_an_empty_database_both_come_up() {
    let database = TestDatabase::create_empty().await;
    let settings = [("DATABASE_URL", database.url.as_str())];

    let mut both = [Process::spawn(&["serve"], &settings), Process::spawn(&["serve"], &settings)];
    for process in &mut both {
        let ready = reqwest::get(format!("{}/readyz", process.base().await)).await.unwrap();
        assert_eq!(ready.status(), reqwest::StatusCode::OK);
    }

    for process in both {
        process.terminate().await;
    }
}

fn settings_of(folder: &Path) -> ClusterSettings {
    // Durable: what Postgres said to be committed must survive its being killed.
    let keeper = PathBuf::from(env!("CARGO_BIN_EXE_packline"));
    ClusterSettings { data_dir: folder.to_owned(), keeper, durable: true }
}

pub async fn join(folder: &Path) -> Cluster {
    let settings = settings_of(folder);
    tokio::task::spawn_blocking(move || Cluster::join(&settings).unwrap()).await.unwrap()
}

pub fn postmaster(cluster: &Path) -> Option<Pid> {
    let noted = std::fs::read_to_string(cluster.join("data/postmaster.pid")).ok()?;
    noted.lines().next()?.trim().parse().ok().map(Pid::from_raw)
}

/// Waits until a process has ended.
pub async fn ended(pid: Pid) {
    let deadline = Instant::now() + PATIENCE;
    // One that has ended but was not waited for has no command line any more.
    while std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
        assert!(Instant::now() < deadline, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_stopped_or_killed_under_load_and_started_again_has_lost_nothing() {
    let folder = TempDir::new("restarted");
    let mut cluster = join(&folder.0).await;
    let url = cluster.url("packline");
    let pool = db::connect(&url, "packline-test", 2).unwrap();
    let mut process = Process::spawn(&["serve"], &[("DATABASE_URL", url.as_str())]);
    let load = Load::start(&process.base().await);

    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        load.run_for(60).await;
        let server = postmaster(cluster.folder()).unwrap();
        kill(server, signal).unwrap();
        ended(server).await;
        let again = join(&folder.0).await;
        assert_eq!(again.url("packline"), url);
        let ended = std::mem::replace(&mut cluster, again);
        tokio::task::spawn_blocking(move || ended.leave()).await.unwrap();
    }
    load.run_for(60).await;
    let acknowledged = load.stop(true).await;

    pool.close().await;
    let pool = db::connect(&url, "packline-test", 2).unwrap();
    assert_kept(&pool, &acknowledged).await;
    assert!(!process.log().contains("panicked"), "{}", process.log());
    process.terminate().await;
    pool.close().await;
    tokio::task::spawn_blocking(move || cluster.leave()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_one_data_folder_share_its_postgres_and_none_is_left_after_them() {
    let folder = TempDir::new("shared");
    let data_dir = folder.0.to_str().unwrap().to_owned();
    let settings = [("PACKLINE_DATA_DIR", data_dir.as_str())];
    let mut first = Process::spawn(&["serve"], &settings);
    let base = first.base().await;
    let cluster = PathBuf::from(first.logged("folder=").await);
    let server = postmaster(&cluster).unwrap();

    let mut second = Process::spawn(&["serve", "--no-worker"], &settings);
    let load = Load::start(&second.base().await);
    load.run_for(20).await;
    load.stop(true).await;
    assert_eq!(postmaster(&cluster), Some(server));
    first.terminate().await;
    assert!(reqwest::get(&base).await.is_err());
    load_one(&second.base().await).await;
    second.terminate().await;
    assert_eq!(postmaster(&cluster), None, "the last one out stops Postgres");

    let mut killed = Process::spawn(&["serve"], &settings);
    killed.base().await;
    let server = postmaster(&cluster).unwrap();
    killed.kill();
    ended(server).await;
    _ = std::fs::remove_dir_all(&cluster);
}

async fn load_one(base: &str) {
    let load = Load::start(base);
    load.run_for(1).await;
    load.stop(true).await;
}
