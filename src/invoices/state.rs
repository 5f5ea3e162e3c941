//! The rules by which snapshots move what is known of an invoice, and what may be asked of it. Pure: no clock, no SQL, no
//! HTTP.
//!
//! Stripe tells invoices in snapshots that may come late, twice and in any order, with times of whole seconds. Of several
//! the furthest counts: by status (`draft` < `open` < `uncollectible` < `void` < `paid`), then by tries to collect, then by
//! time, so that any order of arrival ends in the same row. An answer to a call or a look of ours replaces all but a
//! status that is further, and is replaced by the next event.

use time::OffsetDateTime;

use super::invoice::{Facts, Status};

/// What `told_by` and `told_as` say where we asked Stripe ourselves.
pub(super) const ASKED: &str = "api";

/// Who told the facts, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The type of the event.
    pub told_as: String,
    pub at: OffsetDateTime,
    /// The event's id.
    pub by: String,
}

/// What events say of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub facts: Facts,
    pub source: Source,
    pub deleted_at: Option<OffsetDateTime>,
    pub action_required_at: Option<OffsetDateTime>,
}

impl Known {
    /// What the first snapshot says.
    pub fn first(facts: Facts, source: Source) -> Self {
        let mut known =
            Self { facts: facts.clone(), source: source.clone(), deleted_at: None, action_required_at: None };
        known.note(&source);
        known
    }

    /// Hears a snapshot; whether it counted.
    pub fn hear(&mut self, facts: &Facts, source: &Source) -> bool {
        self.note(source);
        if rank(facts, source) <= rank(&self.facts, &self.source) {
            return false;
        }
        self.facts = facts.clone();
        self.source = source.clone();
        true
    }

    /// What an event tells by its type alone.
    fn note(&mut self, source: &Source) {
        match source.told_as.as_str() {
            "invoice.deleted" => self.deleted_at = self.deleted_at.max(Some(source.at)),
            "invoice.payment_action_required" => {
                self.action_required_at = self.action_required_at.max(Some(source.at));
            }
            _ => {}
        }
    }

    /// Takes over what Stripe answered. It claims no time of its own: our clock and Stripe's differ, and the next event
    /// must count. An answer can be the repetition of an old one, so what is further than it stays.
    pub fn ask(&mut self, facts: &Facts) -> bool {
        let far = |facts: &Facts| (facts.status, facts.attempt_count);
        if far(facts) < far(&self.facts) || *facts == self.facts {
            return false;
        }
        self.facts = facts.clone();
        self.source = Source { told_as: ASKED.to_owned(), by: ASKED.to_owned(), at: self.source.at };
        true
    }

    /// Whether there is something to learn that no event tells: what a form needs to take its payment.
    pub fn wants_secret(&self) -> bool {
        self.deleted_at.is_none()
            && matches!(self.facts.status, Status::Open | Status::Uncollectible)
            && self.facts.amount_remaining > 0
    }
}

type Rank<'s> = (Status, i64, i64, u8, &'s str);

fn rank<'s>(facts: &Facts, source: &'s Source) -> Rank<'s> {
    let kind = match source.told_as.as_str() {
        ASKED | "invoice.created" => 0,
        "invoice.finalized" => 1,
        "invoice.updated" => 3,
        _ => 2,
    };
    // An answer of ours stands below every event of its second.
    let by = if source.by == ASKED { "" } else { source.by.as_str() };
    (facts.status, facts.attempt_count, source.at.unix_timestamp(), kind, by)
}

/// What can be asked of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Finalize,
    Send,
    Pay { out_of_band: bool },
    Void,
    MarkUncollectible,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Ask Stripe.
    Ask,
    /// It is so already.
    IsSo,
    /// It cannot be: the code, and why, with what to do instead.
    Not(&'static str, String),
}

/// Whether something can be asked of an invoice, as far as it is known. Stripe has the last word.
pub(super) fn may(asked: Asked, id: &str, facts: &Facts, is_deleted: bool) -> May {
    use Status::{Draft, Open, Paid, Uncollectible, Void};
    if is_deleted {
        return May::Not("invoice_deleted", format!("{id} was a draft and is deleted; make a new invoice"));
    }
    let not = |why: &str| May::Not(code(facts.status), format!("{id} {why}"));
    match (asked, facts.status) {
        (Asked::Finalize, Draft) if facts.lines == Some(0) => May::Not(
            "invoice_empty",
            format!(
                "{id} has no lines, so there is nothing to ask the customer for; add invoice items first"
            ),
        ),
        (Asked::Finalize, Open | Paid | Uncollectible)
        | (Asked::Void, Void)
        | (Asked::MarkUncollectible, Uncollectible) => May::IsSo,
        (Asked::Finalize, Void) => not("is void; a void invoice never comes back, make a new one"),
        (Asked::Send, Draft | Open) if facts.collection_method.as_deref() == Some("charge_automatically") => {
            May::Not(
                "invoice_not_sendable",
                format!(
                    "{id} is charged automatically, and Stripe sends only invoices with collection_method \
                     send_invoice; give the customer its hosted_invoice_url"
                ),
            )
        }
        (Asked::Finalize | Asked::Send | Asked::Pay { .. }, Draft)
        | (Asked::Send | Asked::Void | Asked::MarkUncollectible, Open)
        | (Asked::Pay { .. }, Open | Uncollectible)
        | (Asked::Void, Uncollectible) => May::Ask,
        (Asked::Send, Paid) => not("is paid already; there is nothing to send"),
        (Asked::Send, Void) => not("is void; a void invoice asks for nothing"),
        (Asked::Send, Uncollectible) => not(
            "is marked uncollectible and is not sent any more; the customer can still pay it on its hosted_invoice_url",
        ),
        (Asked::Pay { .. }, Paid) => not("is paid already; nothing was charged again"),
        (Asked::Pay { .. }, Void) => not("is void and cannot be paid; make a new invoice"),
        (Asked::Void, Draft) => {
            not("is a draft; a draft is deleted in the Dashboard, only a finalised invoice is voided")
        }
        (Asked::Void, Paid) => not("is paid; refund its order instead"),
        (Asked::MarkUncollectible, Draft) => not("is a draft; finalise it first"),
        (Asked::MarkUncollectible, Paid) => not("is paid already"),
        (Asked::MarkUncollectible, Void) => not("is void; nobody expects its money"),
    }
}

fn code(status: Status) -> &'static str {
    match status {
        Status::Draft => "invoice_draft",
        Status::Open => "invoice_open",
        Status::Uncollectible => "invoice_uncollectible",
        Status::Void => "invoice_void",
        Status::Paid => "invoice_paid",
    }
}

#[cfg(test)]
mod tests;
