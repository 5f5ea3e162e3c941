//! A provider in memory. It keeps the ledger which decides whether something was sent twice.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use packline::fulfilment::{Answer, Delivery, LookUp, Outcome, Provider, Recall, Receipt};
use tokio::sync::Notify;

/// What the warehouse does with one request to send.
pub enum Does {
    /// Ships, and answers so.
    Ship,
    /// Ships, and the answer is this.
    ShipBut(Outcome),
    /// Ships, tells the test, and answers when the test lets it.
    ShipAndHang,
    /// Ships nothing, and answers this.
    Say(Outcome),
}

#[derive(Default)]
pub struct Warehouse {
    script: Mutex<VecDeque<Does>>,
    bodies: Mutex<Vec<String>>,
    shipped: Mutex<Vec<String>>,
    answers: Mutex<VecDeque<LookUp>>,
    asked: AtomicUsize,
    recall_answers: Mutex<VecDeque<Recall>>,
    recalls: Mutex<Vec<String>>,
    hangs_in_recall: AtomicBool,
    pub has_shipped: Notify,
    pub go_on: Notify,
}

impl Warehouse {
    /// Follows a script, and ships once it is over.
    pub fn does(script: impl IntoIterator<Item = Does>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.into_iter().collect()), ..Self::default() })
    }

    /// What look-ups answer, in turn; without it, the truth.
    pub fn answer_look_ups(&self, answers: impl IntoIterator<Item = LookUp>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// What recalls answer, in turn; without it, that nothing is taken back.
    pub fn answer_recalls(&self, answers: impl IntoIterator<Item = Recall>) {
        self.recall_answers.lock().unwrap().extend(answers);
    }

    /// Works at the next recall, tells the test, and never answers it.
    pub fn hang_in_recall(&self) {
        self.hangs_in_recall.store(true, Ordering::SeqCst);
    }

    /// The keys that were recalled, each as often as it was.
    pub fn recalls(&self) -> Vec<String> {
        self.recalls.lock().unwrap().clone()
    }

    /// The keys that it shipped, each as often as it did.
    pub fn shipped(&self) -> Vec<String> {
        self.shipped.lock().unwrap().clone()
    }

    /// As if nothing had reached it.
    pub fn forget(&self) {
        self.shipped.lock().unwrap().clear();
    }

    /// The requests to send, as JSON.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    pub fn sends(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Requests to send, look-ups, parcels.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.sends(), self.asked(), self.shipped().len())
    }

    fn ship(&self, key: &str) {
        self.shipped.lock().unwrap().push(key.to_owned());
    }
}

pub fn done() -> Outcome {
    Outcome::Fulfilled(Receipt::named("W-1"))
}

pub fn not_done(why: &str) -> Outcome {
    Outcome::NotDone { why: why.into(), retry_after: None }
}

pub fn unknown(why: &str) -> Outcome {
    Outcome::Unknown { why: why.into(), retry_after: None }
}

impl Provider for Warehouse {
    fn name(&self) -> &'static str {
        "warehouse"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(async move {
            self.bodies.lock().unwrap().push(serde_json::to_string(delivery).unwrap());
            let does = self.script.lock().unwrap().pop_front().unwrap_or(Does::Ship);
            match does {
                Does::Say(outcome) => outcome,
                Does::Ship => {
                    self.ship(&delivery.idempotency_key);
                    done()
                }
                Does::ShipBut(outcome) => {
                    self.ship(&delivery.idempotency_key);
                    outcome
                }
                Does::ShipAndHang => {
                    self.ship(&delivery.idempotency_key);
                    self.has_shipped.notify_one();
                    self.go_on.notified().await;
                    done()
                }
            }
        })
    }

    fn look_up<'a>(&'a self, key: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(answer) = self.answers.lock().unwrap().pop_front() {
                return answer;
            }
            if self.shipped().iter().any(|shipped| shipped == key) {
                LookUp::Done(Receipt::named("W-1"))
            } else {
                LookUp::Absent
            }
        })
    }

    fn recall<'a>(&'a self, key: &'a str) -> Answer<'a, Recall> {
        Box::pin(async move {
            self.recalls.lock().unwrap().push(key.to_owned());
            let answer = self.recall_answers.lock().unwrap().pop_front().unwrap_or(Recall::NotOffered);
            if answer == Recall::Recalled {
                self.shipped.lock().unwrap().retain(|shipped| shipped != key);
            }
            if self.hangs_in_recall.swap(false, Ordering::SeqCst) {
                self.has_shipped.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}
