//! The words for a fulfilment, and what a provider is told.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::orders::{Cause, OrderHead, Shipping};

/// An order to queue a fulfilment for.
#[derive(Clone, Debug)]
pub struct ToQueue {
    /// The order.
    pub order_id: Uuid,
    /// What made it payable.
    pub cause: Cause,
}

/// An order of which nothing must be sent any more.
#[derive(Clone, Debug)]
pub struct ToCancel {
    /// The order.
    pub order_id: Uuid,
    /// What called it off.
    pub cause: Cause,
    /// Why, for people.
    pub reason: String,
}

/// What a provider is asked to fulfil: the JSON body of the request to `FULFILMENT_URL`.
///
/// It is made only of facts that stay as they are once the order is paid, but for lines that were refunded or sent
/// before, and has its fields in a fixed order, so that each attempt sends the same bytes under the same key: a receiver
/// may refuse a known key with another body.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// What is asked for: always `fulfilment.requested`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Our id of this hand-over.
    pub fulfilment_id: Uuid,
    /// The same in every attempt; also in the header `Idempotency-Key`, and the last segment of the look-up's path.
    pub idempotency_key: String,
    /// Which part of the order this is, from 1.
    pub part: i32,
    /// What to send, and to whom.
    pub order: DeliveredOrder,
}

/// The order as a provider sees it. Amounts are integers in minor units of `currency`.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveredOrder {
    /// Our id of the order.
    pub id: Uuid,
    /// The name that people use.
    pub number: String,
    /// The connected account, `acct_…`, whose sale it was; null for our own.
    pub account: Option<String>,
    /// Three-letter ISO code, lower case.
    pub currency: String,
    /// What the customer was asked for.
    pub amount_total: i64,
    /// Who bought.
    pub customer: DeliveryCustomer,
    /// Recipient and address; null where none is known.
    pub shipping: Option<Shipping>,
    /// What the parcel must hold: what is left of this part's lines. Empty for orders that Stripe told without lines.
    pub lines: Vec<DeliveredLine>,
    /// The merchant's own notes.
    pub metadata: Map<String, Value>,
    /// When the order was made or adopted, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A line as a provider sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveredLine {
    /// Which line of the order, from 1: call-backs name it so.
    pub position: i32,
    /// The merchant's name for the article.
    pub sku: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many are to be sent.
    pub quantity: i64,
    /// Minor units for one.
    pub unit_amount: i64,
    /// Minor units for those that are to be sent.
    pub amount: i64,
}

/// A line of a part, with how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartLine {
    /// Which line of the order, from 1.
    pub position: i32,
    pub sku: String,
    pub description: Option<String>,
    /// Pieces that were bought.
    pub quantity: i64,
    pub unit_amount: i64,
    pub amount: i64,
    /// Pieces that refunds by line took back.
    pub refunded: i64,
    /// Pieces that left.
    pub shipped: i64,
    /// Pieces of which the provider only answered "done".
    pub answered: i64,
    /// Pieces that came back.
    pub returned: i64,
}

impl PartLine {
    /// Pieces that were bought and not taken back.
    pub(super) fn wanted(&self) -> i64 {
        self.quantity - self.refunded
    }

    /// Pieces that are still to be sent.
    pub(super) fn left(&self) -> i64 {
        (self.wanted() - self.shipped).max(0)
    }

    fn to_deliver(&self) -> Option<DeliveredLine> {
        let quantity = self.left();
        (quantity > 0).then(|| DeliveredLine {
            position: self.position,
            sku: self.sku.clone(),
            description: self.description.clone(),
            quantity,
            unit_amount: self.unit_amount,
            amount: if quantity == self.quantity { self.amount } else { self.unit_amount * quantity },
        })
    }
}

/// Who bought.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryCustomer {
    /// Name, where known.
    pub name: Option<String>,
    /// E-mail address, where known.
    pub email: Option<String>,
}

impl Delivery {
    /// What to tell the provider about a part of an order.
    pub(super) fn new(
        fulfilment_id: Uuid,
        idempotency_key: String,
        part: i32,
        order: OrderHead,
        lines: &[PartLine],
    ) -> Self {
        Self {
            kind: "fulfilment.requested",
            fulfilment_id,
            idempotency_key,
            part,
            order: DeliveredOrder {
                id: order.id,
                number: order.number,
                account: order.account,
                currency: order.currency.to_string(),
                amount_total: order.amount_total,
                customer: DeliveryCustomer { name: order.customer.name, email: order.customer.email },
                shipping: order.shipping,
                lines: lines.iter().filter_map(PartLine::to_deliver).collect(),
                metadata: order.metadata,
                created_at: order.created_at,
            },
        }
    }
}
