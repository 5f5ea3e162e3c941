//! What a merchant's back end asks of a payment when it places an order: the fields `payment` and `destination`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::payment::{Capture, Mode};
use crate::api::FieldError;
use crate::money::Commission;

/// Stripe takes at most twelve digits in any currency.
const MOST_MONEY: i64 = 999_999_999_999;

/// The field `payment` of `POST /v1/orders`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentRequest {
    /// `client`: the browser confirms. `server`: `POST /pay` does. `checkout`: a page of Stripe's takes the payment.
    pub mode: Mode,
    /// When the money moves.
    #[serde(default = "automatic")]
    #[schema(required = false)]
    pub capture: Capture,
    /// Whether the payment method is to be kept for later charges.
    #[serde(default)]
    pub save_for_later: bool,
    /// `cus_…`, of a customer who was here before.
    #[serde(default)]
    #[schema(pattern = "^cus_[A-Za-z0-9_-]{1,200}$")]
    pub customer: Option<String>,
    /// `pm_…` of that customer, to be charged at once with `off_session`.
    #[serde(default)]
    #[schema(pattern = "^(pm|card|src)_[A-Za-z0-9_-]{1,200}$")]
    pub payment_method: Option<String>,
    /// Charge at once, without the customer.
    #[serde(default)]
    pub off_session: bool,
    /// Where Stripe sends its receipt.
    #[serde(default)]
    #[schema(pattern = "@", max_length = 320)]
    pub receipt_email: Option<String>,
    /// What stands behind the merchant's name on the customer's bank statement; at most 22 characters.
    #[serde(default)]
    #[schema(max_length = 22)]
    pub statement_descriptor_suffix: Option<String>,
    /// With `checkout`: where Stripe's page leads after the payment; `{CHECKOUT_SESSION_ID}` in it becomes the session's
    /// id. That somebody comes there proves no payment.
    #[serde(default)]
    #[schema(pattern = "^https?://", max_length = 2000, example = "https://shop.example/thanks")]
    pub success_url: Option<String>,
    /// With `checkout`: where Stripe's page leads whoever does not want to pay.
    #[serde(default)]
    #[schema(pattern = "^https?://", max_length = 2000)]
    pub cancel_url: Option<String>,
    /// With `checkout`: for how many seconds the page can be paid on; 24 hours if absent. Stripe takes from 30 minutes to
    /// 24 hours; a minute at each end is left for clocks that differ.
    #[serde(default)]
    #[schema(minimum = 1860, maximum = 86340)]
    pub expires_in: Option<i32>,
}

/// The field `destination` of `POST /v1/orders`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationRequest {
    /// `acct_…`, or our id of it.
    #[schema(example = "acct_1")]
    pub account: String,
    /// What the platform keeps; without it what was agreed with the account.
    #[serde(default)]
    pub commission: Option<Commission>,
    /// Whether the account is the business that the customer sees and whose country's rules apply.
    #[serde(default)]
    pub on_behalf_of: bool,
}

fn automatic() -> Capture {
    Capture::Automatic
}

/// Reads and checks both; all faults at once.
pub(super) fn read(
    payment: &Value,
    destination: Option<&Value>,
) -> Result<(PaymentRequest, Option<DestinationRequest>), Vec<FieldError>> {
    let mut faults = Vec::new();
    let payment: Option<PaymentRequest> = read_one("payment", payment, &mut faults);
    let destination: Option<DestinationRequest> =
        destination.and_then(|destination| read_one("destination", destination, &mut faults));
    if let Some(payment) = &payment {
        faults.extend(payment.faults());
    }
    if let Some(destination) = &destination {
        faults.extend(destination.faults());
    }
    match payment {
        Some(payment) if faults.is_empty() => Ok((payment, destination)),
        _ => Err(faults),
    }
}

fn read_one<T: DeserializeOwned>(field: &str, value: &Value, faults: &mut Vec<FieldError>) -> Option<T> {
    let read = serde_path_to_error::deserialize(value);
    read.map_err(|error: serde_path_to_error::Error<serde_json::Error>| {
        let path = error.path().to_string();
        let path = if path == "." { field.to_owned() } else { format!("{field}.{path}") };
        faults.push(FieldError::new(path, error.into_inner().to_string()));
    })
    .ok()
}

impl PaymentRequest {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut add = |field: &str, message: &str| {
            faults.push(FieldError::new(format!("payment.{field}"), message));
        };
        if self.customer.as_deref().is_some_and(|id| !is_stripe_id(id, "cus_")) {
            add("customer", "give an id of Stripe's that begins with cus_");
        }
        if self.payment_method.as_deref().is_some_and(|id| !is_payment_method(id)) {
            add("payment_method", "give an id of Stripe's that begins with pm_, card_ or src_");
        }
        if self.off_session && self.mode != Mode::Server {
            add("off_session", "give mode server: no browser is there to confirm");
        }
        self.checkout_faults(&mut add);
        if self.off_session && self.customer.is_none() {
            add("customer", "give the customer whose saved payment method is to be charged");
        }
        if self.off_session != self.payment_method.is_some() {
            add("payment_method", "goes with off_session: true, and with nothing else");
        }
        if self.receipt_email.as_deref().is_some_and(|email| {
            !email.contains('@') || email.chars().count() > 320 || email.contains(char::is_control)
        }) {
            add("receipt_email", "give an e-mail address");
        }
        if self.statement_descriptor_suffix.as_deref().is_some_and(|text| !is_statement_text(text)) {
            add(
                "statement_descriptor_suffix",
                "give 1 to 22 letters, digits or spaces with at least one letter, none of < > \\ ' \" *",
            );
        }
        faults
    }
}

impl PaymentRequest {
    fn checkout_faults(&self, add: &mut impl FnMut(&str, &str)) {
        let urls = [("success_url", self.success_url.as_deref()), ("cancel_url", self.cancel_url.as_deref())];
        if self.mode != Mode::Checkout {
            let given = urls.into_iter().filter(|(_, url)| url.is_some()).map(|(name, _)| name);
            for name in given.chain(self.expires_in.map(|_| "expires_in")) {
                add(name, "goes with mode checkout only");
            }
            return;
        }
        if self.success_url.is_none() {
            add("success_url", "give the address to which Stripe's page leads after the payment");
        }
        for (name, url) in urls {
            if url.is_some_and(|url| !is_way_back(url)) {
                add(name, "give an address of at most 2000 characters that begins with https:// or http://");
            }
        }
        if self.expires_in.is_some_and(|seconds| !EXPIRES_IN.contains(&seconds)) {
            add(
                "expires_in",
                "give seconds from 1860 to 86340: half an hour to a day, less a minute at each end",
            );
        }
    }
}

/// What Stripe takes, 30 minutes to 24 hours, with a minute at each end for clocks that differ.
const EXPIRES_IN: std::ops::RangeInclusive<i32> = 1860..=86_340;

/// Whether a browser can be sent there. What stands in braces is filled in by Stripe.
fn is_way_back(url: &str) -> bool {
    let plain = url.replace("{CHECKOUT_SESSION_ID}", "cs");
    let parsed = reqwest::Url::parse(&plain).ok().filter(|url| url.has_host());
    url.len() <= 2000
        && !url.contains(|c: char| c.is_control() || c.is_whitespace())
        && parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https"))
}

impl DestinationRequest {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut add = |field: &str, message: &str| {
            faults.push(FieldError::new(format!("destination.{field}"), message));
        };
        if !is_stripe_id(&self.account, "acct_") && uuid::Uuid::parse_str(&self.account).is_err() {
            add("account", "give the id of a connected account: Stripe's, acct_…, or ours");
        }
        if let Some(commission) = self.commission {
            if !(0..=MOST_MONEY).contains(&commission.fixed) {
                add("commission.fixed", "give minor units, 0 or more");
            }
            if commission.basis_points > Commission::MOST_BASIS_POINTS {
                add("commission.basis_points", "give hundredths of a percent from 0 to 10000");
            }
        }
        faults
    }
}

/// Whether a text can be an id of Stripe's.
pub(super) fn is_stripe_id(id: &str, prefix: &str) -> bool {
    id.len() > prefix.len()
        && id.len() <= 255
        && id.starts_with(prefix)
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whether a text can be the id of something to pay with.
pub(super) fn is_payment_method(id: &str) -> bool {
    ["pm_", "card_", "src_"].iter().any(|prefix| is_stripe_id(id, prefix))
}

fn is_statement_text(text: &str) -> bool {
    (1..=22).contains(&text.chars().count())
        && text.chars().any(char::is_alphabetic)
        && text.chars().all(|c| (' '..='~').contains(&c) && !"<>\\'\"*".contains(c))
}
