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
    /// Whether it tells that the provider is well; none where it was not asked anything.
    pub is_well: Option<bool>,
    /// How long the provider took.
    pub provider_time: Duration,
}

/// What asking came to.
enum Asked {
    /// It need not be sent: this is the outcome, as the provider told it.
    Settled(Outcome),
    /// It must not be sent, and the provider answered as well as it can: what it did not say is no fault of its.
    Withheld(Outcome),
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

    /// Whether it says that the provider is well. One that says when to come back is busy, not broken.
    fn is_well(&self) -> bool {
        match self {
            Self::Sent(Outcome::NotDone { retry_after, .. } | Outcome::Unknown { retry_after, .. })
            | Self::Recalled(Recall::Unclear { retry_after, .. }) => retry_after.is_some(),
            Self::Sent(_) | Self::Recalled(_) => true,
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
        let (came, is_well) = match claimed.task {
            Task::Send { may_send } => {
                let sent = self.ask_and_send(&claimed, may_send, delivery);
                tokio::time::timeout(LONGEST_ATTEMPT, sent).await.unwrap_or_else(|_| {
                    heard(Came::Sent(Outcome::Unknown { why: no_answer(), retry_after: None }))
                })
            }
            Task::Recall => {
                tokio::time::timeout(LONGEST_ATTEMPT, self.recall(&claimed)).await.unwrap_or_else(|_| {
                    heard(Came::Recalled(Recall::Unclear { why: no_answer(), retry_after: None }))
                })
            }
        };
        claimed.place.note_ended();
        Finished { claimed, came: came.storable(), is_well, provider_time: began.elapsed() }
    }

    async fn ask_and_send(
        &self,
        claimed: &Claimed,
        may_send: bool,
        delivery: Result<Delivery, String>,
    ) -> (Came, Option<bool>) {
        let doubt = match self.ask(claimed, may_send).await {
            Asked::Settled(outcome) => return heard(Came::Sent(outcome)),
            Asked::Withheld(outcome) => return (Came::Sent(outcome), Some(true)),
            Asked::Send { doubt } => doubt,
        };
        let in_doubt = |outcome: Outcome| if doubt { outcome.after_doubt() } else { outcome };
        let why_not = match delivery {
            // A process that stood still must not send what another has taken over.
            _ if self.clock.now() >= claimed.place.lease_until() => {
                "the lease was over before it was sent".to_owned()
            }
            Ok(delivery) => return heard(Came::Sent(in_doubt(claimed.carrier.send(&delivery).await))),
            Err(why) => why,
        };
        // It may have answered when it was asked.
        (Came::Sent(in_doubt(not_done(why_not))), claimed.in_doubt.then_some(true))
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
                Asked::Withheld(not_done("not to be sent now, and the provider does not have it".to_owned()))
            }
            LookUp::NotOffered => Asked::Withheld(Outcome::Unknown {
                why: "not to be sent now, but an earlier attempt was never answered and the provider cannot be asked"
                    .to_owned(),
                retry_after: None,
            }),
        }
    }

    async fn recall(&self, claimed: &Claimed) -> (Came, Option<bool>) {
        if self.clock.now() >= claimed.place.lease_until() {
            let why = "the lease was over before it was asked for".to_owned();
            return (Came::Recalled(Recall::Unclear { why, retry_after: None }), None);
        }
        let recall = claimed.carrier.recall(&claimed.idempotency_key).await;
        heard(Came::Recalled(if claimed.in_doubt { recall.after_doubt() } else { recall }))
    }
}

/// What the provider answered, or did not, with what that tells of it.
fn heard(came: Came) -> (Came, Option<bool>) {
    let is_well = came.is_well();
    (came, Some(is_well))
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
