//! The provider behind `FULFILMENT_URL`: a warehouse, or the adapter that speaks to one.
//!
//! `POST {url}` hands over a [`Delivery`] as JSON; `GET {url}/{idempotency key}` asks what became of one, and `DELETE`
//! of the same asks not to send it. What the answers mean stands in `answer.rs`. All carry
//!
//! | header | value |
//! |---|---|
//! | `Idempotency-Key` | the key of the fulfilment, the same in every attempt |
//! | `User-Agent` | `packline/<version>` |
//! | `webhook-id` | the idempotency key |
//! | `webhook-timestamp` | the time of this attempt, Unix seconds |
//! | `webhook-signature` | `v1,…` over `id.timestamp.body`, by the Standard Webhooks scheme; the body of a look-up and of a recall is empty |
//!
//! the last three where there is a secret. Redirects are not followed: a body with an address in it goes where
//! it was configured to go and nowhere else.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};

use super::signature::Signer;
use super::{Answer, Delivery, LookUp, Outcome, Provider, Recall, Receipt};
use crate::clock::Clock;
use crate::config::Secret;
use crate::http_client;

mod answer;

use answer::Reply;

/// How much of an answer's body is read, in bytes.
const MOST_READ: usize = 64 * 1024;

/// Why there is no way to make requests.
#[derive(Debug, thiserror::Error)]
pub enum CannotSend {
    /// The HTTP client does not start.
    #[error(
        "the HTTP client for FULFILMENT_URL cannot be made; are the machine's CA certificates installed?"
    )]
    Client(#[source] reqwest::Error),
    /// The URL cannot have a key appended.
    #[error("FULFILMENT_URL is not an http or https URL")]
    Url,
    /// The secret is no base64.
    #[error("FULFILMENT_SECRET is not whsec_ and base64")]
    Secret,
}

/// Hands orders over by HTTP.
pub struct HttpProvider {
    client: Client,
    url: Url,
    signer: Option<Signer>,
    clock: Clock,
}

impl HttpProvider {
    /// A provider at a URL. `timeout` bounds each request, its answer's body included.
    ///
    /// # Errors
    /// See [`CannotSend`].
    pub fn new(
        url: Url,
        secret: Option<&Secret>,
        timeout: Duration,
        clock: Clock,
    ) -> Result<Self, CannotSend> {
        if url.cannot_be_a_base() {
            return Err(CannotSend::Url);
        }
        let client = http_client::builder().timeout(timeout).build().map_err(CannotSend::Client)?;
        Ok(Self { client, url, signer: secret.map(Signer::new).transpose()?, clock })
    }

    async fn post(&self, delivery: &Delivery) -> Outcome {
        let body = match serde_json::to_vec(delivery) {
            Ok(body) => body,
            Err(error) => return not_sent(format!("the order cannot be written as JSON: {error}")),
        };
        let request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        match self.signed(request, &delivery.idempotency_key, &body).body(body).send().await {
            Ok(response) => self.read(response).await.to_sending(),
            Err(error) if error.is_connect() || error.is_builder() => not_sent(told(error)),
            Err(error) => {
                Outcome::Unknown { why: format!("sent, no answer: {}", told(error)), retry_after: None }
            }
        }
    }

    async fn get(&self, idempotency_key: &str) -> LookUp {
        let request = self.client.get(self.url_of(idempotency_key));
        match self.signed(request, idempotency_key, b"").send().await {
            Ok(response) => self.read(response).await.to_look_up(idempotency_key),
            Err(error) => {
                LookUp::Unclear { why: format!("asked, no answer: {}", told(error)), retry_after: None }
            }
        }
    }

    /// Whatever goes wrong leaves open whether it was recalled; asking again is a repetition.
    async fn delete(&self, idempotency_key: &str) -> Recall {
        let request = self.client.delete(self.url_of(idempotency_key));
        match self.signed(request, idempotency_key, b"").send().await {
            Ok(response) => self.read(response).await.to_recall(),
            Err(error) => {
                Recall::Unclear { why: format!("recall: no answer: {}", told(error)), retry_after: None }
            }
        }
    }

    /// The key as one more segment of the path, whether the path ends in a slash or not; the query stays.
    fn url_of(&self, idempotency_key: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(idempotency_key);
        }
        url
    }

    fn signed(&self, request: RequestBuilder, idempotency_key: &str, body: &[u8]) -> RequestBuilder {
        let request = request.header("idempotency-key", idempotency_key);
        let Some(signer) = &self.signer else {
            return request;
        };
        let timestamp = self.clock.now().unix_timestamp();
        request
            .header("webhook-id", idempotency_key)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signer.sign(idempotency_key, timestamp, body))
    }

    /// Reads an answer as far as it is wanted. The status alone decides, so a body that breaks off only lacks its words.
    async fn read(&self, mut response: Response) -> Reply {
        let status: StatusCode = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| answer::retry_after(value.to_str().ok()?, self.clock.now()));
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MOST_READ - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MOST_READ {
                break;
            }
        }
        Reply { status, retry_after, body }
    }
}

impl Provider for HttpProvider {
    fn name(&self) -> &'static str {
        "http"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(self.post(delivery))
    }

    fn look_up<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, LookUp> {
        Box::pin(self.get(idempotency_key))
    }

    fn recall<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, Recall> {
        Box::pin(self.delete(idempotency_key))
    }
}

fn not_sent(why: String) -> Outcome {
    Outcome::NotDone { why: format!("not sent: {why}"), retry_after: None }
}

/// An error with its causes and without the URL, which may hold a password.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
