//! What a call changed, so that a call that is refused half-way leaves nothing behind.

use super::{Stored, World};

/// What was there before a call.
#[derive(Debug, Default)]
pub(super) struct Journal {
    before: Vec<(String, Option<Stored>)>,
    timers: Vec<(i64, u64)>,
    told: usize,
}

impl Journal {
    /// A timer that was not there.
    pub(super) fn scheduled(&mut self, at: (i64, u64)) {
        self.timers.push(at);
    }
}

impl World {
    /// From here on changes can be undone.
    pub(in crate::fake_stripe) fn begin(&mut self) {
        self.journal = Some(Journal { told: self.outbox.len(), ..Journal::default() });
    }

    /// Keeps what was changed since [`World::begin`].
    pub(in crate::fake_stripe) fn commit(&mut self) {
        self.journal = None;
    }

    /// Undoes what was changed since [`World::begin`]. Ids that were made stay used.
    pub(in crate::fake_stripe) fn undo(&mut self) {
        let Some(journal) = self.journal.take() else {
            return;
        };
        for (id, stored) in journal.before.into_iter().rev() {
            match stored {
                Some(stored) => self.stored.insert(id, stored),
                None => self.stored.remove(&id),
            };
        }
        for at in journal.timers {
            self.timers.remove(&at);
        }
        self.outbox.truncate(journal.told);
    }

    /// An object is about to be changed.
    pub(super) fn note(&mut self, id: &str) {
        if let Some(journal) = &mut self.journal {
            journal.before.push((id.to_owned(), self.stored.get(id).cloned()));
        }
    }
}
