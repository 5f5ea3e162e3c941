//! Acknowledging: how many events a second are durable and answered, at 64 connections and one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use packline::db;
use sqlx::PgPool;

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
    fn add(&mut self, answered: &Answered, contender_cpu: f64, cost: Cost, megabytes: f64) {
        let events = answered.count.max(1) as f64;
        self.per_second.push(answered.per_second());
        self.p50.push(answered.quantile(0.5));
        self.p99.push(answered.quantile(0.99));
        self.cpu.push(contender_cpu / events * 1e6);
        self.postgres_cpu.push(cost.cpu_seconds / events * 1e6);
        self.wal_bytes.push(cost.wal_bytes / events);
        self.flushes.push(cost.flushes / events);
        self.megabytes.push(megabytes);
    }
}

/// Starts a contender on a database of its own.
async fn start(kind: &str, server: &Server, orders: usize) -> anyhow::Result<(Contender, PgPool)> {
    let url = server.database().await?;
    let pool = db::connect(&url, "bench", 2)?;
    let contender = match kind {
        "packline" | "duplicates" | "forged" => {
            Contender::packline(&url, &["serve", "--no-worker"], &[]).await?
        }
        _ => {
            if kind == "transaction" {
                yardsticks::prepare_bare(&pool, orders).await?;
            }
            Contender::yardstick(kind, ["transaction", "group"].contains(&kind).then_some(url.as_str()))
                .await?
        }
    };
    Ok((contender, pool))
}

async fn stored(kind: &str, pool: &PgPool) -> anyhow::Result<Option<usize>> {
    let query = match kind {
        "transaction" => "select count(*) from bare_events",
        "group" | "packline" | "duplicates" | "forged" => {
            "select count(*) from stripe_events join stripe_event_payloads on event_id = id"
        }
        _ => return Ok(None),
    };
    let count: i64 = sqlx::query_scalar(query).fetch_one(pool).await?;
    Ok(Some(usize::try_from(count)?))
}

pub async fn measure(server: &Server, scale: Scale) -> anyhow::Result<()> {
    let most = (scale.turn.as_secs_f64() * MOST_PER_SECOND as f64) as usize;
    let mut measured: BTreeMap<&str, Measured> = BTreeMap::new();
    let mut alone: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut starts = Vec::new();
    for _ in 0..scale.rounds {
        for kind in CONTENDERS {
            let (contender, pool) = start(kind, server, most / 2).await?;
            let requests =
                Arc::new(if kind == "forged" { events::forged(most) } else { events::requests(0, most, 3) });
            let expected = if kind == "forged" { 400 } else { 200 };
            if kind == "duplicates" {
                // What is measured are second deliveries: all of these are there already.
                let few = Arc::new(requests.iter().take(most / 20).cloned().collect::<Vec<Request>>());
                closed_loop(&contender.address, &few, CONNECTIONS, Duration::from_secs(60), 200).await?;
                let again: Vec<Request> = few.iter().cycle().take(most).cloned().collect();
                let known = stored(kind, &pool).await?;
                measure_one(
                    kind,
                    server,
                    &contender,
                    &pool,
                    &Arc::new(again),
                    scale,
                    expected,
                    &mut measured,
                )
                .await?;
                ensure!(stored(kind, &pool).await? == known, "duplicates left rows");
                continue;
            }
            let count =
                measure_one(kind, server, &contender, &pool, &requests, scale, expected, &mut measured)
                    .await?;
            if let Some(rows) = stored(kind, &pool).await? {
                let acknowledged = if kind == "forged" { 0 } else { count };
                ensure!(rows == acknowledged, "{kind}: {rows} rows for {acknowledged} acknowledgements");
            }
            if ["packline", "group"].contains(&kind) {
                let singles = Arc::new(events::requests(most, scale.singles, 3));
                let one = closed_loop(&contender.address, &singles, 1, Duration::from_secs(60), 200).await?;
                alone.entry(kind).or_default().push(one.quantile(0.5));
            }
            if kind == "packline" {
                starts.push(contender.started_in.as_secs_f64() * 1_000.0);
            }
        }
    }
    print(&measured, &alone, &starts);
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the one place where a turn is taken")]
async fn measure_one<'k>(
    kind: &'k str,
    server: &Server,
    contender: &Contender,
    pool: &PgPool,
    requests: &Arc<Vec<Request>>,
    scale: Scale,
    expected: u16,
    measured: &mut BTreeMap<&'k str, Measured>,
) -> anyhow::Result<usize> {
    let (cpu, before) = (contender.cpu_seconds(), server.cost(pool).await?);
    let answered = closed_loop(&contender.address, requests, CONNECTIONS, scale.turn, expected).await?;
    let cost = server.cost(pool).await? - before;
    let cpu = contender.cpu_seconds() - cpu;
    measured.entry(kind).or_default().add(&answered, cpu, cost, contender.peak_megabytes());
    Ok(answered.count)
}

fn print(measured: &BTreeMap<&str, Measured>, alone: &BTreeMap<&str, Vec<f64>>, starts: &[f64]) {
    let Some(anchor) = measured.get("transaction") else { return };
    let rows = CONTENDERS.iter().filter_map(|kind| {
        let of = measured.get(kind)?;
        // Ratios inside each round: what else the machine did then, it did to both.
        let on_scale: Vec<f64> = of
            .per_second
            .iter()
            .zip(&anchor.per_second)
            .map(|(own, anchor)| own / anchor * TRANSACTION_ON_SCALE)
            .collect();
        Some(vec![
            (*kind).to_owned(),
            told(&on_scale, 1),
            told(&of.per_second, 0),
            told(&of.p50, 1),
            told(&of.p99, 1),
            told(&of.cpu, 0),
            told(&of.postgres_cpu, 0),
            told(&of.wal_bytes, 0),
            format!("{:.3}", median(&of.flushes).0),
            told(&of.megabytes, 0),
        ])
    });
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
        rows.collect(),
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
}
