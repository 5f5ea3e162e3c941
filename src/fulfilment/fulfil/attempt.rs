//! The attempt: ask, if there is doubt; then send. Or recall. No transaction is open here.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::super::{Delivery, LookUp, Outcome, Recall};
use super::FulfilmentWorker;
use super::claim::{Claimed, Task};

/// Providers bound their own time. One that does not gets an end here, so that its place is not lost for ever.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(15 * 60);

/// What an attempt came to.
#[derive(Clone, Debug)]
pub(super) enum Came {
    /// To this, as a hand-over.
    Sent(Outcome),
    /// To this, as a recall.
    Recalled(Recall),
}

/// An attempt that is over and not recorded yet.
pub(super) struct Finished {
    pub claimed: Claimed,
    pub came: Came,
    /// Whether the provider was asked anything: else the attempt tells nothing about how it is doing.
    pub was_asked: bool,
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

impl Came {
    /// The name in `fulfilment_attempts.outcome`, logs and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Sent(outcome) => outcome.code(),
            Self::Recalled(recall) => recall.code(),
        }
    }

    /// The words in `fulfilment_attempts.detail`.
    pub(super) fn detail(&self) -> Option<&str> {
        match self {
            Self::Sent(outcome) => outcome.detail(),
            Self::Recalled(recall) => recall.detail(),
        }
    }

    fn storable(self) -> Self {
        match self {
            Self::Sent(outcome) => Self::Sent(outcome.storable()),
            Self::Recalled(recall) => Self::Recalled(recall.storable()),
        }
    }
}

impl FulfilmentWorker {
    /// Makes one attempt, whatever the provider does.
    pub(super) async fn attempt(self, claimed: Claimed, delivery: Result<Delivery, String>) -> Finished {
        let began = Instant::now();
        let was_asked = claimed.in_doubt || claimed.task == Task::Recall || delivery.is_ok();
        let came = match claimed.task {
            Task::Send { may_send } => {
                let sent = self.ask_and_send(&claimed, may_send, delivery);
                let sent = tokio::time::timeout(LONGEST_ATTEMPT, sent).await;
                Came::Sent(sent.unwrap_or_else(|_| Outcome::Unknown { why: no_answer(), retry_after: None }))
            }
            Task::Recall => {
                let recall = tokio::time::timeout(LONGEST_ATTEMPT, self.recall(&claimed)).await;
                Came::Recalled(
                    recall.unwrap_or_else(|_| Recall::Unclear { why: no_answer(), retry_after: None }),
                )
            }
        };
        claimed.place.note_ended();
        Finished { claimed, came: came.storable(), was_asked, provider_time: began.elapsed() }
    }

    async fn ask_and_send(
        &self,
        claimed: &Claimed,
        may_send: bool,
        delivery: Result<Delivery, String>,
    ) -> Outcome {
        let doubt = match self.ask(claimed, may_send).await {
            Asked::Settled(outcome) => return outcome,
            Asked::Send { doubt } => doubt,
        };
        let outcome = match delivery {
            // A process that stood still must not send what another has taken over.
            _ if self.clock.now() >= claimed.place.lease_until() => {
                not_done("the lease was over before it was sent".to_owned())
            }
            Ok(delivery) => claimed.carrier.send(&delivery).await,
            Err(why) => not_done(why),
        };
        if doubt { outcome.after_doubt() } else { outcome }
    }

    /// Asks the provider by key what became of earlier attempts, if that is in doubt.
    async fn ask(&self, claimed: &Claimed, may_send: bool) -> Asked {
        if !claimed.in_doubt {
            return Asked::Send { doubt: false };
        }
        match claimed.carrier.look_up(&claimed.idempotency_key).await {
            LookUp::Done(receipt) => Asked::Settled(Outcome::Fulfilled(receipt)),
            LookUp::Accepted(receipt) => Asked::Settled(Outcome::Accepted(receipt)),
            LookUp::Rejected { why } => Asked::Settled(Outcome::Rejected { why }),
            LookUp::Unclear { why, retry_after } => Asked::Settled(Outcome::Unknown { why, retry_after }),
            LookUp::Absent if may_send => Asked::Send { doubt: false },
            LookUp::NotOffered if may_send => Asked::Send { doubt: true },
            LookUp::Absent => {
                Asked::Settled(not_done("not to be sent now, and the provider does not have it".to_owned()))
            }
            LookUp::NotOffered => Asked::Settled(Outcome::Unknown {
                why: "not to be sent now, but an earlier attempt was never answered and the provider cannot be asked"
                    .to_owned(),
                retry_after: None,
            }),
        }
    }

    async fn recall(&self, claimed: &Claimed) -> Recall {
        if self.clock.now() >= claimed.place.lease_until() {
            return Recall::Unclear {
                why: "the lease was over before it was asked for".to_owned(),
                retry_after: None,
            };
        }
        let recall = claimed.carrier.recall(&claimed.idempotency_key).await;
        if claimed.in_doubt { recall.after_doubt() } else { recall }
    }
}

/// An attempt that broke off by a panic has no outcome; its lease runs out, and then it is in doubt.
pub(super) fn unless_broken_off(joined: Result<Finished, JoinError>) -> Option<Finished> {
    joined.inspect_err(|error| tracing::error!(%error, "an attempt broke off; its lease will run out")).ok()
}

fn not_done(why: String) -> Outcome {
    Outcome::NotDone { why, retry_after: None }
}

fn no_answer() -> String {
    format!("no answer within {}", humantime::format_duration(LONGEST_ATTEMPT))
}
