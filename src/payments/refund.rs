//! Giving money back: asked for under the order's lock, so that never more goes back than arrived, and in the same
//! transaction what was not sent yet is held until Stripe has told of the refund.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::call::GIVEN_UP_AFTER;
use super::payment::{Ask, OrderPayment, RefundRequest, RefundState, RefundedLine};
use super::state::{self, Bearing, RefundFault, Refundable, Shared};
use super::store::{self, NewRefundRequest};
use super::{Payments, take};
use crate::api::{ApiError, ApiKey, Claim, FieldError, IdempotencyKey};
use crate::db;
use crate::money::Money;
use crate::orders::{self, Cause, FulfilmentStatus, HoldKind, Line, LockedOrder, Step};

/// The body of `POST /v1/orders/{id}/refunds`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRefund {
    /// Minor units; without it and without lines all that is left.
    #[serde(default)]
    pub amount: Option<i64>,
    /// What is taken back; the amount is what it cost.
    #[serde(default)]
    pub lines: Option<Vec<LineToRefund>>,
    /// Why.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// Of an order with a destination: whether the connected account pays its part. Otherwise the platform bears it all.
    #[serde(default)]
    pub reverse_transfer: bool,
    /// Of an order with a destination: whether the commission goes back to the connected account in proportion.
    #[serde(default)]
    pub refund_application_fee: bool,
    /// Only say what would happen and who would bear it.
    #[serde(default)]
    pub preview: bool,
}

/// Pieces of a line, by its position or by its sku.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineToRefund {
    /// From 1.
    #[serde(default)]
    pub position: Option<i32>,
    /// Where only one line has it.
    #[serde(default)]
    pub sku: Option<String>,
    /// How many.
    pub quantity: i64,
}

/// Stripe's words for why money goes back.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Paid twice.
    Duplicate,
    /// Fraud; Stripe blocks the card.
    Fraudulent,
    /// The customer asked.
    RequestedByCustomer,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
        }
    }
}

/// What a refund comes to. Amounts in minor units of the order's currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    pub preview: bool,
    pub amount: i64,
    pub currency: String,
    /// What could go back after it.
    pub left: i64,
    pub reverse_transfer: bool,
    pub refund_application_fee: bool,
    #[serde(flatten)]
    pub bearing: Bearing,
}

/// What became of a request.
pub(super) enum Asked {
    Preview(Preview),
    /// Asked for now, or before under the same key.
    Refund {
        refund: Box<RefundRequest>,
        is_replay: bool,
    },
}

/// What a request comes to, before Stripe is called.
enum Planned {
    Preview(Preview),
    /// The same request was made before.
    Known(Uuid),
    New {
        id: Uuid,
        call: Uuid,
    },
}

/// A refund that was checked.
struct Checked {
    amount: i64,
    lines: Option<Vec<RefundedLine>>,
    preview: Preview,
}

impl Payments {
    /// Asks for a refund.
    ///
    /// # Errors
    /// 409 where nothing is left to give back, 422 for more than is left or lines that are not there.
    pub(super) async fn refund(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        order_id: Uuid,
        asked: &AskRefund,
    ) -> Result<Asked, ApiError> {
        self.stripe()?;
        let mut tx = self.pool().begin().await?;
        let planned = self.plan_refund(&mut tx, key, idempotency, order_id, asked).await;
        match db::end(tx, planned).await? {
            Planned::Preview(preview) => Ok(Asked::Preview(preview)),
            Planned::Known(id) => self.refund_again(id).await,
            Planned::New { id, call } => {
                self.run(call).await?;
                let refund = store::load_refund(&mut *self.pool().acquire().await?, id).await?;
                Ok(Asked::Refund { refund: Box::new(refund), is_replay: false })
            }
        }
    }

    /// Writes down what is to be asked, if it may be.
    async fn plan_refund(
        &self,
        conn: &mut PgConnection,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        order_id: Uuid,
        asked: &AskRefund,
    ) -> Result<Planned, ApiError> {
        let now = self.now();
        let claim = match idempotency {
            Some(idempotency) => idempotency.look_up(conn).await?,
            None => Claim::New,
        };
        if let Claim::Begun(id) | Claim::Answered(_, Some(id)) = claim {
            return Ok(Planned::Known(id));
        }
        let mut order = LockedOrder::lock(conn, order_id).await?.ok_or_else(take::not_ours)?;
        let payment = store::load_payment(conn, order_id).await?.ok_or_else(take::not_ours)?;
        let checked = self.check_refund(conn, &order, &payment, asked).await?;
        if asked.preview {
            return Ok(Planned::Preview(checked.preview));
        }

        let id = Uuid::now_v7();
        let ask = Ask::Refund { request: id };
        let call = store::insert_call(conn, order_id, &ask, now + GIVEN_UP_AFTER, now).await?;
        let call = call.ok_or_else(take::in_progress)?;
        let new = NewRefundRequest {
            id,
            order_id,
            call_id: call.id,
            amount: checked.amount,
            currency: &checked.preview.currency,
            reason: asked.reason.map(Reason::as_str),
            lines: checked.lines.as_deref(),
            reverse_transfer: checked.preview.reverse_transfer,
            refund_application_fee: checked.preview.refund_application_fee,
        };
        store::insert_refund(conn, &new, now).await?;
        if let Some(lines) = &checked.lines {
            store::add_refunded_pieces(conn, order_id, lines, 1).await?;
        }
        self.hold(conn, &mut order, key, id, checked.amount, now).await?;
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, id, now).await?;
        }
        Ok(Planned::New { id, call: call.id })
    }

    /// The same request under the same key: the refund as it is now. One whose outcome is not known is asked for again.
    async fn refund_again(&self, id: Uuid) -> Result<Asked, ApiError> {
        let mut refund = store::load_refund(&mut *self.pool().acquire().await?, id).await?;
        if refund.state == RefundState::Requested {
            let call = store::find_call_of_refund(&mut *self.pool().acquire().await?, id).await?;
            self.run(call).await?;
            refund = store::load_refund(&mut *self.pool().acquire().await?, id).await?;
        }
        Ok(Asked::Refund { refund: Box::new(refund), is_replay: true })
    }

    /// What is not sent yet must wait until it is known what goes back.
    async fn hold(
        &self,
        conn: &mut PgConnection,
        order: &mut LockedOrder,
        key: ApiKey,
        refund: Uuid,
        amount: i64,
        now: OffsetDateTime,
    ) -> Result<(), ApiError> {
        let is_over =
            matches!(order.fulfilment_status(), FulfilmentStatus::Fulfilled | FulfilmentStatus::Cancelled);
        if is_over {
            return Ok(());
        }
        let amount = Money { amount, currency: order.total().currency };
        let step = Step::Hold {
            kind: HoldKind::Refund,
            source: refund.to_string(),
            reason: format!("a refund of {amount} was asked for, and Stripe has not told of it yet"),
        };
        let consequences = order.steer(conn, step, &Cause::Api(key.id), now).await?;
        (self.0.neighbours.follow)(conn, consequences, now).await?;
        Ok(())
    }

    async fn check_refund(
        &self,
        conn: &mut PgConnection,
        order: &LockedOrder,
        payment: &OrderPayment,
        asked: &AskRefund,
    ) -> Result<Checked, ApiError> {
        let mut faults = Vec::new();
        if asked.amount.is_some_and(|amount| amount < 1) {
            faults.push(FieldError::new("amount", "give minor units, 1 or more"));
        }
        if asked.amount.is_some() && asked.lines.is_some() {
            faults.push(FieldError::new("amount", "give either an amount or lines"));
        }
        if payment.destination.is_none() {
            for (field, is_set) in [
                ("reverse_transfer", asked.reverse_transfer),
                ("refund_application_fee", asked.refund_application_fee),
            ] {
                if is_set {
                    faults.push(FieldError::new(field, "the order has no destination"));
                }
            }
        }
        if !faults.is_empty() {
            return Err(ApiError::invalid(faults));
        }

        let refundable = refundable(conn, order).await?;
        let (amount, lines) = match &asked.lines {
            None => (refundable.amount(asked.amount).map_err(fault)?, None),
            Some(pieces) => {
                let loaded = orders::load(conn, &[order.id()]).await?.pop();
                let lines = loaded.map(|order| order.lines).unwrap_or_default();
                let pieces = positions(&lines, pieces)?;
                let amount = state::check_lines(&lines, &pieces).map_err(fault)?;
                (refundable.amount(Some(amount)).map_err(fault)?, Some(pieces))
            }
        };
        let has_fee = payment.application_fee > 0;
        let (reverse, refund_fee) = (asked.reverse_transfer, asked.refund_application_fee && has_fee);
        let Refundable { captured, refunded, in_flight } = refundable;
        let shared = Shared { captured, refunded: refunded + in_flight, fee: payment.application_fee };
        let bearing = shared.bearing(amount, reverse, refund_fee);
        let preview = Preview {
            preview: true,
            amount,
            currency: order.total().currency.to_string(),
            left: refundable.left() - amount,
            reverse_transfer: reverse,
            refund_application_fee: refund_fee,
            bearing,
        };
        Ok(Checked { amount, lines, preview })
    }
}

/// What can still go back: what arrived, less what events told and what was asked for here. The caller holds the
/// order's lock, so no other request can count on the same money.
async fn refundable(conn: &mut PgConnection, order: &LockedOrder) -> sqlx::Result<Refundable> {
    let refunds = store::list_refunds(conn, order.id()).await?;
    let is_on = |refund: &&RefundRequest| {
        matches!(refund.state, RefundState::Requested | RefundState::Pending | RefundState::Succeeded)
    };
    let known = refunds.iter().filter(is_on);
    let with_id = known.clone().filter_map(|refund| Some((refund.stripe_id.as_deref()?, refund.amount)));
    let refunded = order.amount_refunded_with(with_id);
    let in_flight = known.filter(|refund| refund.stripe_id.is_none()).map(|refund| refund.amount).sum();
    Ok(Refundable { captured: order.amount_paid(), refunded, in_flight })
}

fn positions(lines: &[Line], asked: &[LineToRefund]) -> Result<Vec<RefundedLine>, ApiError> {
    let mut faults = Vec::new();
    if asked.is_empty() {
        faults.push(FieldError::new("lines", "give at least one line"));
    }
    let mut pieces = Vec::new();
    for (at, line) in asked.iter().enumerate() {
        let of_sku = |sku: &str| {
            let mut found =
                (1..).zip(lines).filter(|(_, line)| line.sku == sku).map(|(position, _)| position);
            found.next().filter(|_| found.next().is_none())
        };
        let position = match (line.position, line.sku.as_deref()) {
            (Some(position), None) => Some(position),
            (None, Some(sku)) => of_sku(sku),
            _ => None,
        };
        match position {
            Some(position) => pieces.push(RefundedLine { position, quantity: line.quantity }),
            None => faults.push(FieldError::new(
                format!("lines[{at}]"),
                "give the position of a line, from 1, or a sku that exactly one line has",
            )),
        }
    }
    if faults.is_empty() { Ok(pieces) } else { Err(ApiError::invalid(faults)) }
}

fn fault(fault: RefundFault) -> ApiError {
    match fault {
        RefundFault::NotPaid => {
            let message = "nothing was captured, so nothing can go back; \
                           call an authorised payment off by `POST /v1/orders/{id}/cancel`";
            ApiError::conflict("not_paid", message)
        }
        RefundFault::NothingLeft => {
            ApiError::conflict("nothing_left", "all of it went back already, or is about to")
        }
        RefundFault::TooMuch { left } => {
            let message = format!("no more than {left} can go back, in minor units");
            ApiError::invalid(vec![FieldError::new("amount", message)])
        }
        RefundFault::Lines(why) => ApiError::invalid(vec![FieldError::new("lines", why)]),
    }
}

impl RefundRequest {
    /// The HTTP status that tells how far it is.
    pub(super) fn http_status(&self) -> StatusCode {
        match self.state {
            RefundState::Requested => StatusCode::ACCEPTED,
            RefundState::Refused => StatusCode::PAYMENT_REQUIRED,
            _ => StatusCode::CREATED,
        }
    }
}
