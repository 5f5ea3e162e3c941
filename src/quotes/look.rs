//! Looking at a quote: what Stripe says of it now, where it refused to move it.

use serde_json::json;
use uuid::Uuid;

use super::quote::QuoteState;
use super::receive::hear_object;
use super::state::Source;
use super::{Quotes, store};
use crate::api::ApiError;
use crate::db;
use crate::outbox;

impl Quotes {
    /// Looks, and takes over how it is if that is further than what is known; returns its state.
    pub(super) async fn look(&self, id: Uuid) -> Result<QuoteState, ApiError> {
        let known = store::load_known(&mut *self.pool.acquire().await?, id).await?;
        let known = known.ok_or(sqlx::Error::RowNotFound)?;
        let Some(stripe_id) = known.stripe_id else { return Ok(known.state) };
        let path = format!("/v1/quotes/{stripe_id}");
        let seen = self.outbox.stripe()?.get_value(&path, &json!({}), None).await;
        let object = seen.map_err(|error| outbox::call_failed(&error))?;
        let mut tx = self.pool.begin().await?;
        let heard = hear_object(&mut tx, id, &object, Source::Look, self.now()).await;
        Ok(db::end(tx, heard).await?)
    }
}
