//! A Stripe that answers by script, over bytes: also what no HTTP library would send.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use packline::config::{Secret, StripeConfig};
use packline::stripe::{Call, Client, Patience};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub const KEY: &str = "order-1:confirm:1";

/// What a request is answered with, once it was read whole.
#[derive(Clone, Debug)]
pub enum Step {
    /// A status, headers and a body.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// The head of an answer and some of its body, then the end of the connection.
    Half(String),
    /// Bytes that may be anything.
    Bytes(Vec<u8>),
    /// The connection is reset.
    Reset,
    /// Nothing, for as long as the client waits.
    Hang,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and target.
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The pairs of the query.
    pub fn query(&self) -> Vec<(String, String)> {
        let target = self.line.split(' ').nth(1).unwrap();
        let url = reqwest::Url::parse(&format!("http://localhost{target}")).unwrap();
        url.query_pairs().into_owned().collect()
    }
}

pub struct Scripted {
    pub config: StripeConfig,
    requests: Arc<Mutex<Vec<Request>>>,
    _serving: JoinSet<()>,
}

impl Scripted {
    /// A server that takes these steps, one a request, and repeats the last.
    pub async fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(steps.into_iter().collect::<VecDeque<_>>()));
        let mut serving = JoinSet::new();
        let seen = Arc::clone(&requests);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        Self { config: config(&base), requests, _serving: serving }
    }

    /// A client of it that does not wait long between attempts.
    pub fn client(&self) -> Client {
        self.client_with(patience())
    }

    pub fn client_with(&self, patience: Patience) -> Client {
        Client::with_patience(&self.config, patience).unwrap()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What arrived since the last time.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// The idempotency keys of all requests, in order.
    pub fn keys(&self) -> Vec<Option<String>> {
        self.requests().iter().map(|request| request.header("idempotency-key").map(str::to_owned)).collect()
    }
}

pub fn config(base: &str) -> StripeConfig {
    let mut config = StripeConfig::new(Secret::new("sk_test_scripted"), base.parse().unwrap()).unwrap();
    config.calls_per_second = 1_000;
    config.connect_client_id = Some("ca_test".to_owned());
    config
}

pub fn patience() -> Patience {
    Patience {
        timeout: Duration::from_secs(20),
        first_delay: Duration::from_millis(1),
        longest_delay: Duration::from_millis(4),
        ..Patience::default()
    }
}

/// A call under the key of these tests.
pub fn call() -> Call<'static> {
    Call { idempotency_key: KEY, account: None }
}

pub fn ok(body: &Value) -> Step {
    Step::Answer(200, vec![("Request-Id", "req_ok")], body.to_string())
}

/// An error of Stripe's.
pub fn error(status: u16, kind: &str, code: Option<&str>) -> Step {
    error_with(status, vec![], json!({ "type": kind, "code": code, "message": "No, says the script." }))
}

pub fn error_with(status: u16, mut headers: Vec<(&'static str, &'static str)>, error: Value) -> Step {
    headers.push(("Request-Id", "req_error"));
    Step::Answer(status, headers, json!({ "error": error }).to_string())
}

pub fn payment_intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 4200, "amount_received": 0, "currency": "eur",
        "status": status, "client_secret": "pi_1_secret_2", "metadata": {"order_id": "o1"},
        "customer": null, "latest_charge": null, "next_action": null,
    })
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Request>>>, script: Arc<Mutex<VecDeque<Step>>>) {
    let Some(request) = read(&mut stream).await else { return };
    seen.lock().unwrap().push(request);
    let step = {
        let mut script = script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script.front().unwrap().clone() }
    };
    // The client may have gone, or may not take it all; what it makes of that is what the test is about.
    match step {
        Step::Answer(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await;
        }
        Step::Half(body) => {
            let head =
                format!("HTTP/1.1 200 OK\r\nRequest-Id: req_half\r\nContent-Length: {}\r\n", body.len());
            let half = &body[..body.len() / 2];
            let _ = stream.write_all(format!("{head}\r\n{half}").as_bytes()).await;
        }
        Step::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Step::Reset => {
            #[expect(deprecated, reason = "a linger of nothing does not block: it resets")]
            stream.set_linger(Some(Duration::ZERO)).unwrap();
        }
        Step::Hang => {
            let _ = stream.read_u8().await;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[head_end..].to_vec()).unwrap();
    Some(Request { line, headers, body, at: Instant::now() })
}
