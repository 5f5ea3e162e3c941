//! The local Stripe, called as any client would: HTTP, form bodies, no code of ours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use packline::clock::Clock;
use packline::fake_stripe::{FakeStripe, Happening, Options};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

mod billing_clock;
mod catalogue;
mod checkout;
mod connect;
mod frame;
mod hosted;
mod independent;
mod invoices;
mod payments;
mod quotes;
mod refunds;
mod subscriptions;

/// A local Stripe of its own, and a caller.
pub struct Local {
    pub stripe: FakeStripe,
    /// The clock that it was started with.
    pub clock: Clock,
    client: reqwest::Client,
    told: Arc<Mutex<Vec<Happening>>>,
}

/// What a call was answered with.
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Local {
    pub fn start() -> Self {
        let clock = Clock::manual();
        let told = Arc::new(Mutex::new(Vec::new()));
        let publish = Arc::clone(&told);
        let stripe = FakeStripe::start_telling(
            Options::new(clock.clone()),
            Arc::new(move |happening| publish.lock().unwrap().push(happening)),
        )
        .unwrap();
        let client = packline::http_client::builder().build().unwrap();
        Self { stripe, clock, client, told }
    }

    /// The types of what happened since this was last asked.
    pub fn told(&self) -> Vec<String> {
        self.happenings().into_iter().map(|happening| happening.event_type).collect()
    }

    pub fn happenings(&self) -> Vec<Happening> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    pub fn advance(&self, seconds: u64) {
        self.stripe.advance(Duration::from_secs(seconds));
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.stripe.base())).bearer_auth("sk_test_local")
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap();
        Answered { status, headers, body: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Answered {
        self.send(self.request(Method::POST, path).body(form.to_owned())).await
    }

    pub async fn post_with(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Answered {
        let request = self.request(Method::POST, path).body(form.to_owned());
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// A call that must be done.
    pub async fn make(&self, path: &str, form: &str) -> Value {
        let answered = self.post(path, form).await;
        assert_eq!(answered.status, 200, "{path} {form}: {}", answered.body);
        answered.body
    }

    /// An object as it is now.
    pub async fn see(&self, path: &str) -> Value {
        let answered = self.get(path).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.body);
        answered.body
    }

    pub async fn control(&self, path: &str, body: Value) -> Answered {
        self.send(self.request(Method::POST, &format!("/_fake/{path}")).json(&body)).await
    }
}

impl Answered {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The field of the error.
    pub fn error(&self, field: &str) -> &Value {
        &self.body["error"][field]
    }
}
