//! The time, passed in: the only place that reads the machine's clock.
//!
//! Services run on [`Clock::system`]; tests run on [`Clock::manual`], which stands still until it is moved. Timeouts
//! of sockets and of the database are real time and do not come from here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

/// A source of the time of day. Clones share one time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual { start: OffsetDateTime, moved_micros: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that starts at the machine's time and moves only by [`Clock::advance`].
    pub fn manual() -> Self {
        Self(Source::Manual { start: Self::system().now(), moved_micros: Arc::default() })
    }

    /// The time in UTC, in whole microseconds: what Postgres can keep.
    pub fn now(&self) -> OffsetDateTime {
        let now = match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System => OffsetDateTime::now_utc(),
            Source::Manual { start, moved_micros } => {
                *start + time::Duration::microseconds(moved_micros.load(Ordering::Relaxed))
            }
        };
        let sub_micros = now.nanosecond() % 1_000;
        now - time::Duration::nanoseconds(i64::from(sub_micros))
    }

    /// Moves a manual clock forward. The machine's clock does not move by wishing.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { moved_micros, .. } = &self.0 {
            let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            moved_micros.fetch_add(micros, Ordering::Relaxed);
        }
    }
}

/// The longest wait between two tries at the same.
const LONGEST_WAIT: time::Duration = time::Duration::hours(1);

/// How long to wait before the next try after so many that failed: `first` after none or one, twice as long after each
/// further one, an hour at the most.
pub fn backoff(first: time::Duration, failures: i32) -> time::Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or_default().min(12);
    (first * 2_i32.pow(doublings)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let first = time::Duration::seconds(10);
        let waits = [0, 1, 2, 3, 9, 10, i32::MAX].map(|failures| backoff(first, failures).whole_seconds());
        assert_eq!(waits, [10, 10, 20, 40, 2_560, 3_600, 3_600]);
    }
}
