use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use super::super::{DeliveredOrder, DeliveryCustomer, Tracking};
use super::*;

const KEY: &str = "ful_0190";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server for one request: gives `answer` back as it is and returns what it was sent.
struct Stub {
    address: SocketAddr,
    request: JoinHandle<String>,
}

impl Stub {
    fn answering(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let request = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut request, mut chunk) = (String::new(), [0; 4096]);
            while !is_whole(&request) {
                let read = socket.read(&mut chunk).unwrap();
                request.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
            }
            if answer == NEVER {
                // Holds the line until the other side gives up.
                let _ = socket.read(&mut chunk);
            } else {
                socket.write_all(answer.as_bytes()).unwrap();
            }
            request
        });
        Self { address, request }
    }

    fn provider(&self, path: &str) -> HttpProvider {
        provider_at(&format!("http://{}{path}", self.address))
    }

    fn request(self) -> String {
        self.request.join().unwrap()
    }
}

const NEVER: &str = "never";

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    let lines = request.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn provider_at(url: &str) -> HttpProvider {
    let secret = Secret::new(SECRET);
    let timeout = Duration::from_millis(200);
    HttpProvider::new(url.parse().unwrap(), Some(&secret), timeout, Clock::manual()).unwrap()
}

fn delivery() -> Delivery {
    Delivery {
        kind: "fulfilment.requested",
        fulfilment_id: Uuid::from_u128(1),
        idempotency_key: KEY.into(),
        part: 1,
        order: DeliveredOrder {
            id: Uuid::from_u128(2),
            number: "P-1".into(),
            account: None,
            currency: "eur".into(),
            amount_total: 2_000,
            customer: DeliveryCustomer { name: Some("Ada".into()), email: None },
            shipping: None,
            lines: Vec::new(),
            metadata: serde_json::Map::new(),
            created_at: datetime!(2026-11-21 12:00 UTC),
        },
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}", body.len())
}

fn reply(status: u16, body: &str) -> Reply {
    let retry_after = Some(Duration::from_secs(7));
    Reply { status: StatusCode::from_u16(status).unwrap(), retry_after, body: body.as_bytes().to_vec() }
}

fn kind(look_up: &LookUp) -> &'static str {
    match look_up {
        LookUp::Done(_) => "done",
        LookUp::Accepted(_) => "accepted",
        LookUp::Rejected { .. } => "rejected",
        LookUp::Absent => "absent",
        LookUp::NotOffered => "not_offered",
        LookUp::Unclear { .. } => "unclear",
    }
}

fn recall_kind(recall: &Recall) -> &'static str {
    match recall {
        Recall::Recalled => "recalled",
        Recall::Absent => "absent",
        Recall::TooLate { .. } => "too_late",
        Recall::NotOffered => "not_offered",
        Recall::Unclear { .. } => "unclear",
    }
}

#[tokio::test]
async fn an_order_is_posted_with_its_key_and_a_signature_that_covers_the_body() {
    let stub = Stub::answering(http("201 Created", "", r#"{"reference":"W-77","else":[1]}"#));
    let provider = stub.provider("/orders");

    let outcome = provider.send(&delivery()).await;

    assert_eq!(outcome, Outcome::Fulfilled(Receipt::named("W-77")));
    let request = stub.request();
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(request.starts_with("POST /orders HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "idempotency-key"), Some(KEY));
    assert_eq!(header(&request, "webhook-id"), Some(KEY));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "user-agent"), Some(concat!("packline/", env!("CARGO_PKG_VERSION"))));
    let timestamp = provider.clock.now().unix_timestamp();
    assert_eq!(header(&request, "webhook-timestamp"), Some(timestamp.to_string().as_str()));
    let signature = Signer::new(&Secret::new(SECRET)).unwrap().sign(KEY, timestamp, body.as_bytes());
    assert_eq!(header(&request, "webhook-signature"), Some(signature.as_str()));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "fulfilment.requested",
            "fulfilment_id": Uuid::from_u128(1),
            "idempotency_key": KEY,
            "part": 1,
            "order": {
                "id": Uuid::from_u128(2), "number": "P-1", "account": null, "currency": "eur", "amount_total": 2000,
                "customer": {"name": "Ada", "email": null}, "shipping": null, "lines": [], "metadata": {},
                "created_at": "2026-11-21T12:00:00Z"
            }
        })
    );
}

#[tokio::test]
async fn a_look_up_appends_the_key_to_the_path_and_keeps_the_query() {
    for (path, asked) in [
        ("", "/ful_0190"),
        ("/", "/ful_0190"),
        ("/orders", "/orders/ful_0190"),
        ("/orders/", "/orders/ful_0190"),
        ("/orders?site=3", "/orders/ful_0190?site=3"),
    ] {
        let stub = Stub::answering(http("404 Not Found", "", ""));

        let answer = stub.provider(path).look_up(KEY).await;

        assert_eq!(answer, LookUp::Absent);
        let request = stub.request();
        assert!(request.starts_with(&format!("GET {asked} HTTP/1.1\r\n")), "{request}");
        assert!(header(&request, "webhook-signature").is_some());
    }
}

#[tokio::test]
async fn a_recall_deletes_the_key_and_is_signed() {
    let stub = Stub::answering(http("204 No Content", "", ""));

    let answer = stub.provider("/orders").recall(KEY).await;

    assert_eq!(answer, Recall::Recalled);
    let request = stub.request();
    assert!(request.starts_with("DELETE /orders/ful_0190 HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "idempotency-key"), Some(KEY));
    assert!(header(&request, "webhook-signature").is_some());
}

#[tokio::test]
async fn a_recall_without_an_answer_is_unclear() {
    let silent = Stub::answering(NEVER);
    let busy = Stub::answering(http("503 Service Unavailable", "retry-after: 30\r\n", ""));

    assert_eq!(recall_kind(&silent.provider("/").recall(KEY).await), "unclear");
    assert_eq!(recall_kind(&provider_at("http://packline.invalid/").recall(KEY).await), "unclear");
    let answer = busy.provider("/").recall(KEY).await;
    assert!(matches!(answer, Recall::Unclear { retry_after: Some(wish), .. } if wish.as_secs() == 30));
}

#[tokio::test]
async fn no_answer_is_unknown_and_no_connection_is_not_done() {
    let silent = Stub::answering(NEVER);
    let hanging_up = Stub::answering("");
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://user:pass@{}/", listener.local_addr().unwrap())
    };
    let nowhere = "http://packline.invalid/";

    for stub in [silent, hanging_up] {
        let outcome = stub.provider("/").send(&delivery()).await;
        assert!(
            matches!(&outcome, Outcome::Unknown { why, .. } if why.contains("sent, no answer")),
            "{outcome:?}"
        );
    }
    for url in [nobody.as_str(), nowhere] {
        let outcome = provider_at(url).send(&delivery()).await;
        let Outcome::NotDone { why, .. } = outcome else { panic!("{outcome:?}") };
        assert!(why.starts_with("not sent: ") && !why.contains("pass"), "{why}");
        assert_eq!(kind(&provider_at(url).look_up(KEY).await), "unclear");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_long_body_is_not_read_to_its_end() {
    let elsewhere = Stub::answering(http("307 Temporary Redirect", "location: http://example.com/\r\n", ""));
    let long = Stub::answering(http("200 OK", "", &"x".repeat(3 * MOST_READ)));

    let outcome = elsewhere.provider("/").send(&delivery()).await;
    assert!(matches!(&outcome, Outcome::NotDone { why, .. } if why.contains("redirects are not followed")));

    assert_eq!(long.provider("/").send(&delivery()).await, Outcome::Fulfilled(Receipt::default()));
}

#[tokio::test]
async fn a_retry_after_is_read_from_the_answer() {
    let stub = Stub::answering(http("429 Too Many Requests", "retry-after: 120\r\n", "slow down"));

    let outcome = stub.provider("/").send(&delivery()).await;

    assert!(matches!(outcome, Outcome::NotDone { retry_after: Some(wish), .. } if wish.as_secs() == 120));
}

#[test]
fn every_status_has_its_meaning() {
    for (status, sending, look_up, recall) in [
        (200, "fulfilled", "done", "recalled"),
        (201, "fulfilled", "done", "recalled"),
        (202, "accepted", "accepted", "unclear"),
        (204, "fulfilled", "done", "recalled"),
        (301, "not_done", "unclear", "unclear"),
        (304, "not_done", "unclear", "unclear"),
        (400, "rejected", "not_offered", "unclear"),
        (401, "not_done", "not_offered", "unclear"),
        (403, "not_done", "not_offered", "unclear"),
        (404, "not_done", "absent", "absent"),
        (405, "not_done", "not_offered", "not_offered"),
        (408, "not_done", "unclear", "unclear"),
        (409, "fulfilled", "not_offered", "too_late"),
        (410, "rejected", "not_offered", "too_late"),
        (422, "rejected", "not_offered", "too_late"),
        (425, "not_done", "unclear", "unclear"),
        (429, "not_done", "unclear", "unclear"),
        (500, "unknown", "unclear", "unclear"),
        (501, "unknown", "not_offered", "not_offered"),
        (502, "unknown", "unclear", "unclear"),
        (503, "not_done", "unclear", "unclear"),
        (504, "unknown", "unclear", "unclear"),
        (999, "unknown", "not_offered", "unclear"),
    ] {
        let reply = reply(status, "{}");
        assert_eq!(reply.to_sending().code(), sending, "{status}");
        assert_eq!(kind(&reply.to_look_up(KEY)), look_up, "{status}");
        assert_eq!(recall_kind(&reply.to_recall()), recall, "{status}");
    }
}

#[test]
fn the_status_of_a_known_key_says_how_far_it_is() {
    for (body, repeated, look_up) in [
        (r#"{}"#, "fulfilled", "done"),
        (r#"{"status": null}"#, "fulfilled", "done"),
        (r#"{"status": "done"}"#, "fulfilled", "done"),
        (r#"{"status": "shipped"}"#, "fulfilled", "done"),
        (r#"{"status": "Fulfilled"}"#, "fulfilled", "done"),
        (r#"{"status": "accepted"}"#, "accepted", "accepted"),
        (r#"{"status": "rejected", "reason": "no such street"}"#, "rejected", "rejected"),
        (r#"{"status": "rejected"}"#, "rejected", "rejected"),
        (r#"{"status": "picking"}"#, "unknown", "unclear"),
        (r#"{"status": 7}"#, "unknown", "unclear"),
    ] {
        assert_eq!(reply(409, body).to_sending().code(), repeated, "{body}");
        assert_eq!(kind(&reply(200, body).to_look_up(KEY)), look_up, "{body}");
    }
    let LookUp::Rejected { why } =
        reply(200, r#"{"status": "rejected", "reason": "no such street"}"#).to_look_up(KEY)
    else {
        panic!()
    };
    assert_eq!(why, "no such street");
}

#[test]
fn tracking_is_read_from_every_good_answer() {
    let body = r#"{"reference": "W-1", "status": "accepted",
        "tracking": {"carrier": "DHL", "number": 123, "url": "https://track.example/123", "else": {}}}"#;
    let receipt = Receipt {
        reference: Some("W-1".into()),
        tracking: Some(Tracking {
            carrier: Some("DHL".into()),
            number: Some("123".into()),
            url: Some("https://track.example/123".into()),
        }),
    };

    assert_eq!(reply(200, body).to_sending(), Outcome::Fulfilled(receipt.clone()));
    assert_eq!(reply(202, body).to_sending(), Outcome::Accepted(receipt.clone()));
    assert_eq!(reply(409, body).to_sending(), Outcome::Accepted(receipt.clone()));
    assert_eq!(reply(200, body).to_look_up(KEY), LookUp::Accepted(receipt));
    for tracking in ["{}", "[]", "\"DHL\"", r#"{"number": ""}"#, r#"{"carrier": {"a": 1}}"#] {
        let body = format!(r#"{{"reference": "W-1", "tracking": {tracking}}}"#);
        assert_eq!(reply(200, &body).to_sending(), Outcome::Fulfilled(Receipt::named("W-1")), "{tracking}");
    }
}

#[test]
fn a_recall_that_came_too_late_quotes_the_provider() {
    let Recall::TooLate { why } = reply(409, "on the truck since noon").to_recall() else { panic!() };

    assert_eq!(why, "the provider answered 409 Conflict: on the truck since noon");
}

#[test]
fn a_reference_is_optional_and_any_other_body_is_passed_over() {
    for (body, expected) in [
        (r#"{"reference": "W-1"}"#, Some("W-1")),
        (r#"{"reference": 17}"#, Some("17")),
        (r#"{"reference": ""}"#, None),
        (r#"{"reference": {"a": 1}}"#, None),
        (r#"["W-1"]"#, None),
        ("OK", None),
        ("", None),
    ] {
        let reference = expected.map(ToOwned::to_owned);
        assert_eq!(
            reply(200, body).to_sending(),
            Outcome::Fulfilled(Receipt { reference, tracking: None }),
            "{body}"
        );
    }
}

#[test]
fn a_rejection_quotes_the_beginning_of_the_body() {
    let Outcome::Rejected { why } = reply(422, &format!("bad address {}", "ü".repeat(900))).to_sending()
    else {
        panic!()
    };

    assert!(why.starts_with("the provider answered 422 Unprocessable Entity: bad address ü"), "{why}");
    assert!(why.chars().count() < 600);
}

#[test]
fn a_look_ups_yes_is_a_json_object_and_about_the_key_that_was_asked_for() {
    for (body, expected) in [
        (r#"{"reference": "W-1"}"#, "done"),
        (r#"{"idempotency_key": "ful_0190"}"#, "done"),
        (r#"{"idempotency_key": "ful_other"}"#, "not_offered"),
        (r#"{"idempotency_key": 3}"#, "not_offered"),
        ("<html>It works!</html>", "not_offered"),
        ("[]", "not_offered"),
        ("", "not_offered"),
    ] {
        assert_eq!(kind(&reply(200, body).to_look_up(KEY)), expected, "{body}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = datetime!(2026-11-21 12:00:00 UTC);
    let seconds = |value| answer::retry_after(value, now).map(|wish| wish.as_secs());

    assert_eq!(seconds("120"), Some(120));
    assert_eq!(seconds("Sat, 21 Nov 2026 12:00:30 GMT"), Some(30));
    assert_eq!(seconds("Sat, 21 Nov 2026 11:00:00 GMT"), Some(0));
    assert_eq!(seconds("soon"), None);
    assert_eq!(seconds("-1"), None);
}
