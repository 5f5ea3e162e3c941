//! The errors of routes, as `/openapi.json` lists them.

use utoipa::IntoResponses;

use super::error::ErrorBody;

/// What every route with an API key can answer.
#[derive(IntoResponses)]
pub enum CommonFaults {
    /// No valid API key.
    #[response(status = 401, content_type = "application/json")]
    Unauthorised(ErrorBody<'static>),
    /// The API key is not for this: a provider's is for its own call-backs only.
    #[response(status = 403, content_type = "application/json")]
    Forbidden(ErrorBody<'static>),
    /// The request came or was answered too slowly.
    #[response(status = 408, content_type = "application/json")]
    TooSlow(ErrorBody<'static>),
    /// The database or Stripe does not answer, or Stripe is not set up; trying again is safe.
    #[response(status = 503, content_type = "application/json")]
    Unavailable(ErrorBody<'static>),
}

/// What a route that reads a query can answer.
#[derive(IntoResponses)]
pub enum QueryFaults {
    /// The query cannot be read: an unknown parameter, or one twice.
    #[response(status = 400, content_type = "application/json")]
    BadRequest(ErrorBody<'static>),
    /// A parameter is not right; `fields` says which.
    #[response(status = 422, content_type = "application/json")]
    Invalid(ErrorBody<'static>),
}

/// What a route that reads a body can answer.
#[derive(IntoResponses)]
pub enum BodyFaults {
    /// The body is no JSON or broke off, or the `Idempotency-Key` is none.
    #[response(status = 400, content_type = "application/json")]
    BadRequest(ErrorBody<'static>),
    /// Something of that name is there already, or the same request still runs.
    #[response(status = 409, content_type = "application/json")]
    Conflict(ErrorBody<'static>),
    /// The body is too large.
    #[response(status = 413, content_type = "application/json")]
    TooLarge(ErrorBody<'static>),
    /// A field is not right, `fields` says which; or Stripe refused; or the `Idempotency-Key` belongs to another
    /// request.
    #[response(status = 422, content_type = "application/json")]
    Invalid(ErrorBody<'static>),
}

/// What a route about one thing can answer.
#[derive(IntoResponses)]
pub enum NamedFaults {
    /// There is no such thing.
    #[response(status = 404, content_type = "application/json")]
    NotFound(ErrorBody<'static>),
}

/// What a route that changes one thing can answer.
#[derive(IntoResponses)]
pub enum ChangeFaults {
    /// It is not in a state for this.
    #[response(status = 409, content_type = "application/json")]
    Conflict(ErrorBody<'static>),
    /// Stripe refused.
    #[response(status = 422, content_type = "application/json")]
    Refused(ErrorBody<'static>),
}
