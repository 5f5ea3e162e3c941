//! The rules by which Stripe's word moves a quote. Pure: no clock, no SQL, no HTTP.
//!
//! A quote only ever goes forwards: draft, open, then cancelled or accepted. So of two snapshots the one that is further
//! tells the truth, in whatever order they come. A draft changes without an event: of drafts what Stripe answers us counts,
//! since one call at a time moves a quote, and a look during which somebody spoke of it is not heard at all. What a later
//! state adds (number, invoice, subscription) is never lost by an earlier snapshot.
//!
//! Events do not tell what is offered, and answers only the first ten lines: where that leaves the lines unknown, a look is
//! asked for. What is open does not change any more.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::quote::{QuoteLine, QuoteState, Repeats};
use crate::outbox::PACKLINE_ID;
use crate::stripe;

/// What our own word is called where an event's id would stand.
pub(super) const ANSWER: &str = "api";

/// Who tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'s> {
    /// Stripe, in answer to a call of ours that moves the quote.
    Answer,
    /// Stripe, when we looked, and nobody spoke of the quote meanwhile.
    Look,
    /// An event.
    Event { id: &'s str, created_at: Option<OffsetDateTime> },
}

/// What a quote offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub customer: Option<String>,
    pub description: Option<String>,
    pub collection_method: Option<String>,
    pub currency: Option<String>,
    pub amount_subtotal: Option<i64>,
    pub amount_total: Option<i64>,
    pub recurring: Option<Repeats>,
    pub metadata: Map<String, Value>,
    pub expires_at: Option<OffsetDateTime>,
}

/// What becomes known once and stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub number: Option<String>,
    pub invoice: Option<String>,
    pub subscription: Option<String>,
    pub subscription_schedule: Option<String>,
    pub finalized_at: Option<OffsetDateTime>,
    pub accepted_at: Option<OffsetDateTime>,
    pub cancelled_at: Option<OffsetDateTime>,
}

/// A quote as Stripe tells it at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub stripe_id: String,
    pub state: QuoteState,
    /// Our row, as its metadata says.
    pub ours: Option<Uuid>,
    pub terms: Terms,
    pub marks: Marks,
    pub lines: Lines,
}

/// What a snapshot says of a quote's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// Nothing: events never do.
    Untold,
    /// There are more than it says.
    Cut,
    /// All of them.
    Whole(Vec<QuoteLine>),
}

/// What is known of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub stripe_id: Option<String>,
    pub state: QuoteState,
    pub reason: Option<String>,
    pub terms: Terms,
    pub marks: Marks,
    /// All of them; none where they are not known.
    pub lines: Option<Vec<QuoteLine>>,
    /// As of when, and by whose word.
    pub told: Option<(OffsetDateTime, String)>,
    /// Whether what was heard since it was loaded asks for a look; none where it leaves that as it was.
    pub look: Option<bool>,
}

fn rank(state: QuoteState) -> u8 {
    match state {
        QuoteState::Creating | QuoteState::Refused => 0,
        QuoteState::Draft => 1,
        QuoteState::Open => 2,
        QuoteState::Cancelled => 3,
        QuoteState::Accepted => 4,
    }
}

impl Known {
    /// A quote of which nothing was told.
    pub fn new() -> Self {
        Self {
            stripe_id: None,
            state: QuoteState::Creating,
            reason: None,
            terms: Terms::default(),
            marks: Marks::default(),
            lines: None,
            told: None,
            look: None,
        }
    }

    /// Hears Stripe's word; returns why it moved nothing, if it did not.
    pub fn hear(&mut self, told: &Snapshot, source: Source<'_>, now: OffsetDateTime) -> Option<String> {
        self.stripe_id.get_or_insert_with(|| told.stripe_id.clone());
        self.marks.fill(&told.marks);
        let (ours, theirs) = (rank(self.state), rank(told.state));
        let is_event = matches!(source, Source::Event { .. });
        let is_news = theirs > ours || theirs == ours && !is_event;
        if !is_news {
            return Some(match ours == theirs {
                true => format!("it is known already that the quote is {}", self.state),
                false => format!("the quote is {} already", self.state),
            });
        }
        self.state = told.state;
        self.terms = told.terms.clone();
        match &told.lines {
            Lines::Whole(lines) => {
                self.lines = Some(lines.clone());
                self.look = Some(false);
            }
            Lines::Cut => {
                self.lines = None;
                self.look = Some(true);
            }
            // What is open is what was known of it, and what only our own call moved is what it was.
            Lines::Untold if self.lines.is_some() && (ours >= rank(QuoteState::Open) || !is_event) => {}
            Lines::Untold => self.look = Some(true),
        }
        self.told = Some(match source {
            Source::Event { id, created_at } => (created_at.unwrap_or(now), id.to_owned()),
            Source::Answer | Source::Look => (now, ANSWER.to_owned()),
        });
        self.reason = (self.state == QuoteState::Cancelled).then(|| self.why_cancelled().to_owned());
        None
    }

    fn why_cancelled(&self) -> &'static str {
        match (self.marks.cancelled_at, self.terms.expires_at) {
            (Some(cancelled_at), Some(expires_at)) if cancelled_at >= expires_at => "its time was over",
            _ => "it was called off",
        }
    }

    /// Whether its time is over though Stripe has not said so yet.
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        is_expired(self.state, self.terms.expires_at, now)
    }
}

/// Whether a quote's time is over though Stripe has not said so yet.
pub(super) fn is_expired(state: QuoteState, expires_at: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    matches!(state, QuoteState::Draft | QuoteState::Open)
        && expires_at.is_some_and(|expires_at| expires_at <= now)
}

impl Marks {
    fn fill(&mut self, told: &Self) {
        fn keep<T: Clone>(known: &mut Option<T>, told: &Option<T>) {
            if known.is_none() {
                known.clone_from(told);
            }
        }
        keep(&mut self.number, &told.number);
        keep(&mut self.invoice, &told.invoice);
        keep(&mut self.subscription, &told.subscription);
        keep(&mut self.subscription_schedule, &told.subscription_schedule);
        keep(&mut self.finalized_at, &told.finalized_at);
        keep(&mut self.accepted_at, &told.accepted_at);
        keep(&mut self.cancelled_at, &told.cancelled_at);
    }
}

/// A status that Stripe did not have when this was written.
#[derive(Debug, thiserror::Error)]
#[error("a quote is {0:?}, which is no status that Packline knows")]
pub(super) struct StrangeStatus(String);

impl Snapshot {
    /// Of what Stripe tells.
    pub fn of(quote: &stripe::Quote) -> Result<Self, StrangeStatus> {
        let state =
            QuoteState::of_stripe(&quote.status).ok_or_else(|| StrangeStatus(quote.status.clone()))?;
        let at = |second: Option<i64>| OffsetDateTime::from_unix_timestamp(second?).ok();
        let text = |id: &Option<stripe::Id>| id.as_ref().map(|id| id.as_str().to_owned());
        let own = quote.metadata.iter().filter(|(key, _)| !key.starts_with("packline_"));
        Ok(Self {
            stripe_id: quote.id.clone(),
            state,
            ours: quote.metadata.get(PACKLINE_ID).and_then(|id| id.parse().ok()),
            terms: Terms {
                customer: text(&quote.customer),
                description: quote.description.clone(),
                collection_method: quote.collection_method.clone(),
                currency: quote.currency.clone(),
                amount_subtotal: quote.amount_subtotal,
                amount_total: quote.amount_total,
                recurring: quote.recurring().map(|recurring| Repeats {
                    amount_total: recurring.amount_total,
                    interval: recurring.interval.clone(),
                    interval_count: recurring.interval_count,
                }),
                metadata: own.map(|(key, value)| (key.clone(), value.clone().into())).collect(),
                expires_at: at(quote.expires_at),
            },
            marks: Marks {
                number: quote.number.clone(),
                invoice: text(&quote.invoice),
                subscription: text(&quote.subscription),
                subscription_schedule: text(&quote.subscription_schedule),
                finalized_at: at(quote.status_transitions.finalized_at),
                accepted_at: at(quote.status_transitions.accepted_at),
                cancelled_at: at(quote.status_transitions.canceled_at),
            },
            lines: match quote.lines() {
                None => Lines::Untold,
                Some(_) if quote.has_more_lines() => Lines::Cut,
                Some(lines) => Lines::Whole(lines.iter().map(line).collect()),
            },
        })
    }
}

/// A line, as Stripe tells it.
pub(super) fn line(line: &stripe::QuoteLine) -> QuoteLine {
    let price = line.price.as_ref();
    let recurring = price.and_then(|price| price.recurring.as_ref());
    QuoteLine {
        price: price.map(|price| price.id.clone()),
        sku: price.and_then(|price| price.sku()).map(str::to_owned),
        description: line.description.clone(),
        quantity: line.quantity.unwrap_or(1),
        unit_amount: price.and_then(|price| price.unit_amount),
        amount_total: line.amount_total,
        interval: recurring.map(|recurring| recurring.interval.clone()),
        interval_count: recurring.map(|recurring| recurring.interval_count),
    }
}

#[cfg(test)]
mod tests;
