//! The load: requests made beforehand, sent over connections that stay open, by as little code as can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::events::Request;

/// What a load came to.
#[derive(Debug, Default)]
pub struct Answered {
    /// How many were answered with the status that was expected.
    pub count: usize,
    pub seconds: f64,
    /// How long each took, in microseconds, sorted. Under a fixed rate from when it was to be sent.
    pub micros: Vec<u32>,
}

impl Answered {
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// The latency that this share of the requests stayed below, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let at = ((self.micros.len() as f64 * share) as usize).min(self.micros.len().saturating_sub(1));
        self.micros.get(at).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// Sends requests over so many connections, each as soon as the one before is answered, until they are used up or the
/// time is over.
pub async fn closed_loop(
    address: &str,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    within: Duration,
    expected: u16,
) -> anyhow::Result<Answered> {
    let next = Arc::new(AtomicUsize::new(0));
    drive(
        address,
        connections,
        expected,
        move |began| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            (began.elapsed() < within).then(|| (at, Instant::now()))
        },
        requests,
    )
    .await
}

/// Sends so many requests a second, whether or not those before are answered: as far as the connections go.
pub async fn fixed_rate(
    address: &str,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    per_second: f64,
) -> anyhow::Result<Answered> {
    let next = Arc::new(AtomicU64::new(0));
    drive(
        address,
        connections,
        200,
        move |began| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((usize::try_from(at).ok()?, began + Duration::from_secs_f64(at as f64 / per_second)))
        },
        requests,
    )
    .await
}

async fn drive(
    address: &str,
    connections: usize,
    expected: u16,
    next: impl Fn(Instant) -> Option<(usize, Instant)> + Clone + Send + 'static,
    requests: &Arc<Vec<Request>>,
) -> anyhow::Result<Answered> {
    let mut senders = JoinSet::new();
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await.context("the server under load")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let began = Instant::now();
    for stream in streams {
        let (requests, next) = (Arc::clone(requests), next.clone());
        senders.spawn(send(stream, requests, move || next(began), expected));
    }
    let mut answered = Answered::default();
    while let Some(sender) = senders.join_next().await {
        answered.micros.extend(sender??);
    }
    answered.seconds = began.elapsed().as_secs_f64();
    answered.count = answered.micros.len();
    answered.micros.sort_unstable();
    Ok(answered)
}

async fn send(
    mut stream: TcpStream,
    requests: Arc<Vec<Request>>,
    next: impl Fn() -> Option<(usize, Instant)>,
    expected: u16,
) -> anyhow::Result<Vec<u32>> {
    let mut micros = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Some((at, due)) = next() {
        let Some(request) = requests.get(at) else { break };
        tokio::time::sleep_until(due.into()).await;
        stream.write_all(&request.bytes).await?;
        let status = read_answer(&mut stream, &mut buffer).await?;
        if status != expected {
            bail!("answered {status}, not {expected}");
        }
        micros.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(micros)
}

/// Reads one answer to its end; returns its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    let mut read = 0;
    loop {
        if read == buffer.len() {
            buffer.resize(read * 2, 0);
        }
        let more = stream.read(&mut buffer[read..]).await?;
        if more == 0 {
            bail!("the connection was closed");
        }
        read += more;
        let Some(end) = buffer[..read].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if read >= end + 4 + length.unwrap_or_default() {
            return head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status");
        }
    }
}
