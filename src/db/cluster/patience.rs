//! Waiting for another process: ask, pause, ask again, up to a limit.
//!
//! Neither locks with a limit nor "tell me when Postgres is ready" exist, so both are asked for again and again. These
//! waits are real time: a test cannot move the clock of another process.

use std::thread;
use std::time::{Duration, Instant};

use super::error::ClusterError;

/// Short enough not to be felt, long enough not to burn a core.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer. `None` means that the limit has passed; at least one question is always asked.
pub(super) fn wait_for<T>(
    limit: Duration,
    mut question: impl FnMut() -> Result<Option<T>, ClusterError>,
) -> Result<Option<T>, ClusterError> {
    let asked_at = Instant::now();
    loop {
        if let Some(answer) = question()? {
            return Ok(Some(answer));
        }
        if asked_at.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}
