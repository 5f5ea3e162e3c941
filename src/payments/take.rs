//! Taking the payment of an order that is being placed: the seam's other side.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::call::GIVEN_UP_AFTER;
use super::describe::{NewPayment, report};
use super::payment::{CallState, Checkout, Operation, OrderPayment, StoredCall};
use super::{Payments, checkout_token, request, store};
use crate::api::{ApiError, FieldError};
use crate::orders::{LockedOrder, NewOrder, PaymentStatus, TakePayment};

impl TakePayment for Payments {
    fn check(&self, payment: &Value, destination: Option<&Value>) -> Result<Vec<FieldError>, ApiError> {
        self.stripe()?;
        Ok(request::read(payment, destination).err().unwrap_or_default())
    }

    fn open<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        order: NewOrder<'a>,
        now: OffsetDateTime,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(self.open_payment(conn, order, now))
    }

    fn begin(&self, order_id: Uuid) -> BoxFuture<'_, Result<Value, ApiError>> {
        Box::pin(self.begin_payment(order_id))
    }

    fn describe<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        order_ids: &'a [Uuid],
    ) -> BoxFuture<'a, sqlx::Result<HashMap<Uuid, Value>>> {
        Box::pin(async move {
            let reports = report(conn, order_ids).await?;
            Ok(reports.into_iter().map(|(id, report)| (id, json!(report))).collect())
        })
    }
}

impl Payments {
    async fn open_payment(
        &self,
        conn: &mut PgConnection,
        order: NewOrder<'_>,
        now: OffsetDateTime,
    ) -> Result<(), ApiError> {
        let (asked, destination) =
            request::read(order.payment, order.destination).map_err(ApiError::invalid)?;
        let mut payment = OrderPayment {
            order_id: order.id,
            mode: asked.mode,
            capture: asked.capture,
            off_session: asked.off_session,
            save_for_later: asked.save_for_later,
            payment_method: asked.payment_method,
            receipt_email: asked.receipt_email,
            statement_suffix: asked.statement_descriptor_suffix,
            stripe_customer: asked.customer.or_else(|| order.customer.stripe_customer.clone()),
            destination: None,
            commission: Default::default(),
            on_behalf_of: false,
            application_fee: 0,
            payment_intent: None,
            client_secret: None,
            intent_status: None,
            problem: None,
            problem_code: None,
            declined: None,
            checkout: asked.success_url.map(|success_url| Checkout {
                success_url,
                cancel_url: asked.cancel_url,
                expires_in: asked.expires_in,
                session: None,
            }),
        };
        if let Some(destination) = destination {
            let account = &destination.account;
            let Some(destinations) = &self.0.neighbours.destinations else {
                let why = "this service knows no connected accounts";
                return Err(ApiError::invalid(vec![FieldError::new("destination.account", why)]));
            };
            let on_behalf_of = destination.on_behalf_of;
            let deal =
                destinations.deal(conn, account, destination.commission, on_behalf_of, order.total).await?;
            payment.commission = deal.commission;
            payment.application_fee = deal.fee;
            payment.on_behalf_of = on_behalf_of;
            payment.destination = Some(deal.account);
        }
        store::insert_payment(conn, &payment, now).await?;
        store::insert_call(conn, order.id, &payment.making(now), now + GIVEN_UP_AFTER, now).await?;
        Ok(())
    }

    async fn begin_payment(&self, order_id: Uuid) -> Result<Value, ApiError> {
        let payment = self.ensure_intent(order_id).await?;
        let mut conn = self.pool().acquire().await?;
        let report = report(&mut conn, &[order_id]).await?.remove(&order_id).ok_or_else(not_ours)?;
        let token = checkout_token::create(&mut conn, order_id, self.now()).await?;
        Ok(json!(NewPayment {
            report,
            client_secret: payment.client_secret,
            publishable_key: self.stripe()?.publishable_key.clone(),
            checkout_url: self.checkout_url(order_id, &token.text),
            checkout_token: token.text,
        }))
    }

    /// Where a browser can pay for an order.
    pub(super) fn checkout_url(&self, order_id: Uuid, token: &str) -> Option<String> {
        let base = self.0.public_url.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/checkout/{order_id}?token={token}"))
    }

    /// The payment of an order with its intent or its session: made now, if it was not.
    pub(super) async fn ensure_intent(&self, order_id: Uuid) -> Result<OrderPayment, ApiError> {
        let payment = self.payment(order_id).await?;
        if payment.is_ready() {
            return Ok(payment);
        }
        let call = self.create_call(&payment).await?;
        let call = if call.is_open() { self.run(call.id).await? } else { call };
        let payment = self.payment(order_id).await?;
        let is_there = payment.payment_intent.is_some() || payment.session().is_some();
        if is_there && call.state == CallState::Done {
            return Ok(payment);
        }
        Err(not_made(order_id, &call))
    }

    /// The call that makes the intent or opens the session: the open one, or after a refusal a new one.
    async fn create_call(&self, payment: &OrderPayment) -> Result<StoredCall, ApiError> {
        let (order_id, now) = (payment.order_id, self.now());
        let mut tx = self.pool().begin().await?;
        let order = LockedOrder::lock(&mut tx, order_id).await?.ok_or_else(not_ours)?;
        let last = store::list_calls(&mut tx, order_id, &[Operation::Create, Operation::OpenSession]).await?;
        let last = last.into_iter().next();
        let call = match last {
            Some(call) if matches!(call.state, CallState::Open | CallState::Done) => call,
            _ if order.payment_status() == PaymentStatus::Cancelled => return Err(called_off()),
            _ if order.amount_paid() > 0 => return Err(paid_already()),
            _ => store::insert_call(&mut tx, order_id, &payment.making(now), now + GIVEN_UP_AFTER, now)
                .await?
                .ok_or_else(in_progress)?,
        };
        tx.commit().await?;
        Ok(call)
    }

    /// How an order is paid.
    ///
    /// # Errors
    /// 409 where Packline does not take its payment.
    pub(super) async fn payment(&self, order_id: Uuid) -> Result<OrderPayment, ApiError> {
        let mut conn = self.pool().acquire().await?;
        store::load_payment(&mut conn, order_id).await?.ok_or_else(not_ours)
    }
}

pub(super) fn not_ours() -> ApiError {
    ApiError::conflict(
        "payment_not_taken_here",
        "the payment of this order is not taken by Packline: it was placed without `payment`",
    )
}

/// Nothing is taken for it any more.
fn called_off() -> ApiError {
    ApiError::conflict("order_cancelled", "the order was cancelled; place another one")
}

/// Its money is there.
pub(super) fn paid_already() -> ApiError {
    ApiError::conflict("paid_already", "the order is paid; refund it: `POST /v1/orders/{id}/refunds`")
}

/// Another call changes the intent.
pub(super) fn in_progress() -> ApiError {
    ApiError::conflict(
        "payment_in_progress",
        "a payment of this order is being processed; ask again in a moment",
    )
}

fn not_made(order_id: Uuid, call: &StoredCall) -> ApiError {
    let why = call.reason.as_deref().unwrap_or("no answer yet");
    if call.state == CallState::Refused {
        let message = format!(
            "order {order_id} is placed, but Stripe does not take its payment: {why}. Mend it and send the same \
             request with the same Idempotency-Key again, or cancel the order"
        );
        return ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "payment_refused", message);
    }
    let message = format!(
        "order {order_id} is placed, but its payment is not ready: {why}. Send the same request with the same \
         Idempotency-Key again; nothing is made twice"
    );
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "payment_not_ready", message)
}
