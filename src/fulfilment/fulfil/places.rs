//! What this process has under way, and how much room it has left for each provider.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

/// Over how long the pace is taken: what a provider ended within the last two of these is claimed ahead of its turn.
/// Long enough for a round of claim and record, so that the next set is claimed while the last one is recorded.
const PACE: Duration = Duration::from_millis(200);
/// No more is claimed ahead than this: a crash leaves it in doubt.
const MOST_AHEAD: usize = 1024;

/// The register of what is under way. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Places {
    held: Arc<Mutex<Held>>,
    /// Notified when a place is given back.
    pub freed: Arc<Notify>,
}

#[derive(Default)]
struct Held {
    leases: HashMap<(Uuid, i32), OffsetDateTime>,
    providers: HashMap<String, AtProvider>,
    /// By provider: the account that was served last.
    last_served: HashMap<String, String>,
}

#[derive(Default)]
struct AtProvider {
    under_way: usize,
    slots: Option<Arc<Semaphore>>,
    pace: Pace,
}

/// How many attempts ended lately.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    now: usize,
    before: usize,
}

/// A place in the register. Dropping it gives it back.
pub(super) struct Place {
    places: Places,
    attempt: (Uuid, i32),
    provider: String,
}

impl Places {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for an attempt.
    pub(super) fn take(&self, attempt: (Uuid, i32), provider: &str, lease_until: OffsetDateTime) -> Place {
        let mut held = self.held();
        held.leases.insert(attempt, lease_until);
        held.providers.entry(provider.to_owned()).or_default().under_way += 1;
        Place { places: self.clone(), attempt, provider: provider.to_owned() }
    }

    /// How many attempts at a provider are under way, or wait for their turn.
    pub(super) fn under_way(&self, provider: &str) -> usize {
        self.held().providers.get(provider).map_or(0, |at| at.under_way)
    }

    /// How many attempts a provider ended of late: so many may be claimed ahead of their turn, since it gets to them
    /// soon. A slow provider's work is left to whoever gets to it first.
    pub(super) fn ahead(&self, provider: &str) -> usize {
        let mut held = self.held();
        held.providers.entry(provider.to_owned()).or_default().pace.of_late().min(MOST_AHEAD)
    }

    /// The turns at a provider: so many attempts are made at a time.
    pub(super) fn slots(&self, provider: &str, concurrency: usize) -> Arc<Semaphore> {
        let mut held = self.held();
        let at = held.providers.entry(provider.to_owned()).or_default();
        Arc::clone(at.slots.get_or_insert_with(|| Arc::new(Semaphore::new(concurrency))))
    }

    /// The account that was served last at a provider; empty at first.
    pub(super) fn last_served(&self, provider: &str) -> String {
        self.held().last_served.get(provider).cloned().unwrap_or_default()
    }

    pub(super) fn note_served(&self, provider: &str, account: &str) {
        self.held().last_served.insert(provider.to_owned(), account.to_owned());
    }

    /// The attempts whose leases end before this.
    pub(super) fn ending_before(&self, time: OffsetDateTime) -> Vec<(Uuid, i32)> {
        let held = self.held();
        held.leases.iter().filter(|(_, until)| **until < time).map(|(attempt, _)| *attempt).collect()
    }

    /// Notes that leases were lengthened.
    pub(super) fn lengthen(&self, attempts: &[(Uuid, i32)], lease_until: OffsetDateTime) {
        let mut held = self.held();
        for attempt in attempts {
            if let Some(until) = held.leases.get_mut(attempt) {
                *until = lease_until;
            }
        }
    }
}

impl Place {
    /// When the lease ends, as far as this process knows.
    pub(super) fn lease_until(&self) -> OffsetDateTime {
        let lease = self.places.held().leases.get(&self.attempt).copied();
        lease.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Notes that the provider has answered.
    pub(super) fn note_ended(&self) {
        if let Some(at) = self.places.held().providers.get_mut(&self.provider) {
            at.pace.of_late();
            at.pace.now += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.leases.remove(&self.attempt);
        if let Some(at) = held.providers.get_mut(&self.provider) {
            at.under_way = at.under_way.saturating_sub(1);
        }
        drop(held);
        self.places.freed.notify_one();
    }
}

impl Pace {
    fn of_late(&mut self) -> usize {
        let now = Instant::now();
        let passed = self.since.map_or(Duration::MAX, |since| now.duration_since(since));
        if passed > PACE {
            self.before = if passed > PACE * 2 { 0 } else { self.now };
            self.now = 0;
            self.since = Some(now);
        }
        self.before.max(self.now)
    }
}
