//! The answer to a call, with Stripe's headers.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::Value;

use super::failure::Failure;

/// The version that is answered where none is asked for.
pub(in crate::fake_stripe) const VERSION: &str = "2026-08-26.dahlia";

/// An answer before it is written.
#[derive(Clone, Debug)]
pub(in crate::fake_stripe) struct Reply {
    /// The HTTP status.
    pub(in crate::fake_stripe) status: u16,
    /// The JSON body.
    pub(in crate::fake_stripe) body: Value,
    /// The request whose work this is, if it was another.
    pub(in crate::fake_stripe) replays: Option<String>,
    /// `Stripe-Should-Retry`.
    pub(in crate::fake_stripe) should_retry: Option<bool>,
}

/// What the headers repeat of the call.
#[derive(Clone, Debug)]
pub(in crate::fake_stripe) struct Echo {
    /// `req_…` of this request.
    pub(in crate::fake_stripe) request_id: String,
    /// The `Stripe-Version` that was asked for.
    pub(in crate::fake_stripe) version: Option<String>,
    /// The `Stripe-Account` that was named.
    pub(in crate::fake_stripe) account: Option<String>,
    /// The `Idempotency-Key` of a POST.
    pub(in crate::fake_stripe) idempotency_key: Option<String>,
}

impl Reply {
    /// The answer to a call that was carried out.
    pub(in crate::fake_stripe) fn done(body: Value) -> Self {
        Self { status: 200, body, replays: None, should_retry: None }
    }

    /// The answer to a call that was refused.
    pub(in crate::fake_stripe) fn refused(failure: &Failure, request_id: &str) -> Self {
        Self {
            status: failure.status,
            body: failure.body(request_id),
            replays: None,
            should_retry: failure.should_retry,
        }
    }

    /// The response with its headers; the body is set as given.
    pub(in crate::fake_stripe) fn head(&self, echo: &Echo) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response
            .insert_header(("Request-Id", echo.request_id.as_str()))
            .insert_header(("Stripe-Version", echo.version.as_deref().unwrap_or(VERSION)));
        if let Some(account) = &echo.account {
            response.insert_header(("Stripe-Account", account.as_str()));
        }
        if let Some(key) = &echo.idempotency_key {
            response.insert_header(("Idempotency-Key", key.as_str()));
            let original = self.replays.as_ref().unwrap_or(&echo.request_id);
            response.insert_header(("Original-Request", original.as_str()));
        }
        if self.replays.is_some() {
            response.insert_header(("Idempotent-Replayed", "true"));
        }
        if let Some(should_retry) = self.should_retry {
            response.insert_header(("Stripe-Should-Retry", should_retry.to_string()));
        }
        response
    }

    /// The whole response.
    pub(in crate::fake_stripe) fn response(&self, echo: &Echo) -> HttpResponse {
        self.head(echo).json(&self.body)
    }
}
