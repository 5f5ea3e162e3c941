//! A story: some orders, and what happens to them step by step.

use std::sync::Arc;

use packline::fulfilment::{FulfilmentWorker, Provider};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Sale, Shop, drain};
use super::chance::Chance;
use super::crash::Dies;
use super::ledger::{Ledger, verdict};
use crate::support::stripe::{dispute, intent_succeeded, refund};

struct Told {
    sale: Sale,
    is_paid: bool,
    is_refunded: bool,
    is_disputed: bool,
    disputes: u32,
}

pub struct Story {
    shop: Shop,
    ledger: Arc<Ledger>,
    chance: Chance,
    orders: Vec<Told>,
}

impl Story {
    pub async fn begin(seed: u64, orders: usize) -> Self {
        let shop = Shop::open().await;
        let mut told = Vec::new();
        for _ in 0..orders {
            let sale = shop.placed(json!({})).await;
            told.push(Told { sale, is_paid: false, is_refunded: false, is_disputed: false, disputes: 0 });
        }
        let ledger = Arc::new(Ledger::new(seed, shop.pool.clone()));
        Self { shop, ledger, chance: Chance::of(seed ^ 0xc0ffee), orders: told }
    }

    pub async fn step(&mut self) {
        match self.chance.below(10) {
            0..=2 => self.happen().await,
            3..=5 => self.work().await,
            6 => self.ledger.pack(false),
            7 => {
                let told = self.ledger.to_tell(false);
                self.tell(told).await;
            }
            _ => {
                let seconds = self.chance.weighted(&[(4, 5), (4, 40), (3, 130), (2, 1_000), (1, 30_000)]);
                self.shop.advance(seconds);
            }
        }
    }

    /// Several customers at once, in one batch of events.
    async fn happen(&mut self) {
        let mut events = Vec::new();
        for _ in 0..6 {
            let at = self.chance.below(self.orders.len());
            let order = &mut self.orders[at];
            let intent = order.sale.intent.clone();
            let what = self.chance.below(6);
            if !order.is_paid {
                order.is_paid = true;
                self.ledger.note(order.sale.order, "paid");
                events.push(intent_succeeded(&intent));
            } else if what == 0 && !order.is_refunded {
                order.is_refunded = true;
                self.ledger.note(order.sale.order, "refunded");
                events.push(refund(
                    "refund.created",
                    &intent.replace("pi_", "re_"),
                    &intent,
                    2000,
                    "succeeded",
                ));
            } else if what == 1 && !order.is_disputed && !order.is_refunded {
                order.is_disputed = true;
                order.disputes += 1;
                self.ledger.note(order.sale.order, "disputed");
                events.push(order.dispute("created", "needs_response"));
            } else if what < 4 && order.is_disputed {
                order.is_disputed = false;
                self.ledger.note(order.sale.order, "dispute won");
                events.push(order.dispute("closed", "won"));
            }
        }
        self.shop.deliver_at_once(&events).await;
    }

    fn worker(&self) -> FulfilmentWorker {
        self.shop.worker(Arc::clone(&self.ledger) as Arc<dyn Provider>)
    }

    /// A worker does what is due, or dies on the way.
    async fn work(&mut self) {
        let worker = self.worker();
        if self.chance.once_in(2) {
            drain(&worker).await;
        } else {
            let polls = self.chance.below(30);
            if let Some(done) = Dies::after(polls, worker.run_once()).await {
                done.unwrap();
            }
        }
    }

    async fn tell(&self, told: Vec<(Uuid, Value)>) {
        for (fulfilment, event) in told {
            let url = format!("{}/v1/fulfilments/{fulfilment}/events", self.shop.base);
            let response = self.shop.api(self.shop.client.post(url)).json(&event).send().await.unwrap();
            let status = response.status();
            assert!(status.is_success(), "{event}: {status} {}", response.text().await.unwrap());
        }
    }

    /// The provider is well again, all is told, disputes are won, everything is paid and time passes; what is wrong then.
    pub async fn end(&mut self) -> Vec<String> {
        self.ledger.get_well();
        let mut events = Vec::new();
        for order in &mut self.orders {
            if !order.is_paid {
                events.push(intent_succeeded(&order.sale.intent));
            }
            if std::mem::take(&mut order.is_disputed) {
                events.push(order.dispute("closed", "won"));
            }
        }
        self.shop.deliver_at_once(&events).await;
        for _ in 0..6 {
            self.shop.advance(7 * 3600);
            drain(&self.worker()).await;
            self.ledger.pack(true);
            let told = self.ledger.to_tell(true);
            self.tell(told).await;
        }

        let mut wrong = Vec::new();
        for order in &self.orders {
            let id = order.sale.order;
            let row = self.shop.row(&order.sale).await;
            let (bought, shipped): (i64, i64) = sqlx::query_as(
                "select sum(quantity)::bigint, sum(quantity_shipped)::bigint from fulfilment_lines where order_id = $1",
            )
            .bind(id)
            .fetch_one(&self.shop.pool)
            .await
            .unwrap();
            let mut faults = verdict(&row.state, row.reason.as_deref(), &self.ledger.of(id), bought, shipped);
            faults.extend(self.ledger.wrongs_of(id));
            let axis_of =
                if ["rejected", "failed"].contains(&row.state.as_str()) { "failed" } else { &row.state };
            if row.axis != axis_of {
                faults.push(format!("the order says {}", row.axis));
            }
            if row.state == "cancelled" && !order.is_refunded {
                faults.push("cancelled, but it was not refunded".to_owned());
            }
            if !faults.is_empty() {
                let moves = self.shop.moves(&order.sale).await.join(", ");
                let log = self.ledger.log_of(id).join("\n      ");
                wrong.push(format!(
                    "{id} is {} ({:?}): {}\n    {moves}\n      {log}",
                    row.state,
                    row.reason,
                    faults.join("; ")
                ));
            }
        }
        wrong
    }

    pub async fn close(self) {
        drop(self.shop);
    }
}

impl Told {
    fn dispute(&self, event: &str, status: &str) -> Value {
        let id = format!("{}_{}", self.sale.intent.replace("pi_", "du_"), self.disputes);
        dispute(event, &id, &self.sale.intent, status)
    }
}
