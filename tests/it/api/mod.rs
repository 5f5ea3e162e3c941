//! The JSON API under `/v1`, as a merchant's back end sees it.

mod faults;
mod idempotency;
mod list;
mod place;

use reqwest::{Response, StatusCode};
use serde_json::Value;

/// Status and code of an answer that is not a success, and the fields that it names; it is in our one format.
async fn fault(response: Response) -> (StatusCode, String, Vec<String>) {
    let (status, body) = fault_body(response).await;
    let fields = body["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = fields.iter().map(|fault| fault["field"].as_str().unwrap().to_owned()).collect();
    (status, body["code"].as_str().unwrap().to_owned(), fields)
}

async fn fault_body(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    assert!(status.is_client_error() || status.is_server_error(), "{status}");
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    assert_eq!(kind.as_deref(), Some("application/json"), "{status}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    (status, body["error"].clone())
}
