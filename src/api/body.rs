//! Bodies of requests: read in bounded time and memory, once the caller is known.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use tokio::time::timeout;

use super::ApiError;

/// The largest body, in bytes.
const LARGEST: usize = 512 * 1024;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body.
///
/// # Errors
/// 413 where it is too large, 408 where it takes too long, 400 where it breaks off.
pub async fn read_body(body: web::Payload) -> Result<Bytes, ApiError> {
    match timeout(PATIENCE, body.to_bytes_limited(LARGEST)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => Err(ApiError::bad_request("body_broken_off", "the body broke off; send it again")),
        Ok(Err(_)) => {
            let message = format!("the body is larger than {LARGEST} bytes");
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message))
        }
        Err(_) => {
            let message = format!("the body took longer than {} seconds to arrive", PATIENCE.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message))
        }
    }
}
