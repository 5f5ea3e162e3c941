//! What a shop asks of an invoice: refused here in its own words where that is plain already, else asked of Stripe.

use actix_web::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::invoice::Invoice;
use super::state::{self, Asked, May};
use super::{EXPAND, Invoices, store};
use crate::api::{Answer, ApiError, IdempotencyKey};
use crate::orders;
use crate::outbox::{self, NewCall, Plan};
use crate::stripe::params::{FinalizeInvoice, MoveInvoice, PayInvoice};

/// What is asked of an invoice, with its parameters.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Finalize { auto_advance: Option<bool> },
    Send,
    Pay { payment_method: Option<String>, out_of_band: bool },
    Void,
    MarkUncollectible,
}

impl Wish {
    fn asked(&self) -> Asked {
        match self {
            Self::Finalize { .. } => Asked::Finalize,
            Self::Send => Asked::Send,
            Self::Pay { out_of_band, .. } => Asked::Pay { out_of_band: *out_of_band },
            Self::Void => Asked::Void,
            Self::MarkUncollectible => Asked::MarkUncollectible,
        }
    }

    /// The last part of the path, ours and Stripe's, and the name of the operation.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Finalize { .. } => ("finalize", "invoice.finalize"),
            Self::Send => ("send", "invoice.send"),
            Self::Pay { .. } => ("pay", "invoice.pay"),
            Self::Void => ("void", "invoice.void"),
            Self::MarkUncollectible => ("mark_uncollectible", "invoice.mark_uncollectible"),
        }
    }

    fn params(&self) -> sqlx::Result<Value> {
        let expand = EXPAND.map(str::to_owned).to_vec();
        match self {
            Self::Finalize { auto_advance } => {
                outbox::params(&FinalizeInvoice { auto_advance: *auto_advance, expand })
            }
            Self::Pay { payment_method, out_of_band } => outbox::params(&PayInvoice {
                payment_method: payment_method.clone(),
                paid_out_of_band: out_of_band.then_some(true),
                off_session: None,
                expand,
            }),
            Self::Send | Self::Void | Self::MarkUncollectible => outbox::params(&MoveInvoice { expand }),
        }
    }

    /// Whether a second request for the same can wait for the first: it could want nothing else.
    fn joins(&self) -> Option<&'static str> {
        let (_, operation) = self.words();
        (!matches!(self, Self::Pay { .. } | Self::Send)).then_some(operation)
    }
}

impl Invoices {
    /// Finds an invoice by our id or Stripe's, or by an order that it became; one that no event has told of yet is looked
    /// up at Stripe.
    pub(super) async fn find(&self, name: &str) -> Result<Invoice, ApiError> {
        let found = {
            let mut conn = self.pool.acquire().await?;
            let order = orders::find(&mut conn, name).await?;
            store::find_invoice(&mut conn, name, order).await?
        };
        if let Some(invoice) = found {
            return Ok(invoice);
        }
        let is_name = name.starts_with("in_")
            && name.len() <= 255
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name && self.outbox.stripe().is_ok() {
            return self.fetch_unknown(name).await;
        }
        Err(ApiError::not_found(format!(
            "no invoice has the id {name:?}, and no order of that name has an invoice; give in_… or the order"
        )))
    }

    /// Asks something of an invoice; returns the answer, and whether it was given before.
    ///
    /// # Errors
    /// 409 where the invoice is not in a state for it, 402 where a card was declined, 422 where Stripe refuses
    /// otherwise, 503 where nobody knows yet what became of it.
    pub(super) async fn ask(
        &self,
        name: &str,
        idempotency: Option<&IdempotencyKey>,
        wish: &Wish,
    ) -> Result<(Answer, bool), ApiError> {
        self.outbox.stripe()?;
        let id = self.find(name).await?.id;
        let asked = self
            .outbox
            .request(idempotency, wish.joins(), async |conn| {
                let invoice = store::load_invoices(conn, &[id]).await?.pop().ok_or_else(|| gone(id))?;
                let row = store::lock(conn, &[&invoice.stripe_id]).await?.remove(&invoice.stripe_id);
                let row = row.ok_or_else(|| gone(id))?;
                let is_deleted = row.known.deleted_at.is_some();
                match state::may(wish.asked(), &invoice.stripe_id, &row.known.facts, is_deleted) {
                    May::IsSo => return Ok(Plan::IsSo),
                    May::Not(code, why) => return Err(ApiError::conflict(code, why)),
                    May::Ask => {}
                }
                let (verb, operation) = wish.words();
                let params = wish.params()?;
                let call = NewCall {
                    operation,
                    subject: id,
                    path: format!("/v1/invoices/{}/{verb}", invoice.stripe_id),
                    params,
                    account: row.account.as_deref(),
                };
                Ok(Plan::Call(outbox::write(conn, call, self.clock.now()).await?))
            })
            .await?;
        if let outbox::Asked::Answered(answer) = asked {
            return Ok((answer, true));
        }
        let invoice = store::load_invoices(&mut *self.pool.acquire().await?, &[id]).await?.pop();
        self.outbox.keep(idempotency, StatusCode::OK, &json!(invoice.ok_or_else(|| gone(id))?)).await
    }
}

fn gone(id: Uuid) -> ApiError {
    ApiError::not_found(format!("the invoice {id} is gone"))
}
