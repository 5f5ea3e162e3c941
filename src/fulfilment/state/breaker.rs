//! The circuit breaker of a provider, and its rate limit. Pure.
//!
//! ```text
//! closed ── half of at least 10 attempts within a minute failed ──▶ open ── time is up ──▶ half_open
//!    ▲                                                                ▲                       │
//!    └──────────────────────── the trial went well ───────────────────┴── the trial failed ◀──┘
//! ```
//!
//! A failure is technical: not done, or no clear answer. A rejection is an answer, and so is the wish to be asked later.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use time::OffsetDateTime;

/// How long attempts are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer attempts than these say nothing.
const FEWEST: i32 = 10;
/// How long it stays open for the first time; each further time in a row doubles it.
const FIRST_OPEN: Duration = Duration::from_secs(30);
const LONGEST_OPEN: Duration = Duration::from_secs(10 * 60);
/// When a trial of which nothing was heard counts as lost.
const LONGEST_TRIAL: Duration = Duration::from_secs(2 * 60);

/// Whether attempts are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::fulfilment) enum Breaker {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

/// How a provider is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::fulfilment) struct Health {
    pub breaker: Breaker,
    pub reason: Option<String>,
    pub opened_at: Option<OffsetDateTime>,
    pub retry_at: Option<OffsetDateTime>,
    pub trips: i32,
    pub window_started_at: Option<OffsetDateTime>,
    pub window_attempts: i32,
    pub window_failures: i32,
    /// Attempts that may begin at once, as of `tokens_at`; none where there was no limit yet.
    pub tokens: Option<f64>,
    pub tokens_at: Option<OffsetDateTime>,
}

/// What a batch of attempts tells of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::fulfilment) struct Tally {
    pub attempts: i32,
    pub failures: i32,
    /// The last of them, in words.
    pub last_failure: Option<String>,
}

/// How many attempts the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fulfilment) enum Leave {
    All,
    Trial,
    None,
}

impl Health {
    /// Whether nothing is known against it.
    pub(in crate::fulfilment) fn is_closed(&self) -> bool {
        self.breaker == Breaker::Closed
    }

    /// How many attempts may begin now, as far as the breaker goes.
    pub(in crate::fulfilment) fn leave(&self, now: OffsetDateTime) -> Leave {
        match (self.breaker, self.retry_at) {
            (Breaker::Closed, _) => Leave::All,
            (_, Some(retry_at)) if now < retry_at => Leave::None,
            _ => Leave::Trial,
        }
    }

    /// Notes that the trial has begun: no other is, until it is over or lost.
    pub(in crate::fulfilment) fn begin_trial(&mut self, now: OffsetDateTime) {
        self.breaker = Breaker::HalfOpen;
        self.retry_at = Some(now + LONGEST_TRIAL);
    }

    /// Learns from attempts that ended.
    pub(in crate::fulfilment) fn tell(&mut self, tally: &Tally, now: OffsetDateTime) {
        match self.breaker {
            // They began before it opened, and tell what is known.
            Breaker::Open => {}
            Breaker::HalfOpen if tally.failures < tally.attempts => {
                *self = Self { tokens: self.tokens, tokens_at: self.tokens_at, ..Self::default() };
            }
            Breaker::HalfOpen if tally.failures > 0 => {
                let why = "it was tried whether it is well again, and it is not".to_owned();
                self.open(why, tally, now);
            }
            Breaker::HalfOpen => {}
            Breaker::Closed => {
                if self.window_started_at.is_none_or(|started| now - started > WINDOW) {
                    self.window_started_at = Some(now);
                    self.window_attempts = 0;
                    self.window_failures = 0;
                }
                self.window_attempts += tally.attempts;
                self.window_failures += tally.failures;
                if self.window_attempts >= FEWEST && self.window_failures * 2 >= self.window_attempts {
                    let why = format!(
                        "{} of {} attempts within a minute failed",
                        self.window_failures, self.window_attempts
                    );
                    self.open(why, tally, now);
                }
            }
        }
    }

    fn open(&mut self, why: String, tally: &Tally, now: OffsetDateTime) {
        self.trips = self.trips.saturating_add(1);
        let doublings = u32::try_from(self.trips - 1).unwrap_or(0).min(16);
        let open_for = FIRST_OPEN.saturating_mul(1 << doublings).min(LONGEST_OPEN);
        self.breaker = Breaker::Open;
        self.reason = Some(match &tally.last_failure {
            Some(last) => format!("{why}; the last: {last}"),
            None => why,
        });
        self.opened_at = Some(now);
        self.retry_at = Some(now + open_for);
        self.window_started_at = None;
        self.window_attempts = 0;
        self.window_failures = 0;
    }

    /// Fills up the tokens of a rate limit, and says how many attempts may begin now. At most a second's worth is saved.
    pub(in crate::fulfilment) fn refill(&mut self, rate_per_second: f64, now: OffsetDateTime) -> u32 {
        let most = rate_per_second.max(1.0);
        let passed = self.tokens_at.map_or(f64::INFINITY, |at| (now - at).as_seconds_f64().max(0.0));
        let tokens = (self.tokens.unwrap_or(most) + passed * rate_per_second).min(most);
        self.tokens = Some(tokens);
        self.tokens_at = Some(now);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the rate")]
        {
            // What is a hair below a whole is one: time is counted in steps.
            (tokens + 1e-6).floor() as u32
        }
    }

    /// Takes tokens for attempts that begin.
    pub(in crate::fulfilment) fn spend(&mut self, attempts: u32) {
        if let Some(tokens) = &mut self.tokens {
            *tokens = (*tokens - f64::from(attempts)).max(0.0);
        }
    }
}

impl Breaker {
    const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The value of `fulfilment_provider_health.breaker`.
    pub(in crate::fulfilment) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Breaker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|breaker| breaker.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no state of a circuit breaker that this version knows"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn tally(attempts: i32, failures: i32) -> Tally {
        Tally { attempts, failures, last_failure: (failures > 0).then(|| "connection refused".to_owned()) }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_opens_on_a_share_of_failures_over_a_minimum_within_a_minute() {
        for (told, expected) in [
            (&[(0, tally(9, 9))][..], Breaker::Closed),
            (&[(0, tally(10, 5))], Breaker::Open),
            (&[(0, tally(10, 4))], Breaker::Closed),
            (&[(0, tally(5, 5)), (60, tally(5, 5))], Breaker::Open),
            (&[(0, tally(5, 5)), (61, tally(5, 5))], Breaker::Closed),
            (&[(0, tally(90, 0)), (1, tally(10, 10))], Breaker::Closed),
            (&[(0, tally(90, 0)), (1, tally(90, 90))], Breaker::Open),
        ] {
            let mut health = Health::default();
            for (at, tally) in told {
                health.tell(tally, NOW + seconds(*at));
            }
            assert_eq!(health.breaker, expected, "{told:?}");
            let is_said = health.reason.is_some_and(|reason| reason.contains("connection refused"));
            assert_eq!(is_said, expected == Breaker::Open, "{told:?}");
        }
    }

    #[test]
    fn it_lets_one_through_when_its_time_is_up_and_closes_or_opens_for_longer() {
        let mut health = Health::default();
        health.tell(&tally(10, 10), NOW);
        let mut now = NOW;
        for open_for in [30, 60, 120, 240, 480, 600, 600] {
            assert_eq!(health.leave(now + seconds(open_for - 1)), Leave::None, "{open_for}");
            now += seconds(open_for);
            assert_eq!(health.leave(now), Leave::Trial, "{open_for}");
            health.begin_trial(now);
            assert_eq!(health.leave(now), Leave::None, "one only");
            health.tell(&tally(1, 1), now);
            assert_eq!(health.breaker, Breaker::Open);
        }
        now += seconds(600);
        health.begin_trial(now);
        health.tell(&tally(1, 0), now);

        assert_eq!(health, Health::default());
        assert_eq!(health.leave(now), Leave::All);
    }

    #[test]
    fn a_trial_that_is_never_heard_of_is_followed_by_another() {
        let mut health = Health::default();
        health.tell(&tally(10, 10), NOW);
        health.begin_trial(NOW + seconds(30));

        assert_eq!(health.leave(NOW + seconds(149)), Leave::None);
        assert_eq!(health.leave(NOW + seconds(150)), Leave::Trial);
    }

    #[test]
    fn late_news_neither_closes_nor_lengthens_an_open_one() {
        let mut health = Health::default();
        health.tell(&tally(10, 10), NOW);
        let opened = health.clone();

        health.tell(&tally(3, 0), NOW);
        health.tell(&tally(3, 3), NOW);

        assert_eq!(health, opened);
    }

    #[test]
    fn a_rate_lets_a_seconds_worth_begin_at_once_and_refills() {
        let mut health = Health::default();
        assert_eq!(health.refill(5.0, NOW), 5);
        health.spend(5);
        assert_eq!(health.refill(5.0, NOW + Duration::from_millis(199)), 0);
        assert_eq!(health.refill(5.0, NOW + Duration::from_millis(200)), 1);
        assert_eq!(health.refill(5.0, NOW + seconds(60)), 5, "no more is saved");

        let mut slow = Health::default();
        assert_eq!(slow.refill(0.1, NOW), 1);
        slow.spend(1);
        assert_eq!(slow.refill(0.1, NOW + seconds(9)), 0);
        assert_eq!(slow.refill(0.1, NOW + seconds(10)), 1);
    }
}
