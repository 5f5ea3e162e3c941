//! How soon is tried again, and for how long.

use std::time::Duration;

use time::OffsetDateTime;

/// No wait between two attempts is longer, but for what the jitter adds to a provider's wish.
const LONGEST_BACKOFF: Duration = Duration::from_secs(6 * 60 * 60);

/// A provider's `Retry-After` counts up to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// How soon and for how long is tried again.
#[derive(Clone, Copy, Debug)]
pub(in crate::fulfilment) struct RetryPolicy {
    /// The wait after the first attempt.
    pub base: Duration,
    /// A series of tries that is older is given up.
    pub max_age: Duration,
    /// So is one with so many attempts, whatever its age: it may be what kills the workers.
    pub max_attempts: i32,
}

/// The series of tries that an attempt ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::fulfilment) struct Tried {
    /// Which one of the series it was, from 1.
    pub tries: i32,
    /// When the series began.
    pub since: OffsetDateTime,
    /// Whether it may have sent something, else it only asked, which does no harm however often.
    pub may_send: bool,
}

impl RetryPolicy {
    /// Why the series ends, if it does.
    pub(in crate::fulfilment) fn used_up(&self, tried: &Tried, now: OffsetDateTime) -> Option<String> {
        let age = now - tried.since;
        let is_too_old = age > self.max_age;
        let is_too_often = tried.may_send && tried.tries >= self.max_attempts;
        (is_too_old || is_too_often).then(|| {
            let age = humantime::format_duration(Duration::from_secs(age.whole_seconds().unsigned_abs()));
            let attempts = if tried.tries == 1 { "attempt" } else { "attempts" };
            format!("gave up after {} {attempts} in {age}", tried.tries)
        })
    }
}

/// How long to wait after try number `tries`: it doubles from `base`, and chance takes up to half of it off, so that
/// what failed together does not come back together. A provider's wish is a lower bound, with a tenth for chance.
pub(super) fn wait(base: Duration, tries: i32, retry_after: Option<Duration>, spread: f64) -> Duration {
    let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(0).min(31);
    let full = base.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let spread = spread.clamp(0.0, 1.0);
    let backoff = full.mul_f64(0.5 + spread / 2.0);
    match retry_after {
        None => backoff,
        Some(wish) => backoff.max(wish.min(LONGEST_RETRY_AFTER).mul_f64(1.0 + spread / 10.0)),
    }
}
