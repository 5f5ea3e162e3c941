//! What every route of the JSON API shares: API keys, the error format, JSON bodies, idempotency.

mod error;
mod idempotency;
mod json;
mod key;
mod store;

pub use error::{ApiError, FieldError};
pub use idempotency::{Answer, IdempotencyKey};
pub use json::read_json;
pub use key::{ApiKey, NewKey, create_key};
