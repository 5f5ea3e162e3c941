//! The PDF of a quote, streamed through from Stripe's host of files: never kept here, never whole in memory.

use actix_web::HttpResponse;
use actix_web::http::header;
use uuid::Uuid;

use super::quote::{Quote, QuoteState};
use super::{Quotes, store};
use crate::api::ApiError;
use crate::outbox;

impl Quotes {
    /// The PDF, as an answer.
    ///
    /// # Errors
    /// 409 before it is finalised, 422 where Stripe refuses, 503 where it does not answer.
    pub(super) async fn pdf(&self, id: Uuid) -> Result<HttpResponse, ApiError> {
        let quote = {
            let mut conn = self.pool.acquire().await?;
            store::load_quotes(&mut conn, &[id], self.now()).await?.pop().ok_or(sqlx::Error::RowNotFound)?
        };
        let stripe_id = has_pdf(&quote)?;
        let file = self.outbox.stripe()?.quote_pdf(stripe_id).await;
        let file = file.map_err(|error| outbox::call_failed(&error))?;
        let name = quote.number.as_deref().unwrap_or(stripe_id);
        let name: String = name
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' })
            .collect();
        let mut response = HttpResponse::Ok();
        response
            .content_type("application/pdf")
            .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pdf\"")))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if let Some(length) = file.length {
            response.no_chunking(length);
        }
        Ok(response.streaming(file.chunks))
    }
}

/// Stripe's id of a quote that has a PDF.
fn has_pdf(quote: &Quote) -> Result<&str, ApiError> {
    let stripe_id = quote.stripe_id.as_deref();
    match (quote.state, stripe_id) {
        (QuoteState::Open | QuoteState::Accepted, Some(stripe_id)) => Ok(stripe_id),
        (QuoteState::Cancelled, Some(stripe_id)) if quote.finalized_at.is_some() => Ok(stripe_id),
        (QuoteState::Draft, _) => Err(ApiError::conflict(
            "quote_not_open",
            "a draft has no PDF yet: POST /v1/quotes/{id}/finalize first",
        )),
        (state, _) => Err(ApiError::conflict(
            "quote_has_no_pdf",
            format!("the quote is {state} and was never finalised, so it has no PDF; make another"),
        )),
    }
}
