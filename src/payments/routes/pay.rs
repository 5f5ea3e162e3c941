//! `POST /pay`: what a browser sends, and what it is told.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::api::{ApiError, ErrorBody, FieldError, read_body, read_json};
use crate::payments::payment::Shown;
use crate::payments::request::{is_payment_method, is_stripe_id};
use crate::payments::state::{PayAnswer, PayAsk};
use crate::payments::{Payments, checkout_token};

/// The body of `POST /pay`: one of two.
#[derive(ToSchema)]
#[serde(untagged)]
enum PayBody {
    With(PayWith),
    Again(PayAgain),
}

/// Pays with a payment method.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayWith {
    /// The checkout token, where it is not in the header.
    #[serde(default)]
    token: Option<String>,
    /// What Stripe.js made of the card, `pm_…`.
    #[schema(pattern = "^(pm|card|src)_[A-Za-z0-9_-]{1,200}$")]
    payment_method_id: String,
    /// For a saved card whose CVC was asked for again.
    #[serde(default)]
    #[schema(pattern = "^cvctok_[A-Za-z0-9_-]{1,200}$")]
    cvc_token: Option<String>,
    /// Whether the card is to be kept for later charges.
    #[serde(default)]
    save_for_later: bool,
}

/// Goes on after the step of the bank.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayAgain {
    /// The checkout token, where it is not in the header.
    #[serde(default)]
    token: Option<String>,
    /// The intent that Stripe.js handled.
    #[schema(pattern = "^pi_")]
    payment_intent_id: String,
}

/// What `POST /pay` answers that is not a success. Where it is about the payment, `error.message` may be shown.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes")]
enum PayFaults {
    /// The body is no JSON or broke off.
    #[response(status = 400, content_type = "application/json")]
    BadRequest(ErrorBody<'static>),
    /// No valid checkout token.
    #[response(status = 401, content_type = "application/json")]
    Unauthorised(ErrorBody<'static>),
    /// Declined.
    #[response(status = 402, content_type = "application/json")]
    Declined(Failed),
    /// The request came or was answered too slowly.
    #[response(status = 408, content_type = "application/json")]
    TooSlow(ErrorBody<'static>),
    /// Another try is under way, the order was cancelled, or it is not paid like this.
    #[response(status = 409, content_type = "application/json")]
    Conflict(Failed),
    /// The body is too large.
    #[response(status = 413, content_type = "application/json")]
    TooLarge(ErrorBody<'static>),
    /// A field is not right; `fields` says which.
    #[response(status = 422, content_type = "application/json")]
    Invalid(ErrorBody<'static>),
    /// Too many tries.
    #[response(status = 429, content_type = "application/json")]
    TooMany(Failed),
    /// Nothing was charged; trying again is safe.
    #[response(status = 503, content_type = "application/json")]
    Unavailable(Failed),
}

/// Pays for the order that the checkout token is for, or goes on after a step of the bank.
#[utoipa::path(
    post, path = "/pay", tag = "browsers", security(("checkout_token" = [])),
    request_body = PayBody,
    responses(
        (status = 200, description = "`success`, or `requires_action`: hand the secret to Stripe.js, then send the intent's id.", body = Paid),
        PayFaults
    )
)]
pub(super) async fn pay(
    request: HttpRequest,
    body: web::Payload,
    payments: web::Data<Payments>,
) -> Result<HttpResponse, ApiError> {
    let body = PayBody::read(&read_body(body).await?)?;
    let token = checkout_token::bearer(&request).or(body.token());
    let order_id = {
        let mut conn = payments.pool().acquire().await?;
        checkout_token::order_of(&mut conn, token, payments.now()).await?
    };
    payments.stripe()?;
    let ask = body.ask()?;
    Ok(told(payments.pay(order_id, &ask).await?))
}

impl PayBody {
    fn read(body: &[u8]) -> Result<Self, ApiError> {
        let given: serde_json::Map<String, serde_json::Value> = read_json(body)?;
        let has = |name: &str| given.get(name).is_some_and(|value| !value.is_null());
        match (has("payment_method_id"), has("payment_intent_id")) {
            (true, false) => Ok(Self::With(read_json(body)?)),
            (false, true) => Ok(Self::Again(read_json(body)?)),
            _ => Err(fault("payment_method_id", "give either payment_method_id or payment_intent_id")),
        }
    }

    fn token(&self) -> Option<&str> {
        let (Self::With(PayWith { token, .. }) | Self::Again(PayAgain { token, .. })) = self;
        token.as_deref()
    }

    fn ask(self) -> Result<PayAsk, ApiError> {
        match self {
            Self::With(with) => with.ask(),
            Self::Again(again) => Ok(PayAsk::Again { payment_intent: again.payment_intent_id }),
        }
    }
}

impl PayWith {
    fn ask(self) -> Result<PayAsk, ApiError> {
        if self.cvc_token.as_deref().is_some_and(|token| !is_stripe_id(token, "cvctok_")) {
            return Err(fault("cvc_token", "give a token of Stripe.js that begins with cvctok_"));
        }
        if !is_payment_method(&self.payment_method_id) {
            return Err(fault("payment_method_id", "give a payment method of Stripe's, pm_…"));
        }
        Ok(PayAsk::With {
            payment_method: self.payment_method_id,
            cvc_token: self.cvc_token,
            save_for_later: self.save_for_later,
        })
    }
}

fn fault(field: &str, message: &str) -> ApiError {
    ApiError::invalid(vec![FieldError::new(field, message)])
}

/// The answer in the words of Stripe's own example, so that its script works unchanged.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Paid {
    Success(PaidNow),
    RequiresAction(StepNeeded),
}

/// It went through; Stripe's event will say so to Packline.
#[derive(Serialize, ToSchema)]
struct PaidNow {
    /// True.
    success: bool,
}

/// The bank wants a step of the customer.
#[derive(Serialize, ToSchema)]
struct StepNeeded {
    /// True.
    requires_action: bool,
    /// For Stripe.js.
    payment_intent_client_secret: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Failed {
    error: Shown,
}

fn told(answer: PayAnswer) -> HttpResponse {
    match answer {
        PayAnswer::Success => HttpResponse::Ok().json(Paid::Success(PaidNow { success: true })),
        PayAnswer::RequiresAction { client_secret } => {
            HttpResponse::Ok().json(Paid::RequiresAction(StepNeeded {
                requires_action: true,
                payment_intent_client_secret: client_secret,
            }))
        }
        PayAnswer::Error(shown) => HttpResponse::build(status(&shown)).json(Failed { error: shown }),
    }
}

fn status(shown: &Shown) -> StatusCode {
    match shown.code.as_deref() {
        Some("processing" | "order_cancelled" | "wrong_mode" | "wrong_payment_intent") => {
            StatusCode::CONFLICT
        }
        Some("try_again") => StatusCode::SERVICE_UNAVAILABLE,
        Some("too_many_tries") => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::PAYMENT_REQUIRED,
    }
}
