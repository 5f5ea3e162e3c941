//! How soon an idle service hands a paid order over: from the commit of `paid`, as another connection hears of it, until
//! the provider has the request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use packline::db;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::apply::place_orders;
use super::contender::Contender;
use super::events;
use super::load::closed_loop;
use super::postgres::Server;
use super::table;

const PATIENCE: Duration = Duration::from_secs(30);
/// Between two orders, so that all is at rest again.
const REST: Duration = Duration::from_millis(40);
/// So many are not counted: connections are made and statements prepared.
const WARM_UP: usize = 15;

/// The median wait of single orders, in milliseconds.
pub async fn measure(server: &Server, singles: usize) -> anyhow::Result<f64> {
    let url = server.database().await?;
    let pool = db::connect(&url, "bench", 2)?;
    place_orders(&pool, 0, singles + WARM_UP).await?;
    let (address, mut taken) = warehouse().await?;
    let target = format!("http://{address}/orders");
    let service = Contender::packline(&url, &["serve"], &[("FULFILMENT_URL", target.as_str())]).await?;
    let mut paid = committed(&pool).await?;

    let mut waits = Vec::new();
    let requests = events::requests(0, (singles + WARM_UP) * 3, 3);
    for success in requests.into_iter().skip(1).step_by(3) {
        closed_loop(&service.address, &Arc::new(vec![success]), 1, PATIENCE, 200).await?;
        let paid = timeout(PATIENCE, paid.recv()).await.context("nothing was paid")?;
        let taken = timeout(PATIENCE, taken.recv()).await.context("nothing was handed over")?;
        let (paid, taken) = paid.zip(taken).context("nobody listens any more")?;
        let wait = taken.saturating_duration_since(paid);
        waits.push(wait.as_secs_f64() * 1_000.0);
        tokio::time::sleep(REST).await;
    }
    Ok(table::median(&waits.split_off(WARM_UP)).0)
}

/// When orders were paid: Postgres tells it when the transaction is committed.
async fn committed(pool: &PgPool) -> anyhow::Result<mpsc::UnboundedReceiver<Instant>> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(db::FULFILMENTS_CHANNEL).await?;
    let (heard, committed) = mpsc::unbounded_channel();
    tokio::spawn(async move { while listener.recv().await.is_ok() && heard.send(Instant::now()).is_ok() {} });
    Ok(committed)
}

/// Takes whatever is handed over, and says when it came.
async fn warehouse() -> anyhow::Result<(String, mpsc::UnboundedReceiver<Instant>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (came, taken) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, came.clone()));
        }
    });
    Ok((address, taken))
}

async fn take(mut stream: TcpStream, came: mpsc::UnboundedSender<Instant>) -> Option<()> {
    let mut said: Vec<u8> = Vec::new();
    loop {
        if stream.read_buf(&mut said).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&said).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
        if body.len() < length.trim().parse::<usize>().ok()? {
            continue;
        }
        came.send(Instant::now()).ok()?;
        said.clear();
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
}
