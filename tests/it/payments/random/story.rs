//! A story: who acts, what is on its way, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use packline::fake_stripe::delivery::Mode;
use packline::fulfilment::FulfilmentSettings;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::dispatch::{Dispatch, Does};
use crate::payments::Shop;
use crate::support::stripe::order;

/// Of the end, which lasts longer than keys do.
const ROUND: Duration = Duration::from_secs(3 * 3600);
const ROUNDS: usize = 12;

/// An order, from the first request on.
#[derive(Clone)]
pub struct Placed {
    /// What is asked, under a key.
    pub asks: Value,
    pub key: String,
    /// As it was answered, once it was.
    pub order: Option<Value>,
}

pub struct Story {
    pub shop: Shop,
    pub random: StdRng,
    pub orders: Vec<Placed>,
    pub log: Vec<String>,
    /// Events that did not arrive yet.
    mail: Vec<Value>,
    /// Events that arrived, and can again.
    arrived: Vec<Value>,
    dispatch: Arc<Dispatch>,
    /// An account of before 2024-10-28, which has no events of refunds.
    pub is_old_account: bool,
}

impl Story {
    pub async fn begin(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let shop = Shop::open_fragile().await;
        let mut story = Self {
            is_old_account: random.random_ratio(1, 6),
            dispatch: Arc::new(Dispatch {
                pool: shop.app.pool.clone(),
                stripe: shop.stripe.base(),
                client: shop.app.client.clone(),
                next: Default::default(),
                sent: Default::default(),
                wrong: Default::default(),
            }),
            shop,
            random,
            orders: Vec::new(),
            log: Vec::new(),
            mail: Vec::new(),
            arrived: Vec::new(),
        };
        story.set_the_scene(seed).await;
        story
    }

    async fn set_the_scene(&mut self, seed: u64) {
        let customer = self.stripe_does("customers", "name=Ada").await.unwrap()["id"].clone();
        let form = format!("customer={}", customer.as_str().unwrap());
        let mut account = None;
        if self.random.random_ratio(1, 4) {
            let made = self.shop.connect_account().await;
            self.shop.complete_account(&made).await;
            account = Some(made);
        }
        for number in 0..self.random.random_range(1..=3) {
            let manual = if self.random.random_ratio(2, 5) { "manual" } else { "automatic" };
            let mut payment = match self.random.random_range(0..10) {
                0..3 => json!({ "mode": "client" }),
                3..5 => {
                    let card = *["visa", "visa", "chargeDeclined", "authenticationRequired"]
                        .choose(&mut self.random)
                        .unwrap();
                    let attach = format!("payment_methods/pm_card_{card}/attach");
                    let method = self.stripe_does(&attach, &form).await.map(|method| method["id"].clone());
                    match method {
                        Some(method) => json!({
                            "mode": "server", "off_session": true, "customer": customer, "payment_method": method
                        }),
                        None => json!({ "mode": "server" }),
                    }
                }
                _ => json!({ "mode": "server", "save_for_later": self.random.random_ratio(1, 5) }),
            };
            payment["capture"] = manual.into();
            let line = json!({ "sku": "mug", "quantity": 4, "unit_amount": 500 });
            let mut asks = order(json!({ "payment": payment, "lines": [line] }));
            if let Some(account) = &account {
                asks["destination"] = json!({ "account": account });
            }
            self.orders.push(Placed { asks, key: format!("place-{seed}-{number}"), order: None });
        }
        self.collect();
    }

    pub fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    pub fn chance(&mut self, of: u32, all: u32) -> bool {
        self.random.random_ratio(of, all)
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.random).unwrap().clone()
    }

    // What is on its way.

    /// Takes over what happened at Stripe, in the shape that is in force.
    pub fn collect(&mut self) {
        let is_old = self.is_old_account;
        let told = self
            .shop
            .events()
            .into_iter()
            .filter(|event| !is_old || !event["type"].as_str().unwrap().starts_with("refund."));
        let shaped = told.map(|event| {
            let kept = self.shop.stripe.deliveries().event(event["id"].as_str().unwrap());
            kept.unwrap_or(event)
        });
        self.mail.extend(shaped.collect::<Vec<_>>());
    }

    /// Has some events arrive: of those that are on their way, in any order, some twice.
    pub async fn deliver_some(&mut self) {
        self.collect();
        if self.chance(1, 2) {
            self.mail.shuffle(&mut self.random);
        }
        let count = self.random.random_range(0..=self.mail.len());
        let mut now: Vec<Value> = self.mail.drain(..count).collect();
        self.arrived.extend(now.clone());
        if self.chance(1, 4) && !self.arrived.is_empty() {
            now.push(self.arrived.choose(&mut self.random).unwrap().clone());
        }
        self.note(format!("{count} events arrive, {} do not yet", self.mail.len()));
        self.deliver(&now).await;
        if self.chance(3, 4) {
            self.shop.app.apply_events().await;
        }
    }

    async fn deliver(&self, events: &[Value]) {
        for event in events {
            let answer = match event.get("account") {
                Some(_) => self.shop.app.post_connect_event(event).await,
                None => self.shop.app.post_event(event).await,
            };
            assert!(answer.is_success(), "{answer}: {event}");
        }
    }

    pub async fn fulfil(&mut self) {
        let does = self.pick(&[Does::Ship, Does::Ship, Does::ShipUnanswered, Does::Nothing]);
        self.note(format!("the worker fulfils; the provider: {does:?}"));
        self.dispatch.next.lock().unwrap().push_back(does);
        self.run_fulfilments().await;
    }

    async fn run_fulfilments(&self) {
        let provider = Arc::clone(&self.dispatch);
        let worker = self.shop.app.fulfilment_worker(provider, FulfilmentSettings::default());
        while worker.run_once().await.unwrap() > 0 {}
    }

    pub fn set_shape(&mut self) {
        let shape = self.pick(&["old", "new", "2023-10-16"]);
        self.note(format!("events have the shape {shape}"));
        let mode = Mode { shape: Some(shape.to_owned()), ..Mode::default() };
        self.shop.stripe.deliveries().set_mode(mode).unwrap();
    }

    pub async fn resume(&mut self) {
        let resumed = self.shop.try_resume().await;
        self.note(format!("the worker takes up calls: {resumed:?}"));
    }

    pub async fn die(&mut self) {
        self.note("the process dies, and another begins");
        self.shop.app.crash().await;
    }

    pub fn pass(&mut self, time: Duration) {
        self.note(format!("{} minutes pass", time.as_secs() / 60));
        self.shop.app.clock.advance(time);
    }

    // The end.

    /// Stripe is well, everything arrives, everybody asks again; then the truth is compared.
    pub async fn end(&mut self) {
        self.note("Stripe is well and everything arrives");
        self.shop.stripe.clear_faults();
        self.dispatch.next.lock().unwrap().clear();
        for _ in 0..ROUNDS {
            self.shop.app.clock.advance(ROUND);
            self.collect();
            let mail = std::mem::take(&mut self.mail);
            self.deliver(&mail).await;
            self.shop.app.apply_events().await;
            self.shop.resume().await;
            self.run_fulfilments().await;
        }
        let ids: Vec<String> = sqlx::query_scalar("select id::text from orders order by id")
            .fetch_all(&self.shop.app.pool)
            .await
            .unwrap();
        let sent = self.dispatch.sent.lock().unwrap().clone();
        for id in &ids {
            self.compare(id, sent.iter().filter(|(order, _)| order == id).count()).await;
            let end: (String, String, i64, i64) = sqlx::query_as(
                "select payment_status, fulfilment_status, amount_paid, amount_refunded from orders where id = $1::uuid",
            )
            .bind(id)
            .fetch_one(&self.shop.app.pool)
            .await
            .unwrap();
            println!("{end:?}");
        }
        assert_eq!(*self.dispatch.wrong.lock().unwrap(), Vec::<String>::new());
        let failed: Vec<(String, String, Option<String>)> =
            sqlx::query_as("select id, type, reason from stripe_events where state in ('failed', 'pending')")
                .fetch_all(&self.shop.app.pool)
                .await
                .unwrap();
        assert!(failed.is_empty(), "{failed:?}");
    }

    pub async fn close(self) {
        self.shop.stripe.stop().await;
    }
}
