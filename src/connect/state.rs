//! The rules by which events move what is known of an account. Pure: no clock, no SQL, no HTTP.
//!
//! Stripe tells an account's state in snapshots that may come late, twice and in any order, with times of whole seconds.
//! Of several the latest counts; within one second the one that may do more, since accounts grow, and then the greater
//! event id, so that any order of arrival ends in the same row. It is a guess: each event also asks the worker to look
//! at the account itself, and what it sees there replaces the guess.

use time::OffsetDateTime;

use super::account::{AccountState, Facts};
use super::events::{AccountEvent, AccountNews};

/// What `told_by` says where we looked at the account ourselves.
pub(super) const LOOKED: &str = "api";

/// What events move of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub state: AccountState,
    pub reason: Option<String>,
    pub facts: Facts,
    /// As of when, and by whose word.
    pub told: Option<(OffsetDateTime, String)>,
    pub news: i64,
    pub connected_at: Option<OffsetDateTime>,
    pub disconnected_at: Option<OffsetDateTime>,
}

impl Known {
    /// Hears an event; returns why it changed nothing, if it did not.
    pub fn hear(&mut self, event: &AccountEvent, now: OffsetDateTime) -> Option<String> {
        self.news += 1;
        match &event.news {
            AccountNews::Snapshot { facts, .. } => self.hear_facts(event, facts),
            AccountNews::Deauthorised => self.hear_deauthorised(event, now),
        }
    }

    fn hear_facts(&mut self, event: &AccountEvent, facts: &Facts) -> Option<String> {
        let created_at = event.created_at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let theirs = (whole_second(created_at), false, facts.abilities(), event.event_id.as_str());
        if let Some((told_at, told_by)) = &self.told {
            let ours = (whole_second(*told_at), told_by == LOOKED, self.facts.abilities(), told_by.as_str());
            if theirs < ours {
                return Some(format!("{told_by} told of a later state of the account"));
            }
        }
        self.facts = facts.clone();
        self.told = Some((created_at, event.event_id.clone()));
        None
    }

    /// An account that left can be connected again, and word of its leaving may come after that. In the same second the
    /// leaving counts: to send no money is the safe side, and to connect once more is easy.
    fn hear_deauthorised(&mut self, event: &AccountEvent, now: OffsetDateTime) -> Option<String> {
        if matches!(self.state, AccountState::Disconnected) {
            return Some("the account was disconnected already".to_owned());
        }
        let is_old = event
            .created_at
            .zip(self.connected_at)
            .is_some_and(|(left_at, connected_at)| whole_second(left_at) < whole_second(connected_at));
        if is_old {
            return Some("the account was connected again since".to_owned());
        }
        self.state = AccountState::Disconnected;
        self.reason = Some("its owner or the Dashboard ended the connection".to_owned());
        self.disconnected_at = Some(now);
        None
    }
}

fn whole_second(at: OffsetDateTime) -> i64 {
    at.unix_timestamp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    fn known() -> Known {
        Known {
            state: AccountState::Connected,
            reason: None,
            facts: Facts::default(),
            told: None,
            news: 0,
            connected_at: Some(at(100)),
            disconnected_at: None,
        }
    }

    fn event(id: usize, second: i64, news: AccountNews) -> AccountEvent {
        AccountEvent {
            event_id: format!("evt_{id}"),
            account: Some("acct_1".into()),
            created_at: Some(at(second)),
            news,
        }
    }

    fn snapshot(transfers: &str, charges_enabled: bool) -> AccountNews {
        let facts = Facts { transfers: Some(transfers.into()), charges_enabled, ..Facts::default() };
        AccountNews::Snapshot { facts, ours: None }
    }

    #[test]
    fn a_late_snapshot_changes_nothing() {
        let mut account = known();

        assert_eq!(account.hear(&event(2, 102, snapshot("active", true)), at(200)), None);
        assert!(account.hear(&event(1, 101, snapshot("pending", false)), at(200)).is_some());

        assert_eq!(account.facts.transfers.as_deref(), Some("active"));
        assert_eq!(account.news, 2, "both are a reason to look");
    }

    #[test]
    fn what_we_saw_ourselves_outlives_events_of_that_second() {
        let mut account = Known { told: Some((at(105), LOOKED.to_owned())), ..known() };

        assert!(account.hear(&event(1, 105, snapshot("active", true)), at(200)).is_some());
        assert!(account.hear(&event(2, 106, snapshot("active", true)), at(200)).is_none());
    }

    #[test]
    fn the_leaving_of_an_earlier_connection_is_old_news() {
        let mut account = known();

        assert!(account.hear(&event(1, 99, AccountNews::Deauthorised), at(200)).is_some());
        assert_eq!(account.state, AccountState::Connected);
        assert!(account.hear(&event(2, 100, AccountNews::Deauthorised), at(200)).is_none());
        assert_eq!((account.state, account.disconnected_at), (AccountState::Disconnected, Some(at(200))));
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_ends_in_the_same_account(
            events in prop::collection::vec((95..110_i64, 0..4_usize, any::<bool>()), 1..7),
            order in prop::collection::vec(any::<prop::sample::Index>(), 7),
        ) {
            let events: Vec<AccountEvent> = events
                .into_iter()
                .enumerate()
                .map(|(id, (second, kind, charges))| {
                    let news = match kind {
                        0 => AccountNews::Deauthorised,
                        1 => snapshot("pending", charges),
                        2 => snapshot("inactive", charges),
                        _ => snapshot("active", charges),
                    };
                    event(id, second, news)
                })
                .collect();
            let mut shuffled = events.clone();
            for (at, other) in order.iter().enumerate().take(events.len()) {
                shuffled.swap(at, other.index(events.len()));
            }
            let end = |events: &[AccountEvent]| {
                let mut account = known();
                for event in events {
                    account.hear(event, at(200));
                }
                account
            };

            prop_assert_eq!(end(&events), end(&shuffled));
        }
    }
}
