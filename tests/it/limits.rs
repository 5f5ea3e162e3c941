//! Limits: whoever sends much, slowly or nonsense is cut off in bounded time, and costs the others nothing.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::support::raw::{self, RawClient};
use crate::support::stripe::{event, intent, intent_succeeded, with};
use crate::support::{SECRET, TestApp};

const LARGEST_BODY: usize = 1024 * 1024;

/// The body of an event that is exactly so long.
fn body_of(length: usize) -> Vec<u8> {
    let padded = |padding: usize| {
        let object = with(intent("pi_1"), json!({ "description": "x".repeat(padding) }));
        serde_json::to_vec(&with(event("payment_intent.created", object), json!({ "id": "evt_1" }))).unwrap()
    };
    padded(length - padded(0).len())
}

async fn events(app: &TestApp) -> i64 {
    app.value("select count(*) from stripe_events").await
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_taken_and_a_byte_more_is_not() {
    let app = TestApp::start().await;
    let send = async |length: usize| {
        let body = body_of(length);
        let header = app.sign(SECRET, &body);
        app.post_raw("/webhooks/stripe", Some(&header), body).await.status()
    };

    assert_eq!(send(LARGEST_BODY + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(events(&app).await, 0);
    assert_eq!(send(LARGEST_BODY).await, StatusCode::OK);
    assert_eq!(events(&app).await, 1);
}

#[tokio::test]
async fn an_announced_body_that_is_too_large_is_refused_before_it_is_sent() {
    let app = TestApp::start().await;
    let headers = "Content-Length: 104857600\r\nStripe-Signature: t=1,v1=00\r\n";

    let mut client = RawClient::connect(&app.base).await;
    client.send(raw::post(headers, b"{")).await;
    let (answer, after) = client.read_to_end().await;

    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(after < Duration::from_secs(10), "{after:?}");
}

#[tokio::test]
async fn a_body_in_chunks_is_cut_off_where_it_gets_too_large() {
    let app = TestApp::start().await;
    let headers = "Transfer-Encoding: chunked\r\nStripe-Signature: t=1,v1=00\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();

    let mut client = RawClient::connect(&app.base).await;
    client.send(raw::post(headers, b"")).await;
    // The server reads on for a second, so that the answer arrives before the connection ends.
    let mut left = 64 * 1024;
    while left > 0 && client.send(&chunk).await {
        left -= 1;
    }
    let (answer, after) = client.read_to_end().await;

    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(left > 0 && after < Duration::from_secs(10), "{after:?}");
}

#[tokio::test]
async fn a_small_body_in_chunks_is_taken() {
    let app = TestApp::start().await;
    let body = serde_json::to_vec(&intent_succeeded("pi_1")).unwrap();
    let headers = format!(
        "Transfer-Encoding: chunked\r\nConnection: close\r\nStripe-Signature: {}\r\n",
        app.sign(SECRET, &body)
    );
    let chunks: Vec<u8> = body
        .chunks(100)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .chain(b"0\r\n\r\n".iter().copied())
        .collect();

    let mut client = RawClient::connect(&app.base).await;
    client.send(raw::post(&headers, &chunks)).await;
    let (answer, _) = client.read_to_end().await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(events(&app).await, 1);
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let app = TestApp::start().await;
    let one_header = format!("X-Long: {}\r\n", "x".repeat(1024 * 1024));
    let many_headers = "X-Many: x\r\n".repeat(10_000);

    for headers in [one_header, many_headers] {
        let mut client = RawClient::connect(&app.base).await;
        client.send(raw::post(&headers, b"")).await;
        let (answer, after) = client.read_to_end().await;

        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(after < Duration::from_secs(10), "{after:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let app = TestApp::start().await;
    let both_lengths = raw::post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n");
    let two_lengths = raw::post("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!");

    for request in [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec(), both_lengths, two_lengths] {
        let mut client = RawClient::connect(&app.base).await;
        client.send(request).await;
        let (answer, _) = client.read_to_end().await;

        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test]
async fn whoever_sends_a_head_or_a_body_too_slowly_is_cut_off_while_others_are_served() {
    let app = TestApp::start().await;
    let headers = "Content-Length: 1000\r\nStripe-Signature: t=1,v1=00\r\n";
    let mut slow_heads = Vec::new();
    for _ in 0..50 {
        let mut client = RawClient::connect(&app.base).await;
        client.send(b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        slow_heads.push(client);
    }
    let mut slow_body = RawClient::connect(&app.base).await;
    slow_body.send(raw::post(headers, b"{")).await;
    let silent = RawClient::connect(&app.base).await;

    assert_eq!(app.post_event(&intent_succeeded("pi_1")).await, StatusCode::OK);

    for client in slow_heads.into_iter().chain([silent]) {
        let (answer, after) = client.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(after < Duration::from_secs(20), "{after:?}");
    }
    let (answer, after) = slow_body.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(after < Duration::from_secs(15), "{after:?}");
    assert_eq!(events(&app).await, 1);
}

#[tokio::test]
async fn a_slow_body_of_the_json_api_is_cut_off_too() {
    let app = TestApp::start().await;
    let request = format!(
        "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 1000\r\n\r\n{{",
        app.api_key
    );

    let mut client = RawClient::connect(&app.base).await;
    client.send(request).await;
    let (answer, after) = client.read_to_end().await;

    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(after < Duration::from_secs(20), "{after:?}");
}
