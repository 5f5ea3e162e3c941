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
use super::table::{self, told};

const PATIENCE: Duration = Duration::from_secs(300);

async fn open(pool: &PgPool) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from fulfilments where state <> 'fulfilled'")
        .fetch_one(pool)
        .await?)
}

async fn fulfilled(pool: &PgPool) -> anyhow::Result<()> {
    let began = Instant::now();
    while open(pool).await? > 0 {
        ensure!(began.elapsed() < PATIENCE, "{} are not fulfilled", open(pool).await?);
        tokio::time::sleep(Duration::from_millis(20)).await;
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
    let orders = scale.backlog / 5;
    for _ in 0..scale.rounds {
        let (url, pool) = backlog(server, orders).await?;
        let began = Instant::now();
        let worker = Contender::packline(
            &url,
            &["worker"],
            &[("FULFILMENT_PROVIDER", "log"), ("PACKLINE_LOG", "packline::cli=info")],
        )
        .await?;
        fulfilled(&pool).await?;
        noop.push(orders as f64 / began.elapsed().as_secs_f64());
        drop(worker);

        let warehouse = Contender::yardstick("warehouse", None).await?;
        let target = format!("http://{}/orders", warehouse.address);
        let settings = [("FULFILMENT_URL", target.as_str()), ("PACKLINE_LOG", "packline::cli=info")];
        let (url, pool) = backlog(server, orders / 2).await?;
        let began = Instant::now();
        let worker = Contender::packline(&url, &["worker"], &settings).await?;
        fulfilled(&pool).await?;
        http.push((orders / 2) as f64 / began.elapsed().as_secs_f64());
        drop(worker);

        waits.push(pick_up::measure(server, scale.singles / 5).await?);
    }
    let rows = [
        ("a second, provider in process", told(&noop, 0), "5,000 or more"),
        ("a second, provider behind HTTP", told(&http, 0), "1,500 or more"),
        ("from the commit of paid to the provider when idle, p50 ms", told(&waits, 1), "5 or less"),
    ];
    let rows = rows.map(|(what, is, wanted)| vec![what.to_owned(), is, wanted.to_owned()]);
    table::print("Fulfilling", &["", "is", "wanted"], rows.into());
    Ok(())
}
