//! A running service with a method for each thing that its users do. HTTP is real; the workers run when the test says
//! so; time moves when the test says so.

use std::sync::Arc;
use std::time::Duration;

use packline::app::{App, Roles};
use packline::clock::Clock;
use packline::config::{LabelledSecret, Secret, ServeConfig, StripeConfig};
use packline::fulfilment::{
    DEFAULT_PROVIDER, FulfilmentMetrics, FulfilmentSettings, FulfilmentWorker, LogProvider, Provider,
    Providers,
};
use packline::inbox::{Applier, InboxMetrics};
use packline::orders::Patience;
use packline::webhooks::EndpointSecret;
use packline::{api, db, telemetry};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use sqlx::PgPool;

use super::TestDatabase;

/// The signing secret of the platform's endpoint.
pub const SECRET: &str = "whsec_platform";
/// The signing secret of the Connect endpoint.
pub const CONNECT_SECRET: &str = "whsec_connect";

/// How long the service waits for what may explain a success.
pub const PATIENCE: Patience =
    Patience { grace: Duration::from_secs(15), order_wait: Duration::from_secs(600), can_ask: false };

/// How long a service may take to stop.
const GRACE: Duration = Duration::from_secs(5);

pub struct TestApp {
    pub pool: PgPool,
    pub clock: Clock,
    pub api_key: String,
    pub base: String,
    pub client: reqwest::Client,
    /// How long events wait for what may explain them, and whether Stripe is asked.
    pub patience: Patience,
    app: App,
    roles: Roles,
    // Dropped last: it takes the database away.
    pub database: TestDatabase,
}

impl TestApp {
    /// A service on a database of its own, without workers.
    pub async fn start() -> Self {
        Self::start_on(TestDatabase::create().await).await
    }

    pub async fn start_on(database: TestDatabase) -> Self {
        let url = database.url.clone();
        Self::start_through(database, &url).await
    }

    /// A service that reaches its database by another URL than the test does.
    pub async fn start_through(database: TestDatabase, url: &str) -> Self {
        Self::start_configured(database, url, Clock::manual(), None, Vec::new(), GRACE).await
    }

    /// A service that calls a Stripe.
    pub async fn start_calling(stripe: StripeConfig) -> Self {
        Self::start_with_stripe(Clock::manual(), stripe, Vec::new()).await
    }

    /// The same on a database that was used before.
    pub async fn start_calling_on(database: TestDatabase, stripe: StripeConfig) -> Self {
        let url = database.url.clone();
        Self::start_configured(database, &url, Clock::manual(), Some(stripe), Vec::new(), GRACE).await
    }

    /// A service that takes payments by a Stripe, and lets pages of these origins pay.
    pub async fn start_with_stripe(clock: Clock, stripe: StripeConfig, origins: Vec<String>) -> Self {
        let database = TestDatabase::create().await;
        let url = database.url.clone();
        Self::start_configured(database, &url, clock, Some(stripe), origins, GRACE).await
    }

    /// A service that can [`Self::crash`].
    pub async fn start_fragile(clock: Clock, stripe: StripeConfig) -> Self {
        let database = TestDatabase::create().await;
        let url = database.url.clone();
        Self::start_configured(database, &url, clock, Some(stripe), Vec::new(), Duration::ZERO).await
    }

    /// Ends the service with whatever it is at, and starts another on the same database.
    pub async fn crash(&mut self) {
        let next = App::start(&self.database.url, self.roles.clone(), self.clock.clone()).unwrap();
        self.base = format!("http://{}", next.address().unwrap());
        std::mem::replace(&mut self.app, next).stop().await;
    }

    async fn start_configured(
        database: TestDatabase,
        url: &str,
        clock: Clock,
        stripe: Option<StripeConfig>,
        cors_origins: Vec<String>,
        shutdown_grace: Duration,
    ) -> Self {
        let secret =
            |label: &str, secret: &str| LabelledSecret { label: label.into(), secret: Secret::new(secret) };
        let serve = ServeConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            platform_secrets: vec![secret("current", SECRET), secret("old", "whsec_old")],
            connect_secrets: vec![secret("connect", CONNECT_SECRET)],
            livemode: false,
            stripe,
            public_url: None,
            cors_origins,
            committers: 1,
            shutdown_grace,
        };
        let roles = Roles { serve: Some(serve), work: None };
        let app = App::start(url, roles.clone(), clock.clone()).unwrap();
        let pool = db::connect(&database.url, "packline-test", 8).unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let api_key = api::create_key(&mut conn, "test", clock.now()).await.unwrap().text;
        let base = format!("http://{}", app.address().unwrap());
        let client = packline::http_client::builder().build().unwrap();
        Self { pool, clock, api_key, base, client, patience: PATIENCE, app, roles, database }
    }

    pub async fn stop(self) -> TestDatabase {
        assert!(self.app.stop().await, "the service stops cleanly");
        self.pool.close().await;
        self.database
    }

    // Stripe's side.

    /// Posts an event as Stripe does: signed, now.
    pub async fn post_event(&self, event: &Value) -> StatusCode {
        self.post_event_to("/webhooks/stripe", SECRET, event).await.status()
    }

    /// Posts an event of a connected account.
    pub async fn post_connect_event(&self, event: &Value) -> StatusCode {
        self.post_event_to("/webhooks/stripe/connect", CONNECT_SECRET, event).await.status()
    }

    pub async fn post_event_to(&self, path: &str, secret: &str, event: &Value) -> Response {
        let body = serde_json::to_vec_pretty(event).unwrap();
        let signature = self.sign(secret, &body);
        self.post_raw(path, Some(&signature), body).await
    }

    pub async fn post_raw(&self, path: &str, signature: Option<&str>, body: Vec<u8>) -> Response {
        let request = self.client.post(format!("{}{path}", self.base)).body(body);
        let request = request.header("content-type", "application/json; charset=utf-8");
        let request = match signature {
            Some(signature) => request.header("stripe-signature", signature),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub fn sign(&self, secret: &str, body: &[u8]) -> String {
        EndpointSecret::new("test", secret).sign(self.clock.now().unix_timestamp(), body)
    }

    /// Posts events and applies them, each on its own.
    pub async fn deliver(&self, events: &[Value]) {
        for event in events {
            assert_eq!(self.post_event(event).await, StatusCode::OK, "{event}");
            self.apply_events().await;
        }
    }

    /// Posts events and applies them together, in one batch.
    pub async fn deliver_at_once(&self, events: &[Value]) {
        for event in events {
            assert_eq!(self.post_event(event).await, StatusCode::OK, "{event}");
        }
        self.apply_events().await;
    }

    /// Lets time pass and does what is due then.
    pub async fn wait(&self, time: Duration) {
        self.clock.advance(time);
        self.apply_events().await;
    }

    // The merchant's side.

    pub fn api(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.api_key)
    }

    /// Places an order and returns it.
    pub async fn place_order(&self, order: &Value) -> Value {
        let response = self.post_order(order, None).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    pub async fn post_order(&self, order: &Value, idempotency_key: Option<&str>) -> Response {
        let request = self.api(self.client.post(format!("{}/v1/orders", self.base))).json(order);
        let request = match idempotency_key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// The order that an id, a number or a Stripe object stands for.
    pub async fn order(&self, name: &str) -> Value {
        let response = self.get(&format!("/v1/orders/{name}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        response.json().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.api(self.client.get(format!("{}{path}", self.base))).send().await.unwrap()
    }

    // The workers.

    pub fn applier(&self) -> Applier {
        self.patient_applier(self.patience)
    }

    pub fn patient_applier(&self, patience: Patience) -> Applier {
        let metrics = InboxMetrics::register(&mut telemetry::registry());
        Applier::new(self.pool.clone(), self.clock.clone(), false, patience, metrics)
    }

    /// Applies what is due until nothing is.
    pub async fn apply_events(&self) {
        let applier = self.applier();
        while applier.run_once().await.unwrap() > 0 {}
    }

    pub fn fulfilment_worker(
        &self,
        provider: Arc<dyn Provider>,
        settings: FulfilmentSettings,
    ) -> FulfilmentWorker {
        self.fulfilment_worker_of(self.providers().with(DEFAULT_PROVIDER, provider), settings)
    }

    /// Those of the table, and none as the default.
    pub fn providers(&self) -> Providers {
        Providers::new(self.pool.clone(), self.clock.clone(), Duration::from_secs(10))
    }

    pub fn fulfilment_worker_of(
        &self,
        providers: Providers,
        settings: FulfilmentSettings,
    ) -> FulfilmentWorker {
        let metrics = FulfilmentMetrics::register(&mut telemetry::registry());
        let name = uuid::Uuid::new_v4().to_string();
        FulfilmentWorker::new(self.pool.clone(), self.clock.clone(), providers, name, settings, metrics)
    }

    /// Fulfils what is due, with a provider that always does it.
    pub async fn run_fulfilments(&self) {
        let worker = self.fulfilment_worker(Arc::new(LogProvider), FulfilmentSettings::default());
        while worker.run_once().await.unwrap() > 0 {}
    }

    // Ops.

    /// One value of one row; the query is the test's own.
    pub async fn value<T>(&self, query: &'static str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
    {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    /// The state and reason of an event.
    pub async fn event_state(&self, id: &str) -> (String, Option<String>) {
        sqlx::query_as("select state, reason from stripe_events where id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}
