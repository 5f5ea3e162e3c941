//! A platform whose Stripe is the local one: with an owner of accounts who has a browser.

use std::time::Duration;

use packline::clock::Clock;
use packline::config::{Secret, StripeConfig};
use packline::connect::Platform;
use packline::fake_stripe::delivery::Endpoint;
use packline::fake_stripe::{FakeStripe, Options};
use packline::inbox;
use packline::stripe::Client;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{CONNECT_SECRET, TestApp};

pub struct Shop {
    pub app: TestApp,
    pub stripe: FakeStripe,
    pub config: StripeConfig,
}

impl Shop {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// One that waits for no answer long.
    pub async fn start_impatient() -> Self {
        Self::start_with(|config| {
            config.timeout = Duration::from_millis(1500);
            config.retry_base = Duration::from_millis(5);
        })
        .await
    }

    pub async fn start_with(configure: impl FnOnce(&mut StripeConfig)) -> Self {
        let stripe = FakeStripe::start(Options::new(Clock::manual())).unwrap();
        let mut config =
            StripeConfig::new(Secret::new("sk_test_connect"), stripe.base().parse().unwrap()).unwrap();
        config.connect_client_id = Some("ca_test".to_owned());
        config.calls_per_second = 1_000;
        configure(&mut config);
        let app = TestApp::start_calling(config.clone()).await;
        let url = format!("{}/webhooks/stripe/connect", app.base);
        let endpoint = Endpoint { connect: true, secret: CONNECT_SECRET.to_owned(), ..Endpoint::to(url) };
        stripe.deliveries().add_endpoint(endpoint).unwrap();
        Self { app, stripe, config }
    }

    /// The worker that looks at accounts.
    pub async fn run_accounts(&self) {
        let client = Client::new(&self.config).unwrap();
        let nowhere = self.config.connect_base.clone();
        let platform = Platform::new(
            self.app.pool.clone(),
            self.app.clock.clone(),
            false,
            nowhere,
            inbox::wake_waiting,
            Some((client, self.config.clone())),
        );
        while platform.run_once().await.unwrap() > 0 {}
    }

    /// Lets Stripe's news arrive and be heard, and the accounts be looked at that they are about.
    pub async fn hear(&self) {
        self.stripe.deliveries().settled().await;
        self.app.apply_events().await;
        self.run_accounts().await;
    }

    pub async fn fault(&self, path: &str, kind: &str) {
        let fault = json!({ "path": path, "kind": kind, "times": 3 });
        let url = format!("{}/_fake/faults", self.stripe.base());
        let answer = self.app.client.post(url).json(&fault).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    pub async fn control_account(&self, account: &str, what: &str) {
        let url = format!("{}/_fake/accounts/{account}/{what}", self.stripe.base());
        assert_eq!(self.app.client.post(url).send().await.unwrap().status(), StatusCode::OK);
    }

    pub async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Response {
        let request = self.app.api(self.app.client.post(format!("{}{path}", self.app.base))).json(body);
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        request.send().await.unwrap()
    }

    pub async fn create(&self, reference: &str) -> Value {
        let response = self.post("/v1/connect/accounts", &asked(reference), None).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }

    pub async fn account(&self, name: &str) -> Value {
        let response = self.app.get(&format!("/v1/connect/accounts/{name}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        response.json().await.unwrap()
    }

    pub async fn delete(&self, name: &str) -> Response {
        let url = format!("{}/v1/connect/accounts/{name}", self.app.base);
        self.app.api(self.app.client.delete(url)).send().await.unwrap()
    }

    /// How many accounts Stripe has.
    pub async fn made(&self) -> usize {
        let url = format!("{}/v1/accounts", self.stripe.base());
        let list = self.app.client.get(url).bearer_auth("sk_test_connect").send().await.unwrap();
        list.json::<Value>().await.unwrap()["data"].as_array().unwrap().len()
    }

    // The owner's browser.

    pub async fn visit(&self, url: &str, cookie: Option<&str>) -> Response {
        let request = self.app.client.get(url);
        let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
        request.send().await.unwrap()
    }

    pub async fn submit(&self, url: &str, form: &str) -> Response {
        let request = self.app.client.post(url).header("content-type", "application/x-www-form-urlencoded");
        request.body(form.to_owned()).send().await.unwrap()
    }
}

pub fn asked(reference: &str) -> Value {
    json!({
        "reference": reference, "country": "GB", "email": "driver@example.com", "business_type": "individual",
        "commission": { "basis_points": 1200 }, "metadata": { "car": "red" }
    })
}

/// Where an answer sends a browser.
pub fn location(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["location"].to_str().unwrap().to_owned()
}
