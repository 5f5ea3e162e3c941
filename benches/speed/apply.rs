//! Applying: events become orders while others are acknowledged, and a backlog is worked off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use packline::db;
use sqlx::PgPool;

use super::Scale;
use super::contender::Contender;
use super::events;
use super::load::{closed_loop, fixed_rate};
use super::postgres::Server;
use super::spent::{Since, Spent};
use super::table::{self, told};

const CONNECTIONS: usize = 64;
const PER_ORDER: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

/// Orders that wait for the payments which the events tell of.
pub async fn place_orders(pool: &PgPool, first: usize, count: usize) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    for statement in [
        "insert into orders (id, number, currency, amount_total, origin, created_at, updated_at, shipping)
         select md5('order' || n)::uuid, 'B-' || n, 'usd', 2000, 'api', now(), now(),
           '{\"name\": \"Ada Lovelace\", \"line1\": \"12 Headingley Lane\", \"city\": \"Leeds\", \"country\": \"GB\"}'
         from generate_series($1::bigint, $2::bigint - 1) n",
        "insert into order_lines (order_id, position, sku, quantity, unit_amount, amount)
         select md5('order' || n)::uuid, position, 'TEA-' || position, 1, 1000, 1000
         from generate_series($1::bigint, $2::bigint - 1) n, generate_series(1, 2) position",
        "insert into order_refs (kind, stripe_id, order_id, created_at)
         select 'payment_intent', 'pi_3RbenchLoadGenerator' || lpad(n::text, 8, '0'), md5('order' || n)::uuid, now()
         from generate_series($1::bigint, $2::bigint - 1) n",
    ] {
        sqlx::query(statement)
            .bind(i64::try_from(first)?)
            .bind(i64::try_from(first + count)?)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    sqlx::query("analyze").execute(pool).await?;
    Ok(())
}

/// Waits until everything is applied. Whether one is left, never how many: to count them would cost as much as to apply
/// them.
pub async fn drained(pool: &PgPool) -> anyhow::Result<()> {
    let left = "select exists (select from stripe_events where next_attempt_at is not null order by next_attempt_at)";
    let began = Instant::now();
    while sqlx::query_scalar(left).fetch_one(pool).await? {
        ensure!(began.elapsed() < PATIENCE, "not everything is applied after {} s", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Every event had its effect: as many paid orders and fulfilments as successes.
async fn assert_applied(pool: &PgPool) -> anyhow::Result<()> {
    let (successes, paid, queued): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from stripe_events where type = 'payment_intent.succeeded' and state = 'applied'),
           (select count(*) from orders where paid_at is not null), (select count(*) from fulfilments)",
    )
    .fetch_one(pool)
    .await?;
    ensure!(
        successes == paid && paid == queued,
        "{successes} successes, {paid} paid orders, {queued} fulfilments"
    );
    Ok(())
}

pub async fn measure(server: &Server, scale: Scale) -> anyhow::Result<()> {
    let (mut whole, mut keeps_up, mut p50, mut p99, mut drain, mut peak) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut of_both, mut of_worker) = (Spent::default(), Spent::default());
    for _ in 0..scale.rounds {
        let url = server.database().await?;
        let pool = db::connect(&url, "bench", 2)?;
        let most = (scale.turn.as_secs_f64() * 40_000.0) as usize;
        place_orders(&pool, 0, most / PER_ORDER + 1).await?;
        let service = Contender::packline(&url, &["serve"], &[("FULFILMENT_PROVIDER", "none")]).await?;

        // As fast as it takes them, while it works them off.
        let requests = Arc::new(events::requests(0, most, PER_ORDER));
        let since = Since::now(server, &service).await?;
        let began = Instant::now();
        let answered = closed_loop(&service.address, &requests, CONNECTIONS, scale.turn, 200).await?;
        whole.push(answered.per_second());
        drained(&pool).await?;
        // What it does without a growing backlog: all of it, its end included.
        keeps_up.push(answered.count as f64 / began.elapsed().as_secs_f64());
        of_both.add(server, &service, &since, answered.count).await?;
        assert_applied(&pool).await?;

        // At half of that, how long from acknowledged to applied.
        let rate = keeps_up.last().copied().unwrap_or_default() / 2.0;
        let count = (rate * scale.turn.as_secs_f64()) as usize;
        sqlx::query("truncate stripe_events, stripe_event_payloads").execute(&pool).await?;
        place_orders(&pool, most, count / PER_ORDER + 1).await?;
        let later = Arc::new(events::requests(most * PER_ORDER, count, PER_ORDER));
        fixed_rate(&service.address, &later, CONNECTIONS, rate).await?;
        drained(&pool).await?;
        let (middle, tail): (f64, f64) = sqlx::query_as(
            "select percentile_cont(0.5) within group (order by wait), percentile_cont(0.99) within group (order by wait)
             from (select extract(epoch from applied_at - received_at)::float8 * 1000 as wait from stripe_events) waits",
        )
        .fetch_one(&pool)
        .await?;
        p50.push(middle);
        p99.push(tail);
        peak.push(service.peak_megabytes());
        drop(service);

        // A burst that nobody works off, and then one worker.
        let url = server.database().await?;
        let pool = db::connect(&url, "bench", 2)?;
        place_orders(&pool, 0, scale.backlog / PER_ORDER + 1).await?;
        let service = Contender::packline(&url, &["serve", "--no-worker"], &[]).await?;
        let burst = Arc::new(events::requests(0, scale.backlog, PER_ORDER));
        closed_loop(&service.address, &burst, CONNECTIONS, PATIENCE, 200).await?;
        let since = Since::start_of(server).await?;
        let began = Instant::now();
        let worker = Contender::packline(&url, &["worker"], &[("FULFILMENT_PROVIDER", "none")]).await?;
        drained(&pool).await?;
        drain.push(scale.backlog as f64 / began.elapsed().as_secs_f64());
        of_worker.add(server, &worker, &since, scale.backlog).await?;
        assert_applied(&pool).await?;
        peak.push(worker.peak_megabytes());
    }
    let rows = [
        ("acknowledged a second, the worker in the same process", told(&whole, 0), ""),
        ("acknowledged and applied a second, no backlog left", told(&keeps_up, 0), "5,000 or more"),
        ("acknowledged to applied at half of that, p50 ms", told(&p50, 1), "20 or less"),
        ("the same, p99 ms", told(&p99, 1), "250 or less"),
        ("events a second from a burst, one worker", told(&drain, 0), "5,000 or more"),
        ("most memory, MB", told(&peak, 0), "60 or less"),
    ];
    let rows = rows.map(|(what, is, wanted)| [what.to_owned(), is, wanted.to_owned()]);
    let spent = [of_both.row("acknowledged and applied"), of_worker.row("from a burst")];
    let rows = rows.into_iter().chain(spent).map(Vec::from).collect();
    table::print("Applying", &["", "is", "wanted"], rows);
    Ok(())
}
