//! HTTP by hand: what a client library would not send.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than the service may take over any answer.
const PATIENCE: Duration = Duration::from_secs(25);

pub struct RawClient {
    stream: TcpStream,
    opened: Instant,
}

impl RawClient {
    pub async fn connect(base: &str) -> Self {
        let address: SocketAddr = base.strip_prefix("http://").unwrap().parse().unwrap();
        Self { stream: TcpStream::connect(address).await.unwrap(), opened: Instant::now() }
    }

    /// Sends bytes; false where the other side has hung up.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Everything that comes until the other side hangs up, and how long after the connection was made that was.
    pub async fn read_to_end(mut self) -> (String, Duration) {
        let mut answer = Vec::new();
        // A reset counts as hanging up.
        let ended = timeout(PATIENCE, self.stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "the connection is still open: {:?}", String::from_utf8_lossy(&answer));
        (String::from_utf8_lossy(&answer).into_owned(), self.opened.elapsed())
    }
}

/// A POST with its head by hand, to the platform's endpoint.
pub fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /webhooks/stripe HTTP/1.1\r\nHost: packline.test\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}
