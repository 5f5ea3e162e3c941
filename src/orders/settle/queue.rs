//! Orders that a batch makes ready to be sent, queued before they are saved: so that each is written once, as paid and as
//! queued, and not twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Axis, FulfilmentStatus};
use super::super::state::{Consequence, Move, OrderFacts};
use super::super::store::NewTransition;
use super::Batch;

/// An order that is to be sent, with what its row does not say yet.
#[derive(Clone, Debug)]
pub struct ToSend {
    /// The order; it is locked, and its lines are written.
    pub order_id: Uuid,
    /// Where to, as far as it matters to who sends it: the two-letter code of the address.
    pub country: Option<String>,
}

/// Queues those of these orders that were never queued before and of which something is to be sent; returns them. What it
/// leaves is a consequence as before.
pub type QueueNew =
    for<'c> fn(&'c mut PgConnection, &'c [ToSend], OffsetDateTime) -> BoxFuture<'c, sqlx::Result<Vec<Uuid>>>;

impl Batch {
    /// Queues the orders of which nothing else follows for fulfilment; returns those that are queued now.
    pub(super) async fn queue(
        &mut self,
        conn: &mut PgConnection,
        before: &BTreeMap<Uuid, OrderFacts>,
        queue: QueueNew,
        now: OffsetDateTime,
    ) -> sqlx::Result<BTreeSet<Uuid>> {
        let mut follows: HashMap<Uuid, usize> = HashMap::new();
        for (order_id, ..) in &self.consequences {
            *follows.entry(*order_id).or_default() += 1;
        }
        let to_send: Vec<ToSend> = self
            .consequences
            .iter()
            .filter(|(order_id, consequence, _)| {
                *consequence == Consequence::Queue && follows.get(order_id) == Some(&1)
            })
            .filter_map(|(order_id, ..)| {
                before.get(order_id).filter(|order| order.fulfilment == FulfilmentStatus::None)?;
                let after = self.facts.get(order_id).filter(|o| o.fulfilment == FulfilmentStatus::Queued)?;
                let shipping = after.details.shipping.as_ref();
                let country = shipping.and_then(|shipping| shipping.country.clone());
                Some(ToSend { order_id: *order_id, country })
            })
            .collect();
        if to_send.is_empty() {
            return Ok(BTreeSet::new());
        }
        let queued: BTreeSet<Uuid> = queue(conn, &to_send, now).await?.into_iter().collect();
        let (done, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.consequences)
            .into_iter()
            .partition(|(order_id, ..)| queued.contains(order_id));
        self.consequences = left;
        self.transitions.extend(done.into_iter().map(|(order_id, _, cause)| NewTransition {
            order_id,
            moved: Move {
                axis: Axis::Fulfilment,
                from: Some(FulfilmentStatus::None.as_str()),
                to: Some(FulfilmentStatus::Queued.as_str()),
                reason: None,
            },
            cause,
        }));
        Ok(queued)
    }
}
