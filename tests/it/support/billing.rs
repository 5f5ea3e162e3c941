//! A shop that bills by the local Stripe: its clock is Stripe's, and Stripe's events reach it when the test says so.

use std::time::Duration;

use packline::app::RECEIVERS;
use packline::clock::Clock;
use packline::config::{Secret, StripeConfig};
use packline::fake_stripe::delivery::{ApiVersion, Endpoint};
use packline::fake_stripe::{FakeStripe, Options};
use packline::outbox::Outbox;
use packline::stripe::Client;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::app::{SECRET, TestApp};

const KEY: &str = "sk_test_billing";

/// All that there is to sell and to bill: here by number, at Stripe as it is. What was refused leaves it as it was.
pub async fn all_there_is(app: &TestApp, stripe: &FakeStripe) -> Vec<Value> {
    let here: Vec<(String, i64)> = sqlx::query_as(
        "
        select 'customers', count(*) from customers union all
        select 'products', count(*) from products union all
        select 'prices', count(*) from prices union all
        select 'quotes', count(*) from quotes union all
        select 'invoices', count(*) from invoices union all
        select 'subscriptions', count(*) from subscriptions union all
        select 'subscription_items', count(*) from subscription_items union all
        select 'orders', count(*) from orders union all
        select 'outbox_calls', count(*) from outbox_calls union all
        select 'idempotency_keys', count(*) from idempotency_keys
        ",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let mut all = vec![json!(here)];
    for list in ["customers", "products", "prices", "quotes", "invoices", "subscriptions", "payment_intents"]
    {
        let request = app.client.get(format!("{}/v1/{list}?limit=100", stripe.base())).bearer_auth(KEY);
        all.push(request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap());
    }
    all
}

pub struct Shop {
    pub app: TestApp,
    pub stripe: FakeStripe,
    pub config: StripeConfig,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_for(None).await
    }

    /// One whose events are in the shape of a version of Stripe's API; none is the account's own.
    pub async fn open_for(version: Option<&str>) -> Self {
        let shop = Self::without_events().await;
        let url = format!("{}/webhooks/stripe", shop.app.base);
        let api_version = version.map(|version| ApiVersion::parse(version).unwrap());
        let endpoint = Endpoint { secret: SECRET.to_owned(), api_version, ..Endpoint::to(url) };
        shop.stripe.deliveries().add_endpoint(endpoint).unwrap();
        shop
    }

    /// One that Stripe's events do not reach.
    pub async fn without_events() -> Self {
        let clock = Clock::manual();
        let stripe = FakeStripe::start(Options::new(clock.clone())).unwrap();
        let mut config = StripeConfig::new(Secret::new(KEY), stripe.base().parse().unwrap()).unwrap();
        config.calls_per_second = 1_000;
        config.timeout = Duration::from_millis(2_000);
        config.retry_base = Duration::from_millis(1);
        let app = TestApp::start_with_stripe(clock, config.clone(), Vec::new()).await;
        Self { app, stripe, config }
    }

    // The merchant's back end.

    pub async fn send(&self, path: &str, body: Option<&Value>, key: Option<&str>) -> Response {
        let request = self.app.api(self.app.client.post(format!("{}{path}", self.app.base)));
        let request = body.into_iter().fold(request, |request, body| request.json(body));
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        request.send().await.unwrap()
    }

    /// The status and the body of an answer to a POST.
    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.send(path, Some(body), None).await;
        (response.status(), response.json().await.unwrap())
    }

    /// Posts what makes something, and returns that.
    pub async fn make(&self, path: &str, body: &Value) -> Value {
        let (status, made) = self.post(path, body).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {made}");
        made
    }

    /// Posts what moves something, and returns that.
    pub async fn act(&self, path: &str) -> Value {
        let response = self.send(path, None, None).await;
        let (status, body) = (response.status(), response.json::<Value>().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Posts what cannot be; returns the status, the code and the whole of what is told.
    pub async fn refused(&self, path: &str, body: Option<&Value>) -> (u16, String, String) {
        let response = self.send(path, body, None).await;
        let status = response.status();
        assert!(status.is_client_error(), "{path}: {status}");
        let told: Value = response.json().await.unwrap();
        (status.as_u16(), told["error"]["code"].as_str().unwrap().to_owned(), told["error"].to_string())
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.app.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    // Stripe.

    /// What the next calls come to.
    pub async fn fault(&self, method: &str, path: &str, kind: &str, times: u32) {
        let fault = json!({ "path": path, "method": method, "kind": kind, "times": times });
        let url = format!("{}/_fake/faults", self.stripe.base());
        self.app.client.post(url).json(&fault).send().await.unwrap().error_for_status().unwrap();
    }

    /// What stands in Stripe, as another program sees it.
    pub async fn at_stripe(&self, path: &str) -> Value {
        let request = self.app.client.get(format!("{}{path}", self.stripe.base())).bearer_auth(KEY);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Somebody does something in the Dashboard.
    pub async fn in_dashboard(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request =
            self.app.client.post(format!("{}{path}", self.stripe.base())).bearer_auth(KEY).form(form);
        let answer = request.send().await.unwrap();
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// Lets Stripe's events arrive and be applied.
    pub async fn hear(&self) {
        self.stripe.deliveries().settled().await;
        self.app.apply_events().await;
    }

    // The worker.

    /// Makes the calls that are due, until none is.
    pub async fn work(&self) {
        let client = Client::new(&self.config).unwrap();
        let outbox = Outbox::new(self.app.pool.clone(), self.app.clock.clone(), Some(client), RECEIVERS);
        while outbox.run_once().await.unwrap() > 0 {}
    }
}
