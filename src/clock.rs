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
