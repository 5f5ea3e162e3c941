//! The attempt: ask, if there is doubt; then send. No transaction is open here.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::super::{Delivery, LookUp, Outcome};
use super::FulfilmentWorker;
use super::claim::Claimed;

/// An attempt that is over and not recorded yet.
pub(super) struct Finished {
    pub claimed: Claimed,
    pub outcome: Outcome,
    /// How long the provider took.
    pub provider_time: Duration,
}

/// What asking came to.
enum Asked {
    /// It need not be sent: this is the outcome.
    Settled(Outcome),
    /// It may be sent. `doubt` says whether an earlier attempt may still have been carried out.
    Send { doubt: bool },
}

impl FulfilmentWorker {
    /// Makes one attempt, within the lease, whatever the provider does.
    pub(super) async fn attempt(self, claimed: Claimed, delivery: Result<Delivery, String>) -> Finished {
        let began = Instant::now();
        let outcome = tokio::time::timeout(self.attempt_bound(), self.ask_and_send(&claimed, delivery))
            .await
            .unwrap_or_else(|_| Outcome::Unknown {
                why: "no answer within the lease".to_owned(),
                retry_after: None,
            });
        Finished { claimed, outcome: outcome.storable(), provider_time: began.elapsed() }
    }

    async fn ask_and_send(&self, claimed: &Claimed, delivery: Result<Delivery, String>) -> Outcome {
        let doubt = match self.ask(claimed).await {
            Asked::Settled(outcome) => return outcome,
            Asked::Send { doubt } => doubt,
        };
        let outcome = match delivery {
            // A process that stood still must not send what another has taken over.
            _ if self.clock.now() >= claimed.lease_until => {
                not_done("the lease was over before it was sent".to_owned())
            }
            Ok(delivery) => self.provider.send(&delivery).await,
            Err(why) => not_done(why),
        };
        if doubt { outcome.after_doubt() } else { outcome }
    }

    /// Asks the provider by key what became of earlier attempts, if that is in doubt.
    async fn ask(&self, claimed: &Claimed) -> Asked {
        if !claimed.in_doubt {
            return Asked::Send { doubt: false };
        }
        match self.provider.look_up(&claimed.idempotency_key).await {
            LookUp::Has { reference } => Asked::Settled(Outcome::Fulfilled { reference }),
            LookUp::Unclear { why, retry_after } => Asked::Settled(Outcome::Unknown { why, retry_after }),
            LookUp::Absent if claimed.may_send => Asked::Send { doubt: false },
            LookUp::NotOffered if claimed.may_send => Asked::Send { doubt: true },
            LookUp::Absent => {
                Asked::Settled(not_done("called off, and the provider does not have it".to_owned()))
            }
            LookUp::NotOffered => Asked::Settled(Outcome::Unknown {
                why: "called off, but an earlier attempt was never answered and the provider cannot be asked"
                    .to_owned(),
                retry_after: None,
            }),
        }
    }

    /// How long an attempt may take: the rest of the lease is for recording it.
    fn attempt_bound(&self) -> Duration {
        self.settings.lease.mul_f64(0.8)
    }
}

/// An attempt that broke off by a panic has no outcome; its lease runs out, and then it is in doubt.
pub(super) fn unless_broken_off(joined: Result<Finished, JoinError>) -> Option<Finished> {
    joined.inspect_err(|error| tracing::error!(%error, "an attempt broke off; its lease will run out")).ok()
}

fn not_done(why: String) -> Outcome {
    Outcome::NotDone { why, retry_after: None }
}
