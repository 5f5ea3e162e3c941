//! Steering an order by a merchant's call: a hold while something is under way, calling it off, asking for less than
//! the total. What moved, and why, is kept with its cause like everything else; what was paid only events tell.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Cause, FulfilmentStatus, HoldKind, PaymentStatus, Ref};
use super::settle::SettleError;
use super::state::{Consequence, HoldNews, MoneyFact, MoneyKind, News, OrderFacts};
use super::store::{self, NewTransition, Saved};
use crate::money::Money;

/// An order that nobody else changes until the transaction ends.
#[derive(Debug)]
pub struct LockedOrder {
    facts: OrderFacts,
}

/// What a call does to an order.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing is sent until this hold ends.
    Hold {
        /// Of which kind.
        kind: HoldKind,
        /// About what.
        source: String,
        /// Why.
        reason: String,
    },
    /// The hold ends.
    EndHold {
        /// Of which kind.
        kind: HoldKind,
        /// About what.
        source: String,
        /// Why.
        because: String,
    },
    /// The order is called off before anything was paid.
    CallOff {
        /// Why.
        reason: String,
    },
    /// This much is to arrive instead of the total, in minor units; none is the total again.
    AskFor(Option<i64>),
}

impl LockedOrder {
    /// Locks an order; none where there is none. Orders are locked before anything else of theirs, by everybody.
    ///
    /// # Errors
    /// The database's.
    pub async fn lock(conn: &mut PgConnection, order_id: Uuid) -> sqlx::Result<Option<Self>> {
        let mut facts = store::load_facts_for_update(conn, &[order_id]).await?;
        Ok(facts.remove(&order_id).map(|facts| Self { facts }))
    }

    /// Our id.
    pub fn id(&self) -> Uuid {
        self.facts.id
    }

    /// What is asked.
    pub fn total(&self) -> Money {
        self.facts.total
    }

    /// What was asked to be captured where that is less than the total, in minor units.
    pub fn to_capture(&self) -> Option<i64> {
        self.facts.to_capture
    }

    /// The payment axis.
    pub fn payment_status(&self) -> PaymentStatus {
        self.facts.payment
    }

    /// The fulfilment axis.
    pub fn fulfilment_status(&self) -> FulfilmentStatus {
        self.facts.fulfilment
    }

    /// What arrived, in minor units.
    pub fn amount_paid(&self) -> i64 {
        self.facts.amount_paid()
    }

    /// What went back, in minor units, if these refunds were told too: ids and amounts. One that was told already
    /// counts once.
    pub fn amount_refunded_with<'r>(&self, refunds: impl Iterator<Item = (&'r str, i64)>) -> i64 {
        let mut facts = self.facts.clone();
        for (id, amount) in refunds {
            let is_known = |fact: &MoneyFact| fact.kind == MoneyKind::Refunded && fact.stripe_id == id;
            if !facts.money.iter().any(is_known) {
                let (stripe_id, currency) = (id.to_owned(), facts.total.currency);
                facts.money.insert(MoneyFact { kind: MoneyKind::Refunded, stripe_id, amount, currency });
            }
        }
        facts.amount_refunded()
    }

    /// Does a step; returns what follows for fulfilment. A step that changes nothing leaves no row.
    ///
    /// # Errors
    /// The database's; the caller rolls back.
    pub async fn steer(
        &mut self,
        conn: &mut PgConnection,
        step: Step,
        cause: &Cause,
        now: OffsetDateTime,
    ) -> sqlx::Result<Vec<(Uuid, Consequence, Cause)>> {
        let before = self.facts.clone();
        let mut news = News::default();
        match step {
            Step::Hold { kind, source, reason } => {
                news.hold = Some(HoldNews { kind, source, reason, ended: None, is_final: false });
            }
            Step::EndHold { kind, source, because } => {
                news.hold = Some(HoldNews {
                    kind,
                    source,
                    reason: because.clone(),
                    ended: Some(because),
                    is_final: false,
                });
            }
            Step::CallOff { reason } => news.hint = Some((PaymentStatus::Cancelled, Some(reason))),
            Step::AskFor(amount) => self.facts.to_capture = amount,
        }
        let moved = self.facts.transition(&news);
        self.facts = moved.after;
        let saved = Saved { before: &before, after: &self.facts, success_at: None, is_queued: false };
        if saved.is_change() {
            let by = match cause {
                Cause::Event(_) => store::BY_EVENT,
                Cause::Operator(who) => who,
                _ => store::BY_API,
            };
            store::save(conn, &[saved], &HashMap::new(), by, now).await?;
        }
        let order_id = self.facts.id;
        let moves = moved.moves.into_iter();
        let transitions: Vec<_> =
            moves.map(|moved| NewTransition { order_id, moved, cause: cause.clone() }).collect();
        store::insert_transitions(conn, &transitions, now).await?;
        Ok(moved.consequences.into_iter().map(|consequence| (order_id, consequence, cause.clone())).collect())
    }

    /// Lets a Stripe object stand for the order; false where it does already.
    ///
    /// # Errors
    /// [`SettleError::LostRace`] where it stands for another order.
    pub async fn refer(
        &self,
        conn: &mut PgConnection,
        reference: Ref,
        now: OffsetDateTime,
    ) -> Result<bool, SettleError> {
        let known = store::resolve_refs(conn, &[&reference]).await?;
        let own = known.iter().find(|known| known.found == reference).and_then(|known| known.order_id);
        if own == Some(self.facts.id) {
            return Ok(false);
        }
        store::insert_refs(conn, &std::iter::once((reference, self.facts.id)).collect(), now).await?;
        Ok(true)
    }
}
