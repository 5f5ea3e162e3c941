//! Fulfilling: a backlog is handed to a provider, and what is paid is picked up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use packline::db;
use sqlx::PgPool;

use super::Scale;
use super::apply::{drained, place_orders};
use super::contender::Contender;
use super::events;
use super::load::closed_loop;
use super::pick_up;
use super::postgres::Server;
use super::spent::{Since, Spent};
use super::table::{self, told};

const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

/// Waits until everything is fulfilled.
async fn fulfilled(pool: &PgPool) -> anyhow::Result<()> {
    let left = "select exists (select from fulfilments where state <> 'fulfilled')";
    let began = Instant::now();
    while sqlx::query_scalar(left).fetch_one(pool).await? {
        ensure!(began.elapsed() < PATIENCE, "not everything is fulfilled after {} s", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// A database with so many paid orders whose fulfilments wait.
async fn backlog(server: &Server, orders: usize) -> anyhow::Result<(String, PgPool)> {
    let url = server.database().await?;
    let pool = db::connect(&url, "bench", 2)?;
    place_orders(&pool, 0, orders).await?;
    let service = Contender::packline(&url, &["serve"], &[("FULFILMENT_PROVIDER", "none")]).await?;
    // The success of each order, and no other event.
    let successes: Vec<_> = events::requests(0, orders * 3, 3).into_iter().skip(1).step_by(3).collect();
    closed_loop(&service.address, &Arc::new(successes), 64, PATIENCE, 200).await?;
    drained(&pool).await?;
    sqlx::query("analyze").execute(&pool).await?;
    Ok((url, pool))
}

pub async fn measure(server: &Server, scale: Scale) -> anyhow::Result<()> {
    let (mut noop, mut http, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    let (mut of_noop, mut of_http) = (Spent::default(), Spent::default());
    let orders = scale.backlog / 5;
    for _ in 0..scale.rounds {
        let (url, pool) = backlog(server, orders).await?;
        let since = Since::start_of(server).await?;
        let began = Instant::now();
        let worker = Contender::packline(
            &url,
            &["worker"],
            &[("FULFILMENT_PROVIDER", "log"), ("PACKLINE_LOG", "packline::cli=info")],
        )
        .await?;
        fulfilled(&pool).await?;
        noop.push(orders as f64 / began.elapsed().as_secs_f64());
        of_noop.add(server, &worker, &since, orders).await?;
        drop(worker);

        let warehouse = Contender::yardstick("warehouse", None).await?;
        let target = format!("http://{}/orders", warehouse.address);
        let settings = [("FULFILMENT_URL", target.as_str()), ("PACKLINE_LOG", "packline::cli=info")];
        let (url, pool) = backlog(server, orders / 2).await?;
        let since = Since::start_of(server).await?;
        let began = Instant::now();
        let worker = Contender::packline(&url, &["worker"], &settings).await?;
        fulfilled(&pool).await?;
        http.push((orders / 2) as f64 / began.elapsed().as_secs_f64());
        of_http.add(server, &worker, &since, orders / 2).await?;
        drop(worker);

        waits.push(pick_up::measure(server, scale.singles / 5).await?);
    }
    let rows = [
        ("a second, provider in process", told(&noop, 0), "5,000 or more"),
        ("a second, provider behind HTTP", told(&http, 0), "1,500 or more"),
        ("from the commit of paid to the provider when idle, p50 ms", told(&waits, 1), "5 or less"),
    ];
    let rows = rows.map(|(what, is, wanted)| [what.to_owned(), is, wanted.to_owned()]);
    let spent = [of_noop.row("provider in process"), of_http.row("provider behind HTTP")];
    let rows = rows.into_iter().chain(spent).map(Vec::from).collect();
    table::print("Fulfilling", &["", "is", "wanted"], rows);
    Ok(())
}
