//! The Stripe CLI's protocol, spoken by hand; the real CLI speaks it in `tests/e2e`.

use packline::webhooks::EndpointSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Local;

/// A `stripe listen`.
struct Cli {
    stream: TcpStream,
}

impl Cli {
    /// Connects; where it is refused, gives the answer.
    async fn connect(local: &Local, id: &str) -> Result<Self, String> {
        let base = local.stripe.base();
        let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).await.unwrap();
        let request = format!(
            "GET /_fake/stripecli/subscribe?websocket_feature=webhooks HTTP/1.1\r\nHost: local\r\nWebsocket-Id: {id}\r\n\
             Sec-WebSocket-Protocol: stripecli-devproxy-v1\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if !head.starts_with("HTTP/1.1 101") {
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .unwrap()
                .split('\r')
                .next()
                .unwrap()
                .parse();
            let mut body = vec![0; length.unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            return Err(String::from_utf8(body).unwrap());
        }
        assert!(head.to_lowercase().contains("sec-websocket-protocol: stripecli-devproxy-v1"), "{head}");
        Ok(Self { stream })
    }

    /// The next frame: its opcode and payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let opcode = self.stream.read_u8().await.unwrap() & 0x0f;
        let length = match self.stream.read_u8().await.unwrap() {
            126 => self.stream.read_u16().await.unwrap().into(),
            127 => self.stream.read_u64().await.unwrap(),
            short => short.into(),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.unwrap();
        (opcode, payload)
    }

    /// The next event for a CLI that does not want the latest version.
    async fn event(&mut self) -> Value {
        loop {
            let (opcode, payload) = self.frame().await;
            assert_eq!(opcode, 1);
            let frame: Value = serde_json::from_slice(&payload).unwrap();
            if frame["endpoint"]["api_version"].is_null() {
                return frame;
            }
        }
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode, 0x80 | 126];
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        if opcode == 9 {
            frame = vec![0x80 | opcode, 0x80 | u8::try_from(payload.len()).unwrap()];
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn answered(&mut self, frame: &Value, status: u16) {
        for (kind, more) in [("event_ack", json!(null)), ("webhook_response", json!(status))] {
            let text = json!({ "type": kind, "webhook_id": frame["webhook_id"], "status": more, "body": "" })
                .to_string();
            self.send(1, text.as_bytes()).await;
        }
        // An answered ping: everything before it was heeded.
        self.send(9, b"there?").await;
        loop {
            let (opcode, payload) = self.frame().await;
            if opcode == 10 {
                assert_eq!(payload, b"there?");
                return;
            }
        }
    }
}

async fn session(local: &Local, device: &str) -> (String, String) {
    let form =
        format!("device_name={device}&websocket_features[]=webhooks&forward_to_url=http://127.0.0.1/hook");
    let opened = local.make("/v1/stripecli/sessions", &form).await;
    assert_eq!(opened["websocket_authorized_feature"], "webhooks");
    assert!(opened["websocket_url"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    (text("websocket_id"), text("secret"))
}

fn stage(local: &Local, number: usize) -> Value {
    local.stripe.deliveries().deliveries(None)["deliveries"][number]["stage"].clone()
}

#[actix_web::test]
async fn an_event_reaches_the_cli_signed_and_its_answer_is_recorded() {
    let local = Local::start();
    let (id, secret) = session(&local, "mine").await;
    let mut cli = Cli::connect(&local, &id).await.ok().unwrap();

    local.customer("Ada").await;
    let frame = cli.event().await;
    cli.answered(&frame, 200).await;

    assert_eq!(frame["type"], "webhook_event");
    let payload = frame["event_payload"].as_str().unwrap();
    let header = frame["http_headers"]["Stripe-Signature"].as_str().unwrap();
    let t = header.split([',', '=']).nth(1).unwrap().parse().unwrap();
    assert!(header.starts_with(&EndpointSecret::new("", &secret).sign(t, payload.as_bytes())));
    assert_eq!(frame["http_headers"]["User-Agent"], "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
    assert_eq!(stage(&local, 0), "delivered");
}

#[actix_web::test]
async fn what_happens_while_the_cli_connects_again_waits_for_it() {
    let local = Local::start();
    let (id, _) = session(&local, "mine").await;
    let mut cli = Cli::connect(&local, &id).await.ok().unwrap();
    local.customer("Ada").await;
    let unanswered = cli.event().await;
    drop(cli);
    local.customer("Grace").await;

    let mut cli = Cli::connect(&local, &id).await.ok().unwrap();
    let mut bodies = [cli.event().await, cli.event().await];

    bodies.sort_by_key(|frame| frame["webhook_id"] != unanswered["webhook_id"]);
    assert_eq!(bodies[0]["event_payload"], unanswered["event_payload"], "it was not acknowledged");
    assert!(bodies[1]["event_payload"].as_str().unwrap().contains("Grace"));
}

#[actix_web::test]
async fn what_the_cli_could_not_forward_is_sent_again_only_by_hand() {
    let local = Local::start();
    let (id, _) = session(&local, "mine").await;
    let mut cli = Cli::connect(&local, &id).await.ok().unwrap();
    local.customer("Ada").await;
    let frame = cli.event().await;
    cli.answered(&frame, 500).await;
    local.advance(24 * 3600);
    assert_eq!(stage(&local, 0), "failed");

    let event = local.see("/v1/events").await["data"][0]["id"].as_str().unwrap().to_owned();
    local.make(&format!("/v1/events/{event}/retry"), "for_stripecli=true").await;
    let again = cli.event().await;

    assert_eq!(again["event_payload"], frame["event_payload"]);
    assert_ne!(again["webhook_id"], frame["webhook_id"]);
}

#[actix_web::test]
async fn a_device_keeps_its_secret_and_sessions_are_several() {
    let local = Local::start();
    let (printed, secret) = session(&local, "mine").await;
    let (first, same) = session(&local, "mine").await;
    let (second, other) = session(&local, "yours").await;
    assert_eq!(secret, same);
    assert_ne!(secret, other);
    assert_ne!(printed, first);
    let mut mine = Cli::connect(&local, &first).await.ok().unwrap();
    let mut yours = Cli::connect(&local, &second).await.ok().unwrap();

    local.customer("Ada").await;

    assert_eq!(mine.event().await["event_payload"], yours.event().await["event_payload"]);
    let event = local.see("/v1/events").await["data"][0].clone();
    assert_eq!(event["pending_webhooks"], 2, "the session that only printed its secret does not count");
}

#[actix_web::test]
async fn an_unknown_session_is_told_so_in_the_words_that_the_cli_knows() {
    let local = Local::start();

    let refused = Cli::connect(&local, "cliws_none").await.err().unwrap();

    assert_eq!(refused, r#"{"error":{"message":"Unknown WebSocket ID."}}"#);
}
