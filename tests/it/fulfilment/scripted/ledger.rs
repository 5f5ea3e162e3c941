//! The provider's side: what it has under which key, what left, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use packline::fulfilment::{Answer, Delivery, LookUp, Outcome, Provider, Recall, Receipt};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::chance::Chance;

/// What the provider does with a request to send.
#[derive(Clone, Copy, Debug)]
enum Does {
    Ship,
    Accept,
    /// Ships or accepts, and the answer is lost.
    ShipUnanswered,
    AcceptUnanswered,
    /// The request is on its way for long: it arrives when its key is next heard of.
    Late,
    Busy,
    TooMany,
    Reject,
    Rubbish,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits in the warehouse.
    Waits,
    /// All of it left.
    Left,
    /// It was taken back in time.
    Recalled,
    /// The provider said no, at once or later.
    Rejected,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub order: Uuid,
    pub fulfilment: Uuid,
    pub pieces: i64,
    pub fate: Fate,
    /// It was asked to stop it.
    pub was_recalled: bool,
}

struct Books {
    chance: Chance,
    entries: BTreeMap<String, Entry>,
    on_its_way: BTreeMap<String, Entry>,
    /// Keys that were asked about since they were last sent.
    asked: BTreeSet<String>,
    /// What a worker must never do.
    wrong: Vec<(Uuid, String)>,
    /// Call-backs that were not told yet: fulfilment, event.
    untold: Vec<(Uuid, Value)>,
    log: Vec<(Uuid, String)>,
    is_well: bool,
    parcels: u64,
}

pub struct Ledger {
    pool: PgPool,
    books: Mutex<Books>,
    interrupts: AtomicBool,
    begun: mpsc::UnboundedSender<Uuid>,
    go_on: Notify,
}

impl Ledger {
    /// And the orders whose sending is interrupted.
    pub fn new(seed: u64, pool: PgPool) -> (Self, mpsc::UnboundedReceiver<Uuid>) {
        let books = Books {
            chance: Chance::of(seed),
            entries: BTreeMap::new(),
            on_its_way: BTreeMap::new(),
            asked: BTreeSet::new(),
            wrong: Vec::new(),
            untold: Vec::new(),
            log: Vec::new(),
            is_well: false,
            parcels: 0,
        };
        let (begun, interrupted) = mpsc::unbounded_channel();
        let interrupts = AtomicBool::new(false);
        let ledger = Self { pool, books: Mutex::new(books), interrupts, begun, go_on: Notify::new() };
        (ledger, interrupted)
    }

    /// Whether the next request to send is answered only when it may [`Self::go_on`].
    pub fn interrupt(&self, interrupts: bool) {
        self.interrupts.store(interrupts, Ordering::SeqCst);
    }

    /// Has what was interrupted be answered.
    pub fn go_on(&self) {
        self.go_on.notify_one();
    }

    /// From now on every answer is prompt and true.
    pub fn get_well(&self) {
        self.books(|books| books.is_well = true);
    }

    /// The warehouse goes on with some of what it has, or with all of it.
    pub fn pack(&self, all: bool) {
        self.books(|books| {
            let waiting: Vec<String> = books
                .entries
                .iter()
                .filter(|(_, entry)| entry.fate == Fate::Waits)
                .map(|(key, _)| key.clone())
                .collect();
            for key in waiting {
                if !all && !books.chance.once_in(3) {
                    continue;
                }
                if !books.is_well && books.chance.once_in(6) {
                    books.set(&key, Fate::Rejected);
                    books.tell(&key, json!({ "type": "failed", "reason": "out of stock" }));
                } else {
                    books.leave(&key);
                }
            }
        });
    }

    /// Call-backs to tell now: some, in any order, some twice; or all that were never told.
    pub fn to_tell(&self, all: bool) -> Vec<(Uuid, Value)> {
        self.books(|books| {
            let mut now = Vec::new();
            for told in std::mem::take(&mut books.untold) {
                if all || books.chance.once_in(2) {
                    if books.chance.once_in(4) {
                        now.push(told.clone());
                    }
                    let at = books.chance.below(now.len() + 1);
                    now.insert(at, told);
                } else {
                    books.untold.push(told);
                }
            }
            now
        })
    }

    /// What it has of an order, by key.
    pub fn of(&self, order: Uuid) -> Vec<(String, Entry)> {
        self.books(|books| {
            let entries = books.entries.iter().filter(|(_, entry)| entry.order == order);
            entries.map(|(key, entry)| (key.clone(), entry.clone())).collect()
        })
    }

    /// What it was asked and did about an order.
    pub fn log_of(&self, order: Uuid) -> Vec<String> {
        self.books(|books| {
            books.log.iter().filter(|(about, _)| *about == order).map(|(_, line)| line.clone()).collect()
        })
    }

    /// What workers did with an order that they must never do.
    pub fn wrongs_of(&self, order: Uuid) -> Vec<String> {
        self.books(|books| {
            books.wrong.iter().filter(|(about, _)| *about == order).map(|(_, what)| what.clone()).collect()
        })
    }

    /// Why an order must not be sent now, by its row.
    async fn why_not(&self, order: Uuid) -> Option<String> {
        let (status, holds): (String, i32) =
            sqlx::query_as("select payment_status, open_holds from orders where id = $1")
                .bind(order)
                .fetch_one(&self.pool)
                .await
                .unwrap();
        (status != "paid" || holds > 0).then(|| format!("sent while it was {status} with {holds} holds"))
    }

    pub fn note(&self, order: Uuid, line: impl Into<String>) {
        self.books(|books| books.log.push((order, line.into())));
    }

    fn books<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        act(&mut self.books.lock().unwrap())
    }
}

impl Books {
    fn arrive(&mut self, key: &str, entry: Entry) {
        self.entries.entry(key.to_owned()).or_insert(entry);
    }

    fn set(&mut self, key: &str, fate: Fate) {
        let entry = self.entries.get_mut(key).unwrap();
        entry.fate = fate;
        let line = (entry.order, format!("{key} is {fate:?}"));
        self.log.push(line);
    }

    fn tell(&mut self, key: &str, mut event: Value) {
        self.parcels += 1;
        event["id"] = json!(format!("evt_{}", self.parcels));
        event["idempotency_key"] = json!(key);
        let fulfilment = self.entries[key].fulfilment;
        self.untold.push((fulfilment, event));
    }

    /// A parcel leaves, and what there is to tell of it.
    fn leave(&mut self, key: &str) {
        self.set(key, Fate::Left);
        let shipment = format!("parcel_{key}");
        self.tell(
            key,
            json!({ "type": "shipped", "shipment": shipment, "tracking": { "carrier": "post", "number": key } }),
        );
        if self.chance.once_in(2) {
            self.tell(key, json!({ "type": "delivered", "shipment": shipment }));
        }
    }

    fn send(&mut self, key: &str, sent: Entry) -> Outcome {
        if let Some(late) = self.on_its_way.remove(key) {
            self.arrive(key, late);
        }
        let order = sent.order;
        let was_asked = self.asked.remove(key);
        if let Some(entry) = self.entries.get(key) {
            if !was_asked {
                self.wrong.push((order, format!("{key} was sent again without asking")));
            }
            if entry.fate == Fate::Recalled {
                self.wrong.push((order, format!("{key} was sent after it was recalled")));
            }
            self.log.push((order, format!("{key} is sent again; it is {:?}", entry.fate)));
            return match entry.fate {
                Fate::Left => Outcome::Fulfilled(Receipt::default()),
                Fate::Waits => Outcome::Accepted(Receipt::default()),
                // Who recalled a key must not send it again.
                Fate::Recalled => Outcome::Rejected { why: "this key was recalled".to_owned() },
                Fate::Rejected => Outcome::Rejected { why: "we said no".to_owned() },
            };
        }
        let does = if self.is_well {
            Does::Ship
        } else {
            self.chance.weighted(&[
                (6, Does::Ship),
                (6, Does::Accept),
                (3, Does::ShipUnanswered),
                (3, Does::AcceptUnanswered),
                (2, Does::Late),
                (3, Does::Busy),
                (1, Does::TooMany),
                (1, Does::Reject),
                (2, Does::Rubbish),
            ])
        };
        self.log.push((order, format!("{key} is sent; the provider: {does:?}")));
        let unknown = || Outcome::Unknown { why: "no answer".to_owned(), retry_after: None };
        match does {
            Does::Ship | Does::ShipUnanswered => {
                self.arrive(key, Entry { fate: Fate::Left, ..sent });
                if matches!(does, Does::Ship) { Outcome::Fulfilled(Receipt::named("W-1")) } else { unknown() }
            }
            Does::Accept | Does::AcceptUnanswered => {
                self.arrive(key, sent);
                if matches!(does, Does::Accept) {
                    Outcome::Accepted(Receipt::named("W-1"))
                } else {
                    unknown()
                }
            }
            Does::Late => {
                self.on_its_way.insert(key.to_owned(), sent);
                unknown()
            }
            Does::Busy => Outcome::NotDone { why: "busy".to_owned(), retry_after: None },
            Does::TooMany => {
                Outcome::NotDone { why: "too many".to_owned(), retry_after: Some(Duration::from_secs(90)) }
            }
            Does::Reject => {
                self.arrive(key, Entry { fate: Fate::Rejected, ..sent });
                Outcome::Rejected { why: "no such address".to_owned() }
            }
            Does::Rubbish => unknown(),
        }
    }

    fn look_up(&mut self, key: &str) -> LookUp {
        self.asked.insert(key.to_owned());
        // What was on its way has arrived by now, or arrives together with what is sent next.
        if let Some(late) = self.on_its_way.remove(key) {
            self.arrive(key, late);
        }
        if !self.is_well && self.chance.once_in(4) {
            return LookUp::Unclear { why: "rubbish".to_owned(), retry_after: None };
        }
        match self.entries.get(key).map(|entry| entry.fate) {
            None => LookUp::Absent,
            Some(Fate::Left) => LookUp::Done(Receipt::default()),
            Some(Fate::Waits) => LookUp::Accepted(Receipt::default()),
            Some(Fate::Recalled | Fate::Rejected) => LookUp::Rejected { why: "we said no".to_owned() },
        }
    }

    fn recall(&mut self, key: &str) -> Recall {
        let Some(entry) = self.entries.get(key).cloned() else {
            return Recall::Recalled;
        };
        let unclear = || Recall::Unclear { why: "no answer".to_owned(), retry_after: None };
        self.entries.entry(key.to_owned()).and_modify(|entry| entry.was_recalled = true);
        self.log.push((entry.order, format!("{key} is recalled; it is {:?}", entry.fate)));
        if !self.is_well && self.chance.once_in(4) {
            return unclear();
        }
        match entry.fate {
            Fate::Left => Recall::TooLate { why: "it left".to_owned() },
            Fate::Rejected | Fate::Recalled => Recall::Recalled,
            Fate::Waits if !self.is_well && self.chance.once_in(8) => Recall::NotOffered,
            Fate::Waits => {
                self.set(key, Fate::Recalled);
                if !self.is_well && self.chance.once_in(4) { unclear() } else { Recall::Recalled }
            }
        }
    }
}

impl Provider for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(async move {
            // A worker that dies before the request left, and one that dies before the answer is read.
            tokio::task::yield_now().await;
            let told = serde_json::to_value(delivery).unwrap();
            let lines = told["order"]["lines"].as_array().unwrap();
            let entry = Entry {
                order: delivery.order.id,
                fulfilment: delivery.fulfilment_id,
                pieces: lines.iter().map(|line| line["quantity"].as_i64().unwrap()).sum(),
                fate: Fate::Waits,
                was_recalled: false,
            };
            let order = entry.order;
            let why_not = self.why_not(order).await;
            self.books(|books| books.wrong.extend(why_not.map(|why| (order, why))));
            let outcome = self.books(|books| books.send(&delivery.idempotency_key, entry));
            if self.interrupts.swap(false, Ordering::SeqCst) {
                self.begun.send(order).unwrap();
                self.go_on.notified().await;
            }
            tokio::task::yield_now().await;
            outcome
        })
    }

    fn look_up<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.books(|books| books.look_up(idempotency_key))
        })
    }

    fn recall<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, Recall> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let answer = self.books(|books| books.recall(idempotency_key));
            tokio::task::yield_now().await;
            answer
        })
    }
}

/// What the provider has of an order that must not leave, was never asked to stop, and nothing in the tables says why:
/// no parcel that is on its way, and no recall that was given up. `in_doubt` is where it was given up unanswered.
pub fn not_recalled(
    entries: &[(String, Entry)],
    is_on_its_way: bool,
    recall: Option<&str>,
    in_doubt: bool,
) -> Vec<String> {
    let has_it = |entry: &&(String, Entry)| matches!(entry.1.fate, Fate::Waits | Fate::Left);
    let not_asked = entries.iter().filter(has_it).filter(|(_, entry)| !entry.was_recalled);
    let why_not = is_on_its_way || in_doubt || recall.is_some_and(|outcome| outcome != "recalled");
    not_asked
        .filter(|_| !why_not)
        .map(|(key, _)| format!("{key} must not leave, and was not recalled"))
        .collect()
}

/// What is wrong with an order's end.
pub fn verdict(
    state: &str,
    reason: Option<&str>,
    entries: &[(String, Entry)],
    bought: i64,
    shipped: i64,
) -> Vec<String> {
    let left = |fate: Fate| entries.iter().filter(move |(_, entry)| entry.fate == fate);
    let pieces: i64 = left(Fate::Left).map(|(_, entry)| entry.pieces).sum();
    let parcels = left(Fate::Left).count();
    let waiting = left(Fate::Waits).count();
    let mut wrong = Vec::new();
    if parcels > 1 || pieces > bought {
        wrong.push(format!("{pieces} of {bought} pieces left, in {parcels} parcels"));
    }
    if shipped != pieces
        && !(state == "failed" && reason.is_some_and(|reason| reason.contains("may have it")))
    {
        wrong.push(format!("the tables say that {shipped} pieces left, the ledger {pieces}"));
    }
    if waiting > 0 {
        wrong.push(format!("{waiting} keys wait at the provider"));
    }
    let allowed: BTreeSet<&str> = BTreeSet::from(["fulfilled", "rejected", "failed", "cancelled"]);
    if !allowed.contains(state) {
        wrong.push(format!("it is {state} still: {reason:?}"));
    }
    if state == "fulfilled" && parcels == 0 {
        wrong.push("fulfilled, but nothing left".to_owned());
    }
    if ["rejected", "failed", "cancelled"].contains(&state) && reason.is_none_or(str::is_empty) {
        wrong.push(format!("{state}, and it does not say why"));
    }
    if ["rejected", "cancelled"].contains(&state) && parcels > 0 {
        wrong.push(format!("{state}, but it left"));
    }
    wrong
}
