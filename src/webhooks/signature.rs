//! Proves that a request came from Stripe: the `Stripe-Signature` header, verified over the raw bytes.
//!
//! `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…][,v0=<hex>]`; the signed bytes are `t` as sent, a dot and
//! the body; the key is the whole endpoint secret, `whsec_` included. While a secret is being rolled Stripe sends one
//! `v1` for each active secret, so one match of any `v1` with any of our secrets is enough. Every other scheme is
//! ignored: `v0` rides along on test events and proves nothing.
//!
//! The signature is checked before the age, so that a forger learns nothing from the answer, and in constant time.
//! Source: Stripe, "Resolve webhook signature verification errors", and the official libraries.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far `t` may lie from our clock, in seconds, either way. Stripe signs each attempt afresh.
pub const TOLERANCE_SECONDS: i64 = 300;

/// More `v1` items than Stripe can send: it has at most a handful of active secrets. Bounds what a forger can cost.
const MOST_CANDIDATES: usize = 16;

type HmacSha256 = Hmac<Sha256>;

/// One signing secret of an endpoint, keyed once. Its text cannot be read back.
#[derive(Clone)]
pub struct EndpointSecret {
    label: String,
    keyed: HmacSha256,
}

impl EndpointSecret {
    /// A secret under the label by which the ledger names it. The secret is used as it is, `whsec_` included.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn new(label: impl Into<String>, secret: &str) -> Self {
        let keyed = HmacSha256::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        Self { label: label.into(), keyed }
    }

    /// The name of the secret; never the secret.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The header that Stripe would send for a body at a time: for the demo, the local Stripe and tests.
    pub fn sign(&self, timestamp: i64, body: &[u8]) -> String {
        let signature = self.mac(timestamp.to_string().as_bytes(), body).finalize().into_bytes();
        format!("t={timestamp},v1={}", hex::encode(signature))
    }

    fn mac(&self, timestamp: &[u8], body: &[u8]) -> HmacSha256 {
        let mut mac = self.keyed.clone();
        mac.update(timestamp);
        mac.update(b".");
        mac.update(body);
        mac
    }
}

impl std::fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EndpointSecret({})", self.label)
    }
}

/// Why a request is not taken for Stripe's. The texts tell an honest sender what to mend and a forger nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The header is absent or empty.
    #[error("the Stripe-Signature header is missing: only Stripe's signed requests are taken here")]
    MissingHeader,
    /// The header came more than once.
    #[error("the Stripe-Signature header came more than once")]
    SeveralHeaders,
    /// The header is not `t=…,v1=…`, or `t` is not one whole number.
    #[error("the Stripe-Signature header is not of the form t=<unix seconds>,v1=<hex>")]
    MalformedHeader,
    /// There is no `v1` to compare.
    #[error("the Stripe-Signature header has no v1 signature")]
    NoV1,
    /// No `v1` matches.
    #[error(
        "no signature matches: check that the endpoint secret is the one that Stripe shows for this endpoint, and \
         that nothing on the way changes the body"
    )]
    NoMatch,
    /// The signature is right but too far from our time.
    #[error(
        "the signature's timestamp is more than {TOLERANCE_SECONDS} seconds away from this machine's time"
    )]
    OutsideTolerance,
}

impl Rejected {
    /// A stable name for metrics and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::SeveralHeaders => "several_headers",
            Self::MalformedHeader => "malformed_header",
            Self::NoV1 => "no_v1",
            Self::NoMatch => "no_match",
            Self::OutsideTolerance => "outside_tolerance",
        }
    }
}

/// Finds the secret that signed `body`.
///
/// `header` is the value of `Stripe-Signature`, `now` our time in Unix seconds. Returns the label of the secret.
///
/// # Errors
/// The request is not provably Stripe's; see [`Rejected`].
pub fn verify<'s>(
    secrets: &'s [EndpointSecret],
    header: &str,
    body: &[u8],
    now: i64,
) -> Result<&'s str, Rejected> {
    let header = Header::parse(header)?;

    let label = secrets
        .iter()
        .find(|secret| {
            let mac = secret.mac(header.timestamp_as_sent.as_bytes(), body);
            header.v1.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok())
        })
        .map(EndpointSecret::label)
        .ok_or(Rejected::NoMatch)?;

    if now.abs_diff(header.timestamp) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(Rejected::OutsideTolerance);
    }
    Ok(label)
}

struct Header<'h> {
    timestamp: i64,
    timestamp_as_sent: &'h str,
    v1: Vec<[u8; 32]>,
}

impl<'h> Header<'h> {
    /// Reads the items. An item of another scheme and a `v1` that is no SHA-256 in lower-case hex are passed over, as
    /// the official libraries do; two different `t` are refused, since only one of them can have been signed.
    fn parse(header: &'h str) -> Result<Self, Rejected> {
        if header.trim().is_empty() {
            return Err(Rejected::MissingHeader);
        }

        let mut timestamp_as_sent = None;
        let mut v1 = Vec::with_capacity(2);
        let mut v1_seen = false;
        for item in header.split(',') {
            let (scheme, value) = item.trim().split_once('=').ok_or(Rejected::MalformedHeader)?;
            match scheme {
                "t" if timestamp_as_sent.is_some_and(|first| first != value) => {
                    return Err(Rejected::MalformedHeader);
                }
                "t" => timestamp_as_sent = Some(value),
                "v1" => {
                    v1_seen = true;
                    if v1.len() < MOST_CANDIDATES {
                        v1.extend(decode(value));
                    }
                }
                _ => {}
            }
        }

        let timestamp_as_sent = timestamp_as_sent.ok_or(Rejected::MalformedHeader)?;
        if !timestamp_as_sent.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Rejected::MalformedHeader);
        }
        let timestamp = timestamp_as_sent.parse().map_err(|_| Rejected::MalformedHeader)?;
        match (v1_seen, v1.is_empty()) {
            (false, _) => Err(Rejected::NoV1),
            (true, true) => Err(Rejected::NoMatch),
            (true, false) => Ok(Self { timestamp, timestamp_as_sent, v1 }),
        }
    }
}

/// 64 digits of lower-case hex; upper case is not Stripe's.
fn decode(value: &str) -> Option<[u8; 32]> {
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(value, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
