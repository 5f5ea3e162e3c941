//! Acknowledging: how many events a second are durable and answered, at 64 connections and one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use packline::db;
use sqlx::{Connection, PgConnection};

use super::contender::Contender;
use super::events::{self, Request};
use super::load::{Answered, closed_loop};
use super::postgres::{Cost, Server};
use super::table::{self, median, told};
use super::{Scale, yardsticks};

const CONNECTIONS: usize = 64;
/// More than any server answers in a second on such a machine.
const MOST_PER_SECOND: usize = 40_000;
/// What the careful shop stands for on the scale on which a shop's own code is 1.
const TRANSACTION_ON_SCALE: f64 = 4.0;

/// Who takes turns.
const CONTENDERS: [&str; 7] = ["transaction", "group", "packline", "duplicates", "forged", "verify", "read"];

#[derive(Default)]
struct Measured {
    per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    cpu: Vec<f64>,
    postgres_cpu: Vec<f64>,
    wal_bytes: Vec<f64>,
    flushes: Vec<f64>,
    megabytes: Vec<f64>,
}

impl Measured {
    fn add(&mut self, answered: &Answered, contender_cpu: f64, cost: Cost, flushes: f64, megabytes: f64) {
        let events = answered.count.max(1) as f64;
        self.per_second.push(answered.per_second());
        self.p50.push(answered.quantile(0.5));
        self.p99.push(answered.quantile(0.99));
        self.cpu.push(contender_cpu / events * 1e6);
        self.postgres_cpu.push(cost.cpu_seconds / events * 1e6);
        self.wal_bytes.push(cost.wal_bytes / events);
        self.flushes.push(flushes / events);
        self.megabytes.push(megabytes);
    }
}

/// A database for a contender.
async fn prepare(kind: &str, server: &Server, orders: usize) -> anyhow::Result<String> {
    let url = server.database().await?;
    if kind == "transaction" {
        let pool = db::connect(&url, "bench", 1)?;
        yardsticks::prepare_bare(&pool, orders).await?;
        pool.close().await;
    }
    Ok(url)
}

async fn start(kind: &str, url: &str) -> anyhow::Result<Contender> {
    match kind {
        "packline" | "duplicates" | "forged" => {
            Contender::packline(url, &["serve", "--no-worker"], &[]).await
        }
        _ => Contender::yardstick(kind, ["transaction", "group"].contains(&kind).then_some(url)).await,
    }
}

async fn stored(kind: &str, url: &str) -> anyhow::Result<Option<usize>> {
    let query = match kind {
        "transaction" => "select count(*) from bare_events",
        "group" | "packline" | "duplicates" | "forged" => {
            "select count(*) from stripe_events join stripe_event_payloads on event_id = id"
        }
        _ => return Ok(None),
    };
    let mut conn = PgConnection::connect(url).await?;
    let count: i64 = sqlx::query_scalar(query).fetch_one(&mut conn).await?;
    conn.close().await?;
    Ok(Some(usize::try_from(count)?))
}

pub async fn measure(server: &Server, scale: Scale) -> anyhow::Result<()> {
    let most = (scale.turn.as_secs_f64() * MOST_PER_SECOND as f64) as usize;
    let mut measured: BTreeMap<&str, Measured> = BTreeMap::new();
    let mut alone: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut starts = Vec::new();
    for _ in 0..scale.rounds {
        // Signed anew in each round: a signature is good for five minutes.
        let news = Arc::new(events::requests(0, most, 3));
        for kind in CONTENDERS {
            let url = prepare(kind, server, most / 2).await?;
            let requests = match kind {
                "forged" => Arc::new(events::forged(most)),
                "duplicates" => Arc::new(known_already(&url, &news[..most / 20], most).await?),
                _ => Arc::clone(&news),
            };
            let known = stored(kind, &url).await?;

            let flushes = server.flushes().await?;
            let contender = start(kind, &url).await?;
            let (cpu, before) = (contender.cpu_seconds(), server.cost().await?);
            let expected = if kind == "forged" { 400 } else { 200 };
            let answered =
                closed_loop(&contender.address, &requests, CONNECTIONS, scale.turn, expected).await?;
            let (cost, cpu) = (server.cost().await? - before, contender.cpu_seconds() - cpu);
            let flushes = server.flushes().await? - flushes;
            let megabytes = contender.peak_megabytes();
            measured.entry(kind).or_default().add(&answered, cpu, cost, flushes, megabytes);

            if let (Some(known), Some(rows)) = (known, stored(kind, &url).await?) {
                let is_new = !["forged", "duplicates"].contains(&kind);
                let wanted = known + if is_new { answered.count } else { 0 };
                ensure!(rows == wanted, "{kind}: {rows} rows, not the {wanted} that were acknowledged");
            }
            if kind == "packline" {
                starts.push(contender.started_in.as_secs_f64() * 1_000.0);
            }
            drop(contender);
            if ["packline", "group"].contains(&kind) {
                let contender = start(kind, &url).await?;
                let singles = Arc::new(events::requests(most, scale.singles, 3));
                let one = closed_loop(&contender.address, &singles, 1, Duration::from_secs(60), 200).await?;
                alone.entry(kind).or_default().push(one.quantile(0.5));
            }
        }
    }
    print(&measured, &alone, &starts)
}

/// Deliveries of events that are there already, each again and again.
async fn known_already(url: &str, few: &[Request], most: usize) -> anyhow::Result<Vec<Request>> {
    let few = Arc::new(few.to_vec());
    let contender = start("duplicates", url).await?;
    closed_loop(&contender.address, &few, CONNECTIONS, Duration::from_secs(60), 200).await?;
    Ok(few.iter().cycle().take(most).cloned().collect())
}

fn print(
    measured: &BTreeMap<&str, Measured>,
    alone: &BTreeMap<&str, Vec<f64>>,
    starts: &[f64],
) -> anyhow::Result<()> {
    let of = |kind: &str| measured.get(kind).with_context(|| format!("{kind} was not measured"));
    let anchor = of("transaction")?;
    let mut rows = Vec::new();
    for kind in CONTENDERS {
        let of = of(kind)?;
        // Ratios inside each round: what else the machine did then, it did to both.
        let on_scale: Vec<f64> = of
            .per_second
            .iter()
            .zip(&anchor.per_second)
            .map(|(own, anchor)| own / anchor * TRANSACTION_ON_SCALE)
            .collect();
        rows.push(vec![
            kind.to_owned(),
            told(&on_scale, 1),
            told(&of.per_second, 0),
            told(&of.p50, 1),
            told(&of.p99, 1),
            told(&of.cpu, 0),
            told(&of.postgres_cpu, 0),
            told(&of.wal_bytes, 0),
            format!("{:.3}", median(&of.flushes).0),
            told(&of.megabytes, 0),
        ]);
    }
    table::print(
        "Acknowledging at 64 connections; scale: a transaction for each request is 4, a shop's own Node code 1",
        &[
            "server",
            "on scale",
            "a second",
            "p50 ms",
            "p99 ms",
            "µs CPU",
            "µs CPU Postgres",
            "WAL bytes",
            "flushes",
            "MB",
        ],
        rows,
    );
    let ratio = |own: &str, other: &str| {
        let per_second = |kind: &str| measured.get(kind).map(|of| of.per_second.clone()).unwrap_or_default();
        let ratios: Vec<f64> =
            per_second(own).iter().zip(per_second(other)).map(|(own, other)| own / other).collect();
        told(&ratios, 2)
    };
    let cpu =
        |kind: &str| measured.get(kind).map_or(0.0, |of| median(&of.cpu).0 + median(&of.postgres_cpu).0);
    let p50 = |kind: &str| alone.get(kind).map_or(0.0, |of| median(of).0);
    let rows = [
        ("packline / group", ratio("packline", "group"), "0.8 or more"),
        ("duplicates / packline", ratio("duplicates", "packline"), "more than 1"),
        (
            "CPU of a forged one / of a good one",
            format!("{:.2}", cpu("forged") / cpu("packline")),
            "0.33 or less",
        ),
        (
            "p50 of one at a time, packline / group",
            format!("{:.2}", p50("packline") / p50("group")),
            "1.3 or less",
        ),
        ("start to ready, ms", told(starts, 0), "300 or less"),
    ];
    let rows = rows.map(|(what, is, wanted)| vec![what.to_owned(), is, wanted.to_owned()]);
    table::print("", &["ratio", "is", "wanted"], rows.into());
    Ok(())
}
