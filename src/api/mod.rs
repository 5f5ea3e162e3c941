//! What every route of the JSON API shares: API keys, the error format, JSON bodies, idempotency, pages of lists.

mod asked;
mod body;
mod check;
mod error;
mod faults;
mod idempotency;
mod json;
mod key;
mod paging;
mod store;

pub use asked::{Asked, Nothing, answer};
pub use body::read_body;
pub use check::{Faults, MOST_MONEY};
pub use error::{ApiError, ErrorBody, FieldError, only};
pub use faults::{BodyFaults, ChangeFaults, CommonFaults, NamedFaults, QueryFaults};
pub use idempotency::{Answer, Claim, IdempotencyKey};
pub use json::read_json;
pub use key::{ApiKey, CallerKey, NewKey, create_key, create_provider_key};
pub use paging::{Page, Paging, Placed, read_query};
pub use store::delete_old_answers;
