//! The daily work: orders are placed, their events acknowledged and applied, and what was paid is fulfilled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use time::OffsetDateTime;

use super::super::apply::drained;
use super::super::events::{self, Request};
use super::super::load::closed_loop;
use super::super::table;
use super::{Shop, fill, packline};

const CONNECTIONS: usize = 64;
const PER_ORDER: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);

/// What is due or under way now: what waits for a person, or for next month, is not.
const DUE: &str = "select
  (select count(*) from fulfilments where state in ('queued', 'recalling') and next_attempt_at < now() + interval '1 day')
  + (select count(*) from fulfilments where state = 'in_progress' and lease_until < now() + interval '1 day')";

/// Places orders; the events of their payments.
async fn place(shop: &mut Shop, orders: usize) -> anyhow::Result<Arc<Vec<Request>>> {
    let first = shop.next;
    shop.next += orders;
    fill::place(&shop.pool, first, orders).await?;
    Ok(Arc::new(events::requests(first * PER_ORDER, orders * PER_ORDER, PER_ORDER)))
}

/// One turn: the cost of each step, in microseconds for an event or for an order.
pub async fn turn(shop: &mut Shop, orders: usize) -> anyhow::Result<Vec<(String, f64)>> {
    let requests = place(shop, orders).await?;
    let count = requests.len() as f64;

    let service = packline(shop, &["serve", "--no-worker"], &[]).await?;
    let answered = closed_loop(&service.address, &requests, CONNECTIONS, PATIENCE, 200).await?;
    ensure!(answered.count == requests.len(), "{} of {count} were acknowledged", answered.count);
    drop(service);

    let began = Instant::now();
    let worker = packline(shop, &["worker"], &[]).await?;
    drained(&shop.pool).await?;
    let applied = began.elapsed().as_secs_f64();
    drop(worker);
    let queued: i64 = sqlx::query_scalar(DUE).fetch_one(&shop.pool).await?;
    ensure!(queued == i64::try_from(orders)?, "{queued} fulfilments are due, not {orders}");

    let began = Instant::now();
    let worker = packline(shop, &["worker"], &[("FULFILMENT_PROVIDER", "log")]).await?;
    fulfilled(shop).await?;
    let sent = began.elapsed().as_secs_f64();
    drop(worker);
    let newest = i64::try_from(shop.next - 1)?;
    let status: String = sqlx::query_scalar("select status from orders where number = 'B-' || $1::bigint")
        .bind(newest)
        .fetch_one(&shop.pool)
        .await?;
    ensure!(status == "fulfilled", "an order that was paid and sent is {status}");

    let micros = |seconds: f64, count: f64| seconds / count * 1e6;
    Ok(vec![
        ("acknowledge, µs an event".to_owned(), micros(answered.seconds, count)),
        ("apply, µs an event".to_owned(), micros(applied, count)),
        ("claim, fulfil and record, µs an order".to_owned(), micros(sent, orders as f64)),
    ])
}

async fn fulfilled(shop: &Shop) -> anyhow::Result<()> {
    let began = Instant::now();
    while sqlx::query_scalar::<_, i64>(DUE).fetch_one(&shop.pool).await? > 0 {
        ensure!(began.elapsed() < PATIENCE, "they are not fulfilled");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Acknowledges and applies while a worker deletes payloads that are older than `kept`: microseconds for an event, and
/// how many payloads were deleted a second meanwhile.
pub async fn while_expiring(shop: &mut Shop, orders: usize, kept: &str) -> anyhow::Result<(f64, f64)> {
    let requests = place(shop, orders).await?;
    let before = reached(shop).await?;
    let settings = [("PACKLINE_PAYLOAD_RETENTION", kept), ("FULFILMENT_PROVIDER", "log")];
    let worker = packline(shop, &["worker"], &settings).await?;
    let service = packline(shop, &["serve", "--no-worker"], &[]).await?;
    let began = Instant::now();
    closed_loop(&service.address, &requests, CONNECTIONS, PATIENCE, 200).await?;
    drained(&shop.pool).await?;
    let seconds = began.elapsed().as_secs_f64();
    fulfilled(shop).await?;
    drop((service, worker));
    let deleted: i64 = sqlx::query_scalar(
        "select count(*) from stripe_events where received_at > $1 and received_at <= $2 and state = 'applied'",
    )
    .bind(before)
    .bind(reached(shop).await?)
    .fetch_one(&shop.pool)
    .await?;
    Ok((seconds / requests.len() as f64 * 1e6, deleted as f64 / seconds))
}

/// The age up to which payloads of applied events were deleted.
async fn reached(shop: &Shop) -> anyhow::Result<OffsetDateTime> {
    let mark = "select reached_at from retention_marks where what = 'applied_payloads'";
    Ok(sqlx::query_scalar(mark).fetch_one(&shop.pool).await?)
}

/// What the steady load left behind in the tables that it writes.
pub async fn print_bloat(shop: &Shop) -> anyhow::Result<()> {
    let tables: Vec<(String, i64, f64, f64, i64)> = sqlx::query_as(
        "select relname::text, n_live_tup, (100.0 * n_dead_tup / greatest(n_live_tup, 1))::float8,
           (100.0 * n_tup_hot_upd / n_tup_upd)::float8, pg_table_size(relid) / greatest(n_live_tup, 1)
         from pg_stat_user_tables
         where n_tup_upd > 0 and n_live_tup > 0
         order by n_tup_upd desc",
    )
    .fetch_all(&shop.pool)
    .await?;
    let rows = tables.into_iter().map(|(name, rows, dead, hot, bytes)| {
        vec![name, rows.to_string(), format!("{dead:.1} %"), format!("{hot:.0} %"), bytes.to_string()]
    });
    let header = ["table", "rows", "dead", "of the updates HOT", "bytes a row"];
    table::print("After it, in the large shop", &header, rows.collect());
    Ok(())
}
