//! How a call stands, in the words of whoever asked for it.

use actix_web::http::StatusCode;

use super::call::{CallState, StoredCall};
use crate::api::ApiError;
use crate::stripe::CallError;

/// How a call stands.
#[derive(Debug)]
pub enum Told {
    /// Stripe did it; or its object was looked at, and the feature's row says how it is.
    Done,
    /// Nothing was done: 402 where a card was declined, 422 where Stripe refused otherwise, 409 where it came too late.
    Refused(ApiError),
    /// Nobody knows yet, and Packline goes on asking: 503.
    Open(ApiError),
}

impl Told {
    pub(super) fn of(call: &StoredCall) -> Self {
        let operation = &call.operation;
        let reason = call.reason.as_deref().unwrap_or("no try of it has ended yet");
        match call.state {
            CallState::Done | CallState::Seen => Self::Done,
            CallState::Refused => {
                let status = match call.http_status {
                    Some(402) => StatusCode::PAYMENT_REQUIRED,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let message = format!("Stripe refused {operation}: {reason}");
                Self::Refused(ApiError::new(status, "stripe_refused", message))
            }
            CallState::NotDone => {
                Self::Refused(ApiError::conflict("stripe_not_done", format!("{operation}: {reason}")))
            }
            CallState::Open => {
                let message = format!(
                    "it is not known yet whether Stripe did {operation} ({reason}). Packline goes on asking, and nothing \
                     is done twice: repeat the request with the same Idempotency-Key, or look at the object later"
                );
                Self::Open(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stripe_outcome_unknown", message))
            }
        }
    }

    /// The error of whoever needs it done.
    ///
    /// # Errors
    /// It was refused, or it is not known yet.
    pub fn done(self) -> Result<(), ApiError> {
        match self {
            Self::Done => Ok(()),
            Self::Refused(error) | Self::Open(error) => Err(error),
        }
    }
}

/// 409: another call moves the same thing, and nobody knows yet what became of it.
pub fn in_progress(operation: &str) -> ApiError {
    let message = format!(
        "{operation} is under way and its outcome is not known yet; wait for it, or repeat that request with the same \
         Idempotency-Key"
    );
    ApiError::conflict("call_in_progress", message)
}

/// 503: this service calls no Stripe.
pub fn not_configured() -> ApiError {
    let message =
        "Packline calls Stripe only with STRIPE_SECRET_KEY (for the local Stripe also STRIPE_API_BASE)";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stripe_not_configured", message)
}

/// What became of a look, or another call that changes nothing.
pub fn call_failed(error: &CallError) -> ApiError {
    match error {
        CallError::Refused(_) => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "stripe_refused", error.to_string())
        }
        CallError::NotDone(_) | CallError::Unknown(_) => {
            let message = format!("Stripe does not answer now ({error}); try again");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stripe_unavailable", message)
        }
    }
}
