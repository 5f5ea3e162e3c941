//! What a part becomes when its provider tells of it.

use super::super::outcome::Receipt;
use super::super::progress::{Progress, Standing};
use super::{Next, State};

/// Where a part is when it is told of.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Present {
    pub state: State,
    /// Whether it was ever sent.
    pub was_tried: bool,
}

/// Decides what a part becomes by all that was told of it; nothing where it stays as it is.
///
/// What a worker is at stays its own: the record of its attempt looks here again. What left has left, whatever we had
/// decided meanwhile. A part that we believed called off, and that the provider has all the same, is its provider's
/// again, so that it can be recalled.
pub(in super::super) fn told(present: Present, progress: &Progress, standing: &Standing) -> Option<Next> {
    let receipt = || Receipt { reference: progress.reference.clone(), tracking: None };
    match (present.state, standing) {
        (State::InProgress, _) | (_, Standing::Silent) => None,
        (State::Fulfilled, Standing::AllShipped | Standing::Known) => None,
        (_, Standing::AllShipped) => Some(Next::Fulfilled { receipt: receipt() }),
        // The answer to the recall says what becomes of it.
        (State::Recalling, _) => None,
        (State::Queued, Standing::Known) if !present.was_tried => None,
        (State::Queued | State::Failed | State::Cancelled, Standing::Known) => {
            Some(Next::Accepted { receipt: receipt() })
        }
        // That it is known does not undo a rejection; that something leaves does.
        (State::Rejected, Standing::Known) if progress.has_begun => {
            Some(Next::Accepted { receipt: receipt() })
        }
        (State::Accepted | State::Rejected, Standing::Known) => None,
        (State::Rejected | State::Cancelled, Standing::Failed { .. }) => None,
        (_, Standing::Failed { reason }) => Some(Next::Rejected { reason: reason.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn becomes(state: State, was_tried: bool, standing: &Standing, has_begun: bool) -> Option<&'static str> {
        let progress = Progress { has_begun, ..Progress::default() };
        told(Present { state, was_tried }, &progress, standing).map(|next| next.state().as_str())
    }

    #[test]
    fn every_state_hears_every_news() {
        let failed = Standing::Failed { reason: "lost".to_owned() };
        for (state, known, shipped, fails) in [
            (State::Queued, Some("accepted"), Some("fulfilled"), Some("rejected")),
            (State::InProgress, None, None, None),
            (State::Accepted, None, Some("fulfilled"), Some("rejected")),
            (State::Recalling, None, Some("fulfilled"), None),
            (State::Fulfilled, None, None, Some("rejected")),
            (State::Rejected, None, Some("fulfilled"), None),
            (State::Failed, Some("accepted"), Some("fulfilled"), Some("rejected")),
            (State::Cancelled, Some("accepted"), Some("fulfilled"), None),
        ] {
            assert_eq!(becomes(state, true, &Standing::Silent, false), None, "{state:?}");
            assert_eq!(becomes(state, true, &Standing::Known, false), known, "{state:?}");
            assert_eq!(becomes(state, true, &Standing::AllShipped, true), shipped, "{state:?}");
            assert_eq!(becomes(state, true, &failed, false), fails, "{state:?}");
        }
        assert_eq!(becomes(State::Queued, false, &Standing::Known, false), None);
        assert_eq!(becomes(State::Rejected, true, &Standing::Known, true), Some("accepted"));
    }
}
