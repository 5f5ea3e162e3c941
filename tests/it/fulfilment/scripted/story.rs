//! A story: some orders, and what happens to them step by step.

use std::sync::Arc;

use packline::fulfilment::{FulfilmentWorker, Provider};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::{Sale, Shop, drain};
use super::chance::Chance;
use super::crash::Dies;
use super::ledger::{Ledger, not_recalled, verdict};
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
    interrupted: mpsc::UnboundedReceiver<Uuid>,
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
        let (ledger, interrupted) = Ledger::new(seed, shop.pool.clone());
        let ledger = Arc::new(ledger);
        Self { shop, ledger, interrupted, chance: Chance::of(seed ^ 0xc0ffee), orders: told }
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
                events.push(order.refund());
                self.ledger.note(order.sale.order, "refunded");
            } else if what == 1 && !order.is_disputed && !order.is_refunded {
                events.push(order.dispute());
                self.ledger.note(order.sale.order, "disputed");
            } else if what < 4 && order.is_disputed {
                events.push(order.win());
                self.ledger.note(order.sale.order, "dispute won");
            }
        }
        self.shop.deliver_at_once(&events).await;
    }

    fn worker(&self) -> FulfilmentWorker {
        self.shop.worker(Arc::clone(&self.ledger) as Arc<dyn Provider>)
    }

    /// A worker does what is due, dies on the way, or is told too late that it should not have sent something.
    async fn work(&mut self) {
        let worker = self.worker();
        match self.chance.below(4) {
            0 | 1 => drain(&worker).await,
            2 => {
                let polls = self.chance.below(30);
                if let Some(done) = Dies::after(polls, worker.run_once()).await {
                    done.unwrap();
                }
            }
            _ => {
                self.ledger.interrupt(true);
                let ledger = Arc::clone(&self.ledger);
                let mut round = std::pin::pin!(worker.run_once());
                tokio::select! {
                    done = &mut round => { done.unwrap(); }
                    () = self.happen_while_it_is_sent() => {
                        ledger.go_on();
                        round.await.unwrap();
                    }
                }
                ledger.interrupt(false);
            }
        }
    }

    /// The customer of an order that is being sent is refunded or disputes.
    async fn happen_while_it_is_sent(&mut self) {
        let id = self.interrupted.recv().await.unwrap();
        let order = self.orders.iter_mut().find(|order| order.sale.order == id).unwrap();
        let (event, what) = if self.chance.once_in(3) {
            (order.refund(), "refunded while it is sent")
        } else {
            (order.dispute(), "disputed while it is sent")
        };
        self.ledger.note(id, what);
        self.shop.deliver(&[event]).await;
    }

    async fn tell(&self, told: Vec<(Uuid, Value)>) {
        for (fulfilment, event) in told {
            let url = format!("{}/v1/fulfilments/{fulfilment}/events", self.shop.base);
            let response = self.shop.api(self.shop.client.post(url)).json(&event).send().await.unwrap();
            let status = response.status();
            assert!(status.is_success(), "{event}: {status} {}", response.text().await.unwrap());
        }
    }

    /// The provider is well again, everything is paid, and time passes; then disputes are won and all is told. What is wrong
    /// then, and what was wrong before the disputes ended.
    pub async fn end(&mut self) -> Vec<String> {
        self.ledger.get_well();
        let unpaid = self.orders.iter().filter(|order| !order.is_paid);
        let events: Vec<Value> = unpaid.map(|order| intent_succeeded(&order.sale.intent)).collect();
        self.shop.deliver_at_once(&events).await;
        for _ in 0..2 {
            self.shop.advance(7 * 3600);
            drain(&self.worker()).await;
        }
        let mut wrong = self.not_recalled().await;

        let disputed = self.orders.iter_mut().filter(|order| order.is_disputed);
        let events: Vec<Value> = disputed.map(Told::win).collect();
        self.shop.deliver_at_once(&events).await;
        for _ in 0..6 {
            self.shop.advance(7 * 3600);
            drain(&self.worker()).await;
            self.ledger.pack(true);
            let told = self.ledger.to_tell(true);
            self.tell(told).await;
        }

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
            wrong.extend(self.story_of(order, &faults).await);
        }
        wrong
    }

    /// The orders that must not leave, by now, of which the provider has something that it was never asked to stop.
    async fn not_recalled(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for order in self.orders.iter().filter(|order| order.is_refunded || order.is_disputed) {
            let id = order.sale.order;
            let (recall, is_on_its_way): (Option<String>, bool) = sqlx::query_as(
                "select recall_outcome,
                   exists (select from shipments where fulfilment_id = f.id and shipped_at is not null)
                 from fulfilments as f where order_id = $1",
            )
            .bind(id)
            .fetch_one(&self.shop.pool)
            .await
            .unwrap();
            let row = self.shop.row(&order.sale).await;
            let in_doubt = row.state == "failed" && row.reason.is_some_and(|why| why.contains("may have it"));
            let faults = not_recalled(&self.ledger.of(id), is_on_its_way, recall.as_deref(), in_doubt);
            wrong.extend(self.story_of(order, &faults).await);
        }
        wrong
    }

    /// How an order came to its faults, if it has any.
    async fn story_of(&self, order: &Told, faults: &[String]) -> Option<String> {
        if faults.is_empty() {
            return None;
        }
        let (id, row) = (order.sale.order, self.shop.row(&order.sale).await);
        let moves = self.shop.moves(&order.sale).await.join(", ");
        let log = self.ledger.log_of(id).join("\n      ");
        let (state, reason, faults) = (row.state, row.reason, faults.join("; "));
        Some(format!("{id} is {state} ({reason:?}): {faults}\n    {moves}\n      {log}"))
    }

    pub async fn close(self) {
        drop(self.shop);
    }
}

impl Told {
    /// All of it is sent back.
    fn refund(&mut self) -> Value {
        self.is_refunded = true;
        let id = self.sale.intent.replace("pi_", "re_");
        refund("refund.created", &id, &self.sale.intent, 2000, "succeeded")
    }

    fn dispute(&mut self) -> Value {
        self.is_disputed = true;
        self.disputes += 1;
        self.dispute_event("created", "needs_response")
    }

    fn win(&mut self) -> Value {
        self.is_disputed = false;
        self.dispute_event("closed", "won")
    }

    fn dispute_event(&self, event: &str, status: &str) -> Value {
        let id = format!("{}_{}", self.sale.intent.replace("pi_", "du_"), self.disputes);
        dispute(event, &id, &self.sale.intent, status)
    }
}
