//! Stripe under load: many senders, each of which sends its event again until it gets a 2xx.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use packline::clock::Clock;
use packline::webhooks::EndpointSecret;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::SECRET;
use super::stripe::{id, intent_succeeded};

/// Senders at a time.
const SENDERS: usize = 8;
/// So many more than a test waits for are sent at most: a worker that is slow to start must not drown.
const AHEAD: u64 = 500;

/// Sends successes of PaymentIntents that nobody knows, without end, until it is stopped.
pub struct Load {
    base: watch::Sender<String>,
    acknowledged: Arc<AtomicU64>,
    allowed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    senders: JoinSet<Vec<String>>,
}

impl Load {
    pub fn start(base: &str) -> Self {
        Self::start_slowly(base, Duration::ZERO)
    }

    /// The same, with a pause of each sender after each event.
    pub fn start_slowly(base: &str, pause: Duration) -> Self {
        let (base, target) = watch::channel(base.to_owned());
        let mut load = Self {
            base,
            acknowledged: Arc::default(),
            allowed: Arc::new(AtomicU64::new(AHEAD)),
            stop: Arc::default(),
            senders: JoinSet::new(),
        };
        let sent: Arc<AtomicU64> = Arc::default();
        for _ in 0..SENDERS {
            let sender = Sender {
                client: packline::http_client::builder().timeout(Duration::from_secs(15)).build().unwrap(),
                target: target.clone(),
                sent: Arc::clone(&sent),
                acknowledged: Arc::clone(&load.acknowledged),
                allowed: Arc::clone(&load.allowed),
                stop: Arc::clone(&load.stop),
                pause,
            };
            load.senders.spawn(sender.run());
        }
        load
    }

    /// The service moved.
    pub fn send_to(&self, base: &str) {
        self.base.send_replace(base.to_owned());
    }

    /// Waits until so many more events were acknowledged.
    pub async fn run_for(&self, more: u64) {
        let wanted = self.acknowledged.load(Ordering::SeqCst) + more;
        self.allowed.fetch_max(wanted + AHEAD, Ordering::SeqCst);
        let reached = async {
            while self.acknowledged.load(Ordering::SeqCst) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(180), reached).await.expect("events are acknowledged again");
    }

    /// Lets no sender begin another event; the ids of all that were acknowledged. What was begun is sent until it is
    /// acknowledged, if `to_the_end`.
    pub async fn stop(mut self, to_the_end: bool) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        if !to_the_end {
            self.base.send_replace(String::new());
        }
        let mut acknowledged = Vec::new();
        while let Some(ids) = self.senders.join_next().await {
            acknowledged.extend(ids.unwrap());
        }
        acknowledged
    }
}

struct Sender {
    client: reqwest::Client,
    target: watch::Receiver<String>,
    sent: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
    allowed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    pause: Duration,
}

impl Sender {
    async fn run(self) -> Vec<String> {
        let mut acknowledged = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            if self.acknowledged.load(Ordering::SeqCst) >= self.allowed.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            let number = self.sent.fetch_add(1, Ordering::SeqCst);
            let event = intent_succeeded(&format!("pi_load_{number}"));
            if !self.deliver(&serde_json::to_vec_pretty(&event).unwrap()).await {
                break;
            }
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
            acknowledged.push(id(&event).to_owned());
            tokio::time::sleep(self.pause).await;
        }
        acknowledged
    }

    /// Sends until there is a 2xx; false where there is nobody to send to any more.
    async fn deliver(&self, body: &[u8]) -> bool {
        loop {
            let base = self.target.borrow().clone();
            if base.is_empty() {
                return false;
            }
            let now = Clock::system().now().unix_timestamp();
            let request = self.client.post(format!("{base}/webhooks/stripe")).body(body.to_vec());
            let signed =
                request.header("stripe-signature", EndpointSecret::new("load", SECRET).sign(now, body));
            match signed.send().await {
                Ok(response) if response.status().is_success() => return true,
                Ok(response) => {
                    let status = response.status().as_u16();
                    assert!(status == 503, "only a lack of the database is an excuse: {status}");
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
