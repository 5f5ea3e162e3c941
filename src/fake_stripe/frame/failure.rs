//! Stripe's errors: the status and the body that a refused call is answered with.

use serde_json::{Map, Value, json};

/// A call that is refused.
#[derive(Clone, Debug)]
pub(in crate::fake_stripe) struct Failure {
    /// The HTTP status.
    pub(in crate::fake_stripe) status: u16,
    /// What stands under `error`.
    pub(in crate::fake_stripe) error: Map<String, Value>,
    /// Whether the execution had begun, so that the same idempotency key replays it.
    pub(in crate::fake_stripe) is_saved: bool,
    /// `Stripe-Should-Retry`, where Stripe says it.
    pub(in crate::fake_stripe) should_retry: Option<bool>,
    /// Whether the fields are the whole body, as OAuth has it.
    is_plain: bool,
}

impl Failure {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut error = Map::new();
        error.insert("type".to_owned(), json!(kind));
        error.insert("message".to_owned(), json!(message.into()));
        Self { status, error, is_saved: status < 500, should_retry: None, is_plain: false }
    }

    /// 400 of type `invalid_request_error`, found while the call was carried out.
    pub(in crate::fake_stripe) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400 for a parameter, found before anything was done: the idempotency key is not used up.
    pub(in crate::fake_stripe) fn parameter(code: &str, param: &str, message: impl Into<String>) -> Self {
        let mut failure = Self::invalid(message).code(code).param(param);
        failure.is_saved = false;
        failure
    }

    /// A parameter that must be there is not.
    pub(in crate::fake_stripe) fn missing(param: &str) -> Self {
        Self::parameter("parameter_missing", param, format!("Missing required param: {param}."))
    }

    /// 401.
    pub(in crate::fake_stripe) fn unauthorized(message: impl Into<String>) -> Self {
        let mut failure = Self::new(401, "invalid_request_error", message);
        failure.is_saved = false;
        failure
    }

    /// 402 of type `card_error`.
    pub(in crate::fake_stripe) fn card(code: &str, message: impl Into<String>) -> Self {
        let mut failure = Self::new(402, "card_error", message).code(code);
        failure.should_retry = Some(false);
        failure
    }

    /// 403.
    pub(in crate::fake_stripe) fn forbidden(message: impl Into<String>) -> Self {
        let mut failure = Self::new(403, "invalid_request_error", message);
        failure.is_saved = false;
        failure
    }

    /// 404 for an id that is not known; `param` is where the id stood.
    pub(in crate::fake_stripe) fn no_such(kind: &str, id: &str, param: &str) -> Self {
        let mut failure =
            Self::new(404, "invalid_request_error", format!("No such {}: '{id}'", kind.replace('_', "")))
                .code("resource_missing")
                .param(param);
        if ["customer", "charge", "refund", "dispute", "transfer", "invoice"].contains(&kind) {
            return failure;
        }
        let name = if kind == "payment_method" { "PaymentMethod".to_owned() } else { kind.to_owned() };
        failure.error.insert("message".to_owned(), json!(format!("No such {name}: '{id}'")));
        failure
    }

    /// 404 for what Stripe has and this server has not.
    pub(in crate::fake_stripe) fn not_modelled(what: &str) -> Self {
        let message = format!(
            "The local Stripe does not model {what}. It has what Packline calls and what the CLI's triggers for the \
             events that Packline handles call; see `packline fake-stripe --help`."
        );
        let mut failure = Self::new(404, "invalid_request_error", message);
        failure.is_saved = false;
        failure
    }

    /// 409 for an idempotency key whose first call is not answered yet.
    pub(in crate::fake_stripe) fn in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you \
             submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        let mut failure = Self::new(409, "idempotency_error", message).code("idempotency_key_in_use");
        failure.is_saved = false;
        failure.should_retry = Some(true);
        failure
    }

    /// 400 for an idempotency key that was used for something else.
    pub(in crate::fake_stripe) fn other_parameters(key: &str, is_other_endpoint: bool) -> Self {
        let what = if is_other_endpoint { "for the same endpoint" } else { "with the same parameters" };
        let message = format!(
            "Keys for idempotent requests can only be used {what} they were first used with. Try using a key other \
             than '{key}' if you meant to execute a different request."
        );
        let mut failure = Self::new(400, "idempotency_error", message);
        failure.is_saved = false;
        failure
    }

    /// 429: too many calls, or a lock that another call holds.
    pub(in crate::fake_stripe) fn rate_limited(code: &str) -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits here \
                       https://docs.stripe.com/rate-limits.";
        let mut failure = Self::new(429, "invalid_request_error", message).code(code);
        failure.is_saved = false;
        failure
    }

    /// 500.
    pub(in crate::fake_stripe) fn api_error() -> Self {
        let message = "An unknown error occurred (the local Stripe was told to fail).";
        Self::new(500, "api_error", message)
    }

    /// An error of OAuth: its own shape.
    pub(in crate::fake_stripe) fn oauth(status: u16, error: &str, description: impl Into<String>) -> Self {
        let fields = [("error", error.to_owned()), ("error_description", description.into())];
        Self {
            status,
            error: fields.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect(),
            is_saved: false,
            should_retry: None,
            is_plain: true,
        }
    }

    /// With Stripe's code and the page that explains it.
    pub(in crate::fake_stripe) fn code(mut self, code: &str) -> Self {
        let page = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        self.error.insert("code".to_owned(), json!(code));
        self.error.insert("doc_url".to_owned(), json!(page));
        self
    }

    /// With the parameter that it is about.
    pub(in crate::fake_stripe) fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    /// With one more field.
    pub(in crate::fake_stripe) fn with(mut self, field: &str, value: Value) -> Self {
        self.error.insert(field.to_owned(), value);
        self
    }

    /// The body of the answer.
    pub(in crate::fake_stripe) fn body(&self, request_id: &str) -> Value {
        let mut error = self.error.clone();
        if self.is_plain {
            return Value::Object(error);
        }
        error.insert(
            "request_log_url".to_owned(),
            json!(format!("https://dashboard.stripe.com/test/logs/{request_id}")),
        );
        json!({ "error": error })
    }
}
