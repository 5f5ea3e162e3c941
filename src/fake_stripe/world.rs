//! Everything that the local Stripe knows: its objects, its time and what is still to happen. It lives behind one
//! mutex, so that each call sees and leaves it whole.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::controls::AfterRetries;
use super::delivery::{Deliveries, Objects};
use super::event::{CausedBy, Happening};
use super::frame::call::Call;
use super::frame::failure::Failure;
use super::frame::faults::Faults;
use super::frame::idempotency::Keys;
use crate::clock::Clock;

mod ids;
mod journal;
mod timers;

use ids::Ids;
use journal::Journal;
pub(super) use timers::Timer;

/// The platform's own application, by which it is connected to accounts.
pub(super) const APPLICATION: &str = "ca_localStripe000000000000000000";

/// An object and what Stripe knows of it but does not show.
#[derive(Clone, Debug)]
struct Stored {
    /// The connected account that it belongs to; none is the platform.
    account: Option<String>,
    /// As it is shown.
    body: Value,
    /// What is not shown, such as the number of a card.
    hidden: Value,
    /// Its place in the order of making.
    place: u64,
}

/// The whole state.
#[derive(Debug)]
pub(super) struct World {
    /// Where this server is reached, without a slash at the end.
    pub(super) base: String,
    /// The id of the platform's own account.
    pub(super) platform: String,
    /// Where what happens is told.
    pub(super) deliveries: Deliveries,
    /// Idempotency keys.
    pub(super) keys: Keys,
    /// Faults still to happen.
    pub(super) faults: Faults,
    /// The call that is being carried out.
    pub(super) cause: Option<CausedBy>,
    /// What becomes of a subscription when the last retry of a charge failed: `cancel`, `unpaid` or `past_due`.
    pub(super) after_retries: AfterRetries,
    seed: u64,
    clock: Clock,
    ahead: Duration,
    /// The time at which a timer was due, while it runs.
    frozen: Option<i64>,
    ids: Ids,
    stored: HashMap<String, Stored>,
    places: u64,
    timers: BTreeMap<(i64, u64), Timer>,
    outbox: Vec<Happening>,
    journal: Option<Journal>,
}

impl World {
    /// An empty world.
    pub(super) fn new(base: String, seed: u64, clock: Clock, deliveries: Deliveries) -> Self {
        let mut ids = Ids::new(seed);
        let platform = ids.next("acct_", 16);
        Self {
            base,
            platform,
            deliveries,
            keys: Keys::default(),
            faults: Faults::default(),
            cause: None,
            after_retries: AfterRetries::default(),
            seed,
            clock,
            ahead: Duration::ZERO,
            frozen: None,
            ids,
            stored: HashMap::new(),
            places: 0,
            timers: BTreeMap::new(),
            outbox: Vec::new(),
            journal: None,
        }
    }

    /// Forgets everything but the time that was passed.
    pub(super) fn reset(&mut self) {
        let mut fresh = Self::new(self.base.clone(), self.seed, self.clock.clone(), self.deliveries.clone());
        self.deliveries.reset();
        fresh.ahead = self.ahead;
        *self = fresh;
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.frozen.unwrap_or_else(|| (self.clock.now() + self.ahead).unix_timestamp())
    }

    /// Lets time pass; call [`World::run_due`] then.
    pub(super) fn advance(&mut self, by: Duration) {
        self.ahead += by;
        self.deliveries.keep_ahead(self.ahead);
    }

    /// Does what has become due, oldest first, each at its own time.
    pub(super) fn run_due(&mut self) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > (self.clock.now() + self.ahead).unix_timestamp() {
                break;
            }
            let ((at, _), timer) = entry.remove_entry();
            self.frozen = Some(at);
            timers::run(self, timer);
            self.frozen = None;
        }
    }

    /// Has something done later; 0 seconds is right after this call.
    pub(super) fn schedule(&mut self, in_seconds: i64, timer: Timer) {
        self.places += 1;
        let at = self.now() + in_seconds;
        self.timers.insert((at, self.places), timer);
        if let Some(journal) = &mut self.journal {
            journal.scheduled((at, self.places));
        }
    }

    /// A new id: the prefix and so many letters.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.ids.next(prefix, 24)
    }

    /// Letters nobody can guess, were the seed a secret.
    pub(super) fn letters(&mut self, count: usize) -> String {
        self.ids.next("", count)
    }

    /// Has something done at a time, or right after this call if that has passed.
    pub(super) fn schedule_at(&mut self, at: i64, timer: Timer) {
        self.schedule((at - self.now()).max(0), timer);
    }

    /// Keeps a new object under its id.
    pub(super) fn insert(&mut self, account: Option<String>, body: Value, hidden: Value) {
        self.places += 1;
        let id = body["id"].as_str().unwrap_or_default().to_owned();
        self.note(&id);
        self.stored.insert(id, Stored { account, body, hidden, place: self.places });
    }

    /// Forgets an object.
    pub(super) fn remove(&mut self, id: &str) {
        self.note(id);
        self.stored.remove(id);
    }

    /// An object by id, whoever owns it; null if there is none.
    pub(super) fn body(&self, id: &str) -> Value {
        self.stored.get(id).map(|stored| stored.body.clone()).unwrap_or_default()
    }

    /// What is not shown of an object.
    pub(super) fn hidden(&self, id: &str) -> Value {
        self.stored.get(id).map(|stored| stored.hidden.clone()).unwrap_or_default()
    }

    /// Keeps something of an object that is not shown.
    pub(super) fn hide(&mut self, id: &str, name: &str, value: Value) {
        self.note(id);
        if let Some(stored) = self.stored.get_mut(id) {
            if !stored.hidden.is_object() {
                stored.hidden = json!({});
            }
            stored.hidden[name] = value;
        }
    }

    /// The account that an object belongs to.
    pub(super) fn owner(&self, id: &str) -> Option<String> {
        self.stored.get(id).and_then(|stored| stored.account.clone())
    }

    /// An object of the calling account.
    ///
    /// # Errors
    /// `resource_missing`, naming `param`.
    pub(super) fn find(&self, call: &Call, kind: &str, id: &str, param: &str) -> Result<Value, Failure> {
        self.find_of(call.account.as_deref(), kind, id, param)
    }

    /// An object of an account.
    ///
    /// # Errors
    /// `resource_missing`, naming `param`; 404 where the id is the path's, 400 where it is a parameter's.
    pub(super) fn find_of(
        &self,
        account: Option<&str>,
        kind: &str,
        id: &str,
        param: &str,
    ) -> Result<Value, Failure> {
        let found = self
            .stored
            .get(id)
            .filter(|stored| stored.account.as_deref() == account && stored.body["object"] == kind);
        found.map(|stored| stored.body.clone()).ok_or_else(|| {
            let mut failure = Failure::no_such(kind, id, param);
            if !["id", "intent"].contains(&param) {
                failure.status = 400;
            }
            failure
        })
    }

    /// All objects of a kind that an account has, newest first.
    pub(super) fn all(&self, account: Option<&str>, kind: &str) -> Vec<Value> {
        let mut found: Vec<&Stored> = self
            .stored
            .values()
            .filter(|stored| stored.account.as_deref() == account && stored.body["object"] == kind)
            .collect();
        found.sort_by_key(|stored| std::cmp::Reverse(stored.place));
        found.into_iter().map(|stored| stored.body.clone()).collect()
    }

    /// The object of a kind of which something that is not shown is this, whoever owns it.
    pub(super) fn find_hidden(&self, kind: &str, name: &str, value: &str) -> Option<Value> {
        let mut all = self.stored.values();
        let found = all.find(|stored| stored.body["object"] == kind && stored.hidden[name] == value);
        found.map(|stored| stored.body.clone())
    }

    /// Changes an object quietly.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        self.note(id);
        if let Some(stored) = self.stored.get_mut(id) {
            change(&mut stored.body);
        }
    }

    /// Changes an object and tells it, with what it was before.
    pub(super) fn update(&mut self, id: &str, event_type: &str, change: impl FnOnce(&mut Value)) {
        self.update_in(self.owner(id), id, event_type, change);
    }

    /// Changes an object and tells it as something of this account.
    pub(super) fn update_in(
        &mut self,
        account: Option<String>,
        id: &str,
        event_type: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let before = self.body(id);
        self.change(id, change);
        let after = self.body(id);
        if let Some(previous) = difference(&before, &after) {
            self.tell(event_type, account, after, Some(previous));
        }
    }

    /// Tells that something happened to an object, as it is now.
    pub(super) fn emit(&mut self, event_type: &str, id: &str) {
        let object = self.body(id);
        self.tell(event_type, self.owner(id), object, None);
    }

    /// Tells that something happened; the id of the event.
    pub(super) fn tell(
        &mut self,
        event_type: &str,
        account: Option<String>,
        object: Value,
        previous_attributes: Option<Value>,
    ) -> String {
        let id = self.id("evt_");
        let happening = Happening {
            id: id.clone(),
            event_type: event_type.to_owned(),
            account,
            object,
            previous_attributes,
            created: self.now(),
            caused_by: self.cause.clone(),
        };
        self.outbox.push(happening);
        id
    }

    /// What happened since this was last asked, in order.
    pub(super) fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.outbox)
    }
}

impl Objects for World {
    fn object(&self, id: &str) -> Option<Value> {
        self.stored.get(id).map(|stored| stored.body.clone())
    }

    fn objects(&self, kind: &str) -> Vec<Value> {
        let mut found: Vec<&Stored> =
            self.stored.values().filter(|stored| stored.body["object"] == kind).collect();
        found.sort_by_key(|stored| stored.place);
        found.into_iter().map(|stored| stored.body.clone()).collect()
    }
}

/// What of `before` is otherwise in `after`; none if nothing is.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| before.clone());
    };
    let mut changed = Map::new();
    for (key, value) in new {
        if let Some(previous) = difference(old.get(key).unwrap_or(&Value::Null), value) {
            changed.insert(key.clone(), previous);
        }
    }
    for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        changed.insert(key.clone(), value.clone());
    }
    (!changed.is_empty()).then_some(Value::Object(changed))
}
