//! Late knowledge: what is learnt of an order's lines after it was made.
//!
//! An order that was made of a bare payment may turn out to be an invoice's or a session's, and Stripe may answer only after
//! the grace what an event left out: lines, or how the merchant calls what a price stands for. The rule:
//!
//! - While nothing of the order was handed over, it learns: its lines are written, its parts are split anew by the rules,
//!   and the hold `incomplete_lines` ends once all lines are known. Where Stripe is still being asked for more, what is
//!   queued waits for the answer, no longer than a grace.
//! - What was handed over stays as it was handed over. So do lines that a person let go though some were missing, and
//!   lines that refunds count by. The history tells what was learnt too late, and why it was left.
//! - An order without lines gets them in any case, for people.
//! - A shop's own order learns nothing: it says itself what was bought.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::order::{Axis, FulfilmentStatus, HoldKind, Line};
use super::state::{Consequence, HoldNews, HoldState, Move, OrderFacts, WHOLE_ORDER};

/// The lines of an order as Stripe tells them.
#[derive(Clone, Debug, Default)]
pub(super) struct ToldLines {
    pub lines: Vec<Line>,
    /// The prices whose ids stand in for skus that nobody has told.
    pub stand_ins: BTreeSet<String>,
    /// Whether Stripe has more of them.
    pub is_cut: bool,
}

/// The lines of an order as they are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownLines {
    pub lines: Vec<Line>,
    /// The prices whose ids stand in for skus.
    pub stand_ins: BTreeSet<String>,
    /// Whether a provider may have any of them.
    pub is_handed_over: bool,
}

/// What an order learns.
#[derive(Clone, Debug, Default)]
pub(super) struct Lesson {
    /// Whether the lines that were told become its own.
    pub is_written: bool,
    /// For its history.
    pub note: Option<Move>,
    /// The hold for missing lines begins or ends.
    pub hold: Option<HoldNews>,
    /// What fulfilment must do.
    pub consequence: Option<Consequence>,
}

/// What an order learns from lines that `source` tells. `wait` is until when what is queued waits for what Stripe is asked.
pub(super) fn learn(
    facts: &OrderFacts,
    known: &KnownLines,
    told: &ToldLines,
    source: &str,
    (wait, now): (Option<OffsetDateTime>, OffsetDateTime),
) -> Lesson {
    let decision = decide(facts, known, told);
    let is_written = decision == Decision::Write;
    let reason = match decision {
        Decision::Nothing => None,
        Decision::Write if known.is_handed_over => {
            Some(format!("its lines are known from {source}, after it was handed over without them"))
        }
        Decision::Write => Some(format!("its lines are known from {source}: {}", told.lines.len())),
        Decision::Keep(why) => Some(format!("{source} tells other lines than are known; they stay: {why}")),
    };
    let can_be_planned = !known.is_handed_over && facts.fulfilment != FulfilmentStatus::Cancelled;
    let is_whole = is_written || known.is_same(told);
    Lesson {
        is_written,
        note: reason.map(|reason| note(facts, reason)),
        hold: hold(facts, told, can_be_planned && is_written, is_whole),
        consequence: (can_be_planned && (is_written || wait.is_some()))
            .then_some(Consequence::Replan { due: wait.unwrap_or(now) }),
    }
}

/// What an order learns from how the merchant calls what `price` stands for. `due` is when it may be handed over: what it
/// waited for may be this.
pub(super) fn learn_name(
    facts: &OrderFacts,
    known: &KnownLines,
    (price, sku): (&str, &str),
    due: OffsetDateTime,
) -> Lesson {
    let is_written = !known.is_handed_over;
    let reason = match is_written {
        _ if price == sku => None,
        true => Some(format!("{price} is called {sku}")),
        false => Some(format!("{price} is called {sku}; it was handed over before that was known")),
    };
    let can_be_planned = is_written && facts.fulfilment != FulfilmentStatus::Cancelled;
    Lesson {
        is_written,
        note: reason.map(|reason| note(facts, reason)),
        hold: None,
        consequence: can_be_planned.then_some(Consequence::Replan { due }),
    }
}

impl KnownLines {
    /// Whether they are those that are told.
    fn is_same(&self, told: &ToldLines) -> bool {
        self.lines.len() == told.lines.len() && self.begins(told)
    }

    /// Whether those that are told begin with them.
    fn begins(&self, told: &ToldLines) -> bool {
        let bought = |line: &Line| Line { refunded: 0, ..line.clone() };
        self.lines.len() <= told.lines.len()
            && self.lines.iter().zip(&told.lines).all(|(known, told)| bought(known) == bought(told))
    }

    fn is_counted_by_refunds(&self, facts: &OrderFacts) -> bool {
        self.lines.iter().any(|line| line.refunded > 0)
            || facts.holds.keys().any(|(kind, _)| *kind == HoldKind::Refund)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Nothing,
    Write,
    /// The known ones stay; why.
    Keep(&'static str),
}

fn decide(facts: &OrderFacts, known: &KnownLines, told: &ToldLines) -> Decision {
    let is_less = told.is_cut && told.lines.len() <= known.lines.len();
    if told.lines.is_empty() || known.is_same(told) || is_less && !known.lines.is_empty() {
        return Decision::Nothing;
    }
    if known.lines.is_empty() {
        return Decision::Write;
    }
    let missing = facts.holds.get(&(HoldKind::IncompleteLines, WHOLE_ORDER.to_owned()));
    match () {
        () if known.is_handed_over => Decision::Keep("it was handed over with them"),
        () if facts.fulfilment == FulfilmentStatus::Cancelled => {
            Decision::Keep("nothing of it is to be sent")
        }
        () if matches!(missing, Some(HoldState::Released { by: Some(_), .. })) => {
            Decision::Keep("a person let it go with them")
        }
        () if known.is_counted_by_refunds(facts) && !known.begins(told) => {
            Decision::Keep("refunds count by them")
        }
        () if told.lines.len() < known.lines.len() => Decision::Keep("more of them are known"),
        () => Decision::Write,
    }
}

/// The hold for missing lines: begins where they are known to be, and ends when they are not missing any more.
fn hold(facts: &OrderFacts, told: &ToldLines, may_begin: bool, is_whole: bool) -> Option<HoldNews> {
    if told.is_cut {
        return (may_begin && !told.lines.is_empty()).then(|| missing_lines(told.lines.len()));
    }
    let key = (HoldKind::IncompleteLines, WHOLE_ORDER.to_owned());
    let is_open = matches!(facts.holds.get(&key), Some(HoldState::Open { .. }));
    let because = format!("Stripe tells all its lines: {}", told.lines.len());
    (is_open && is_whole && !told.lines.is_empty())
        .then(|| HoldNews { ended: Some(because), ..missing_lines(told.lines.len()) })
}

/// The hold of an order that had to be made of the lines that its event shows.
pub(super) fn missing_lines(known: usize) -> HoldNews {
    HoldNews {
        kind: HoldKind::IncompleteLines,
        source: WHOLE_ORDER.to_owned(),
        reason: format!("its invoice has more lines than the {known} that are known; look them up in Stripe"),
        ended: None,
        is_final: false,
    }
}

/// A row of the history that moves nothing.
fn note(facts: &OrderFacts, reason: String) -> Move {
    let stands = Some(facts.fulfilment.as_str());
    Move { axis: Axis::Fulfilment, from: stands, to: stands, reason: Some(reason) }
}

#[cfg(test)]
mod tests;
