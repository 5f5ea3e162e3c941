//! A shop that takes payments: the service, a local Stripe, and events that arrive when the test says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use packline::clock::Clock;
use packline::config::{Secret, StripeConfig};
use packline::connect::Platform;
use packline::fake_stripe::{FakeStripe, Happening, Options, Outcome};
use packline::payments::{Payments, Resumer};
use packline::stripe::Client;
use packline::{app, inbox};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{order, with};

pub struct Shop {
    pub app: TestApp,
    pub stripe: FakeStripe,
    pub config: StripeConfig,
    resumer: Resumer,
    told: Arc<Mutex<Vec<Happening>>>,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_for(Vec::new()).await
    }

    /// A shop whose own pages, at these origins, pay.
    pub async fn open_for(origins: Vec<String>) -> Self {
        Self::open_with(origins, |_| ()).await
    }

    /// A shop that calls Stripe in a way of its own.
    pub async fn open_with(origins: Vec<String>, configure: impl FnOnce(&mut StripeConfig)) -> Self {
        let (clock, stripe, mut config, told) = stripe(Duration::from_millis(1500));
        configure(&mut config);
        let app = TestApp::start_with_stripe(clock, config.clone(), origins).await;
        let resumer = resumer(&app, &config);
        Self { app, stripe, config, resumer, told }
    }

    /// A shop whose process can die, and that does not wait long for Stripe.
    pub async fn open_fragile() -> Self {
        let (clock, stripe, config, told) = stripe(Duration::from_millis(400));
        let app = TestApp::start_fragile(clock, config.clone()).await;
        let resumer = resumer(&app, &config);
        Self { app, stripe, config, resumer, told }
    }

    // The merchant's side.

    /// Places an order of 20.00 USD that is paid so, and returns it.
    pub async fn place(&self, payment: Value) -> Value {
        let response = self.post("/v1/orders", &order(json!({ "payment": payment })), None).await;
        let status = response.status();
        let placed: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{placed}");
        placed
    }

    /// One that is paid through `POST /pay`.
    pub async fn place_for_server(&self, fields: Value) -> Value {
        self.place(with(json!({ "mode": "server" }), fields)).await
    }

    /// One that is paid, and its events have arrived.
    pub async fn place_paid(&self) -> Value {
        let placed = self.place_for_server(json!({})).await;
        let paid = self.pay_with(&placed, "visa").await;
        assert_eq!(paid, (StatusCode::OK, json!({ "success": true })));
        self.deliver().await;
        self.order(&placed).await
    }

    pub async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Response {
        let request = self.app.api(self.app.client.post(format!("{}{path}", self.app.base))).json(body);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// Posts to a path of an order.
    pub async fn act(&self, order: &Value, what: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/v1/orders/{}/{what}", id(order));
        let response = self.post(&path, &body, None).await;
        (response.status(), response.json().await.unwrap())
    }

    pub async fn order(&self, order: &Value) -> Value {
        self.app.order(id(order)).await
    }

    // The browser's side.

    pub async fn pay(&self, token: &str, body: Value) -> (StatusCode, Value) {
        let request = self.app.client.post(format!("{}/pay", self.app.base)).bearer_auth(token).json(&body);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Pays with a test card.
    pub async fn pay_with(&self, order: &Value, card: &str) -> (StatusCode, Value) {
        self.pay(token(order), json!({ "payment_method_id": format!("pm_card_{card}") })).await
    }

    /// Confirms again after a step.
    pub async fn pay_again(&self, order: &Value) -> (StatusCode, Value) {
        self.pay(token(order), json!({ "payment_intent_id": intent(order) })).await
    }

    /// The customer ends the step of the bank.
    pub fn authenticate(&self, order: &Value, outcome: Outcome) {
        self.stripe.authenticate(intent(order), outcome).unwrap();
    }

    pub async fn state(&self, order: &Value) -> Value {
        let url = format!("{}/checkout/{}/state?token={}", self.app.base, id(order), token(order));
        self.app.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    // Stripe's side.

    /// What happened since the last call, as events.
    pub fn events(&self) -> Vec<Value> {
        self.told.lock().unwrap().drain(..).map(|told| event(&told)).collect()
    }

    /// Has all events arrive, in Stripe's order.
    pub async fn deliver(&self) {
        for event in self.events() {
            let answer = match event.get("account") {
                Some(_) => self.app.post_connect_event(&event).await,
                None => self.app.post_event(&event).await,
            };
            assert_eq!(answer, StatusCode::OK, "{event}");
            self.app.apply_events().await;
        }
    }

    /// A connected account that can take payments, and of which the platform keeps 12 %; Stripe's id of it.
    pub async fn connect_account(&self) -> String {
        let asked = json!({
            "reference": "driver-7", "country": "GB", "business_type": "individual", "card_payments": true,
            "commission": { "basis_points": 1200 }
        });
        let made: Value = self.post("/v1/connect/accounts", &asked, None).await.json().await.unwrap();
        made["account"]["stripe_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Its owner tells Stripe all that it wants to know, and Packline hears of it.
    pub async fn complete_account(&self, account: &str) {
        self.stripe.complete_account(account).unwrap();
        self.deliver().await;
        self.look_at_accounts().await;
    }

    /// Looks at the accounts of which something was heard.
    pub async fn look_at_accounts(&self) {
        let (pool, clock) = (self.app.pool.clone(), self.app.clock.clone());
        let nowhere = self.config.connect_base.clone();
        let stripe = Some((Client::new(&self.config).unwrap(), self.config.clone()));
        let platform = Platform::new(pool, clock, false, nowhere, inbox::wake_waiting, stripe);
        while platform.run_once().await.unwrap() > 0 {}
    }

    /// Orders a fault of the next calls by POST. What is slow is slower than anybody waits.
    pub fn fault(&self, kind: &str, path: &str, times: u32) {
        let ms = self.config.timeout.as_millis() + 100;
        let fault = json!({ "kind": kind, "path": path, "method": "POST", "times": times, "ms": ms });
        self.stripe.order_fault(serde_json::from_value(fault).unwrap());
    }

    /// What is at a path of Stripe.
    pub async fn see(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.stripe.base());
        self.app.client.get(url).bearer_auth("sk_test_shop").send().await.unwrap().json().await.unwrap()
    }

    /// The charges of an order's intent that took money.
    pub async fn charges(&self, order: &Value) -> Vec<Value> {
        let list = self.see(&format!("/v1/charges?payment_intent={}", intent(order))).await;
        let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
        all.into_iter().filter(|charge| charge["status"] == "succeeded").collect()
    }

    /// All intents that there are.
    pub async fn intents(&self) -> Vec<Value> {
        self.see("/v1/payment_intents?limit=100").await["data"].as_array().unwrap().clone()
    }

    /// Finds out what became of calls, until nothing is due; returns how many it took up.
    pub async fn resume(&self) -> usize {
        self.try_resume().await.unwrap()
    }

    pub async fn try_resume(&self) -> sqlx::Result<usize> {
        let mut all = 0;
        loop {
            match self.resumer.run_once().await? {
                0 => return Ok(all),
                some => all += some,
            }
        }
    }

    pub fn voice(&self) -> Voice {
        let (client, base) = (self.app.client.clone(), self.app.base.clone());
        Voice { client, base, api_key: self.app.api_key.clone() }
    }

    pub async fn try_post(&self, path: &str, body: &Value, key: Option<&str>) -> Option<(u16, Value)> {
        self.voice().try_post(path, body, key).await
    }
}

/// Whoever can ask the service, while the shop is busy elsewhere.
pub struct Voice {
    client: reqwest::Client,
    base: String,
    api_key: String,
}

impl Voice {
    /// Posts; none where there is no whole answer.
    pub async fn try_post(&self, path: &str, body: &Value, key: Option<&str>) -> Option<(u16, Value)> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.api_key).json(body);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.json().await.ok()?))
    }
}

/// The worker that finds out what became of calls.
fn resumer(app: &TestApp, config: &StripeConfig) -> Resumer {
    let stripe = Some((Client::new(config).unwrap(), config.clone()));
    let neighbours = app::neighbours(false);
    Resumer::new(Payments::new(app.pool.clone(), app.clock.clone(), stripe, None, neighbours))
}

/// A local Stripe, and how to reach it: with so long a patience.
fn stripe(timeout: Duration) -> (Clock, FakeStripe, StripeConfig, Arc<Mutex<Vec<Happening>>>) {
    let clock = Clock::manual();
    let told = Arc::<Mutex<Vec<Happening>>>::default();
    let hears = Arc::clone(&told);
    let publish = Arc::new(move |happening| hears.lock().unwrap().push(happening));
    let stripe = FakeStripe::start_telling(Options::new(clock.clone()), publish).unwrap();
    let mut config = StripeConfig::new(Secret::new("sk_test_shop"), stripe.base().parse().unwrap()).unwrap();
    config.publishable_key = Some("pk_test_shop".to_owned());
    config.calls_per_second = 1000;
    config.timeout = timeout;
    config.retry_base = Duration::from_millis(20);
    (clock, stripe, config, told)
}

pub fn id(order: &Value) -> &str {
    order["id"].as_str().unwrap()
}

pub fn token(order: &Value) -> &str {
    order["payment"]["checkout_token"].as_str().unwrap()
}

pub fn intent(order: &Value) -> &str {
    order["payment"]["payment_intent"].as_str().unwrap_or_else(|| panic!("{order}"))
}

/// An event as Stripe sends it.
fn event(told: &Happening) -> Value {
    let request = told.caused_by.as_ref();
    let mut event = json!({
        "id": told.id, "object": "event", "api_version": "2026-08-26.dahlia", "created": told.created,
        "data": { "object": told.object }, "livemode": false, "pending_webhooks": 1, "type": told.event_type,
        "request": {
            "id": request.map(|cause| cause.request_id.clone()),
            "idempotency_key": request.and_then(|cause| cause.idempotency_key.clone())
        }
    });
    if let Some(account) = &told.account {
        event["account"] = account.clone().into();
    }
    event
}
