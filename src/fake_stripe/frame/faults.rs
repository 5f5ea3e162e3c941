//! Faults that a test orders: the next calls to a path fail in a way of their own.

use serde::Deserialize;

/// What is wrong with the next calls that match.
#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    /// Calls whose path begins so; `/v1/` for all.
    #[serde(default = "every_path")]
    pub path: String,
    /// Only calls by this method, such as `POST`.
    #[serde(default)]
    pub method: Option<String>,
    /// How many calls; one where it is not said.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
    /// For [`FaultKind::Slow`]: milliseconds of real time.
    #[serde(default)]
    pub ms: u64,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 with code `rate_limit`; nothing is done.
    #[serde(rename = "429")]
    RateLimited,
    /// 429 with code `lock_timeout`; nothing is done.
    LockTimeout,
    /// 500; nothing is done, and the idempotency key stays free.
    #[serde(rename = "500")]
    ServerError,
    /// 500; nothing is done, and the same idempotency key answers 500 from now on.
    #[serde(rename = "500_saved")]
    ServerErrorSaved,
    /// 500, although everything was done; the same idempotency key answers what truly happened.
    #[serde(rename = "500_done")]
    ServerErrorDone,
    /// 409 with code `idempotency_key_in_use`; nothing is done.
    #[serde(rename = "409")]
    InUse,
    /// Everything is done, but the answer is a page of HTML with status 200.
    Garbage,
    /// Nothing is done and no answer ever comes.
    Hang,
    /// The call waits, then is carried out; meanwhile its idempotency key is in use.
    Slow,
    /// Everything is done, then the connection is dropped without an answer.
    Lost,
    /// Nothing is done and the connection is dropped.
    Dropped,
}

fn every_path() -> String {
    "/v1/".to_owned()
}

fn once() -> u32 {
    1
}

/// The faults that are still to happen, in the order in which they were told.
#[derive(Debug, Default)]
pub(in crate::fake_stripe) struct Faults(Vec<Fault>);

impl Faults {
    /// Orders one.
    pub(in crate::fake_stripe) fn order(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Takes back all.
    pub(in crate::fake_stripe) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of this call, used up by it.
    pub(in crate::fake_stripe) fn take(&mut self, method: &str, path: &str) -> Option<Fault> {
        let fits = |fault: &Fault| {
            path.starts_with(&fault.path)
                && fault.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
        };
        self.0.retain(|fault| fault.times > 0);
        let fault = self.0.iter_mut().find(|fault| fits(fault))?;
        fault.times -= 1;
        Some(fault.clone())
    }
}
