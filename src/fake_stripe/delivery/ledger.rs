//! Every delivery and what became of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::endpoint::Receiver;

/// The waits between the tries to reach an endpoint: quick at first, about three days in all.
pub(super) const RETRIES: [Duration; 10] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(3600),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(36 * 3600),
];

/// How many finished deliveries are kept.
const MOST_FINISHED: usize = 20_000;

/// One event on its way to one receiver.
#[derive(Debug)]
pub(super) struct Delivery {
    /// `wh_…`; unique, and known to the CLI.
    pub(super) id: String,
    pub(super) event: String,
    pub(super) event_type: String,
    pub(super) receiver: Receiver,
    pub(super) body: Arc<str>,
    pub(super) stage: Stage,
    /// Not before then.
    pub(super) due: OffsetDateTime,
    /// Among those that are due.
    pub(super) rank: u64,
    pub(super) attempts: Vec<Attempt>,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Collected, until told.
    Held,
    /// To be sent when it is due.
    Waiting,
    /// Sent; no answer yet.
    Sending,
    /// The receiver answered 2xx.
    Delivered,
    /// The CLI has it but forwards it nowhere, or could not.
    Acknowledged,
    /// Not taken, and not tried again.
    Failed,
    /// Never sent, on demand.
    Lost,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

/// One try.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) at: OffsetDateTime,
    /// The status that was answered, or why there was none.
    pub(super) answer: Result<u16, String>,
}

impl Delivery {
    /// Records how a try ended and when the next one is.
    pub(super) fn tried(&mut self, now: OffsetDateTime, answer: Result<u16, String>, retries: &[Duration]) {
        let is_taken = matches!(answer, Ok(200..=299));
        let wait =
            retries.get(self.attempts.len()).filter(|_| matches!(self.receiver, Receiver::Endpoint(_)));
        self.attempts.push(Attempt { at: now, answer });
        self.stage = match wait {
            _ if is_taken => Stage::Delivered,
            Some(wait) => {
                self.due = now + *wait;
                Stage::Waiting
            }
            None => Stage::Failed,
        };
    }

    /// What people see of it.
    pub(super) fn json(&self) -> Value {
        let attempts = self.attempts.iter().map(|attempt| {
            let mut shown = json!({ "at": attempt.at.unix_timestamp() });
            match &attempt.answer {
                Ok(status) => shown["status"] = json!(status),
                Err(error) => shown["error"] = json!(error),
            }
            shown
        });
        json!({
            "id": self.id, "event": self.event, "type": self.event_type, "to": self.receiver.id(),
            "stage": self.stage.name(), "due": self.due.unix_timestamp(), "attempts": attempts.collect::<Vec<_>>()
        })
    }
}

/// All deliveries, in the order in which they were begun.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    deliveries: Vec<Delivery>,
    count: u64,
}

impl Ledger {
    /// Numbers deliveries further than another ledger did.
    pub(super) fn go_on_after(&mut self, other: &Self) {
        self.count = other.count;
    }

    /// The number of the next delivery.
    pub(super) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(super) fn add(&mut self, delivery: Delivery) {
        let is_over =
            |delivery: &Delivery| !matches!(delivery.stage, Stage::Held | Stage::Waiting | Stage::Sending);
        if self.deliveries.len() >= MOST_FINISHED {
            let over = self.deliveries.iter().position(is_over);
            over.map(|over| self.deliveries.remove(over));
        }
        self.deliveries.push(delivery);
    }

    pub(super) fn all(&self) -> &[Delivery] {
        &self.deliveries
    }

    pub(super) fn all_mut(&mut self) -> &mut Vec<Delivery> {
        &mut self.deliveries
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().rev().find(|delivery| delivery.id == id)
    }

    /// How many receivers do not have an event yet.
    pub(super) fn pending(&self, event: &str) -> usize {
        let of_event = || self.deliveries.iter().filter(|delivery| delivery.event == event);
        let has = |receiver: &Receiver| {
            of_event().any(|delivery| {
                &delivery.receiver == receiver
                    && matches!(delivery.stage, Stage::Delivered | Stage::Acknowledged)
            })
        };
        let mut pending: Vec<&Receiver> = of_event().map(|delivery| &delivery.receiver).collect();
        pending.sort();
        pending.dedup();
        pending.iter().filter(|receiver| !has(receiver)).count()
    }

    /// The next deliveries to be sent: for each receiver that is not busy the first that is due.
    pub(super) fn next(&self, now: OffsetDateTime) -> Vec<usize> {
        let mut busy: Vec<&Receiver> = Vec::new();
        for delivery in &self.deliveries {
            if delivery.stage == Stage::Sending && matches!(delivery.receiver, Receiver::Endpoint(_)) {
                busy.push(&delivery.receiver);
            }
        }
        let mut due: Vec<usize> = (0..self.deliveries.len())
            .filter(|index| {
                let delivery = &self.deliveries[*index];
                delivery.stage == Stage::Waiting && delivery.due <= now
            })
            .collect();
        due.sort_by_key(|index| (self.deliveries[*index].due, self.deliveries[*index].rank));
        due.retain(|index| {
            let receiver = &self.deliveries[*index].receiver;
            let is_free = !busy.contains(&receiver);
            if is_free && matches!(receiver, Receiver::Endpoint(_)) {
                busy.push(receiver);
            }
            is_free
        });
        due
    }
}
