//! The client of Stripe's API: how a call is made, whatever it is about. The calls themselves stand in `calls.rs`.
//!
//! Guarantees: every request names the pinned version of the API; every attempt of a call carries the same idempotency
//! key, which the caller has stored before; redirects are never followed; the time and the size of an answer are
//! bounded; at most so many requests a second leave, first come, first served. What may have been done is never
//! reported as not done: see [`CallError`].
//!
//! A call that is dropped before it ends has an unknown outcome too, as if the process had stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leaky_bucket::RateLimiter;
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use serde::de::DeserializeOwned;

use super::error::{CallError, NotDone, NotDoneCause, Unknown};
use crate::config::{Secret, StripeConfig};
use crate::http_client;

mod answer;
mod file;
mod retry;

use answer::{Answer, Lost};
use retry::Meaning;

pub use file::{Chunks, FileStream};

/// The version of the API that every call names; answers come in its shape.
pub const API_VERSION: &str = "2026-08-26.dahlia";

/// Stripe takes idempotency keys of at most so many characters.
const LONGEST_KEY: usize = 255;

/// How long calls wait and how often they are tried.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect_timeout: Duration,
    /// For one attempt as a whole, connection and body included.
    pub timeout: Duration,
    /// Attempts of one call.
    pub attempts: u32,
    /// After the first attempt; doubles with each.
    pub first_delay: Duration,
    /// Between attempts at most.
    pub longest_delay: Duration,
    /// For our own limit of calls a second at most.
    pub longest_queue: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            attempts: 3,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(5),
            longest_queue: Duration::from_secs(10),
        }
    }
}

/// Who makes a POST, and under which key.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// 1 to 255 visible ASCII characters, stored by the caller before the call: the same for the same work, another
    /// for other work. Stripe keeps it for a day.
    pub idempotency_key: &'a str,
    /// `acct_…` to act as a connected account.
    pub account: Option<&'a str>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum CannotCall {
    /// The HTTP client does not start.
    #[error("the HTTP client for Stripe cannot be made; are the machine's CA certificates installed?")]
    Http(#[source] reqwest::Error),
    /// The key cannot stand in a header.
    #[error("STRIPE_SECRET_KEY has characters that no key has")]
    Key,
}

/// Calls Stripe. Clones share connections and the limit of calls a second.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    authorization: HeaderValue,
    api_base: Url,
    connect_base: Url,
    files_base: Url,
    connect_client_id: Option<String>,
    limiter: RateLimiter,
    patience: Patience,
}

/// One request, the same in each attempt.
pub(super) struct Request<'a> {
    pub method: Method,
    pub base: Base,
    /// The path with `{}` for the id, or whole: what is logged.
    pub path: &'a str,
    /// What stands for `{}`.
    pub id: Option<&'a str>,
    /// The body of a POST or the query of a GET.
    pub form: String,
    pub account: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    /// Whether it may be sent again after it may have been done.
    pub is_repeatable: bool,
    /// What `object` of the answer says; none where answers have none.
    pub object: Option<&'static str>,
}

/// Where a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Api,
    Connect,
    Files,
}

impl Client {
    /// A client with the usual patience, but for what the configuration says.
    ///
    /// # Errors
    /// See [`CannotCall`].
    pub fn new(config: &StripeConfig) -> Result<Self, CannotCall> {
        let patience =
            Patience { timeout: config.timeout, first_delay: config.retry_base, ..Patience::default() };
        Self::with_patience(config, patience)
    }

    /// A client with a patience of its own, for tests.
    ///
    /// # Errors
    /// See [`CannotCall`].
    pub fn with_patience(config: &StripeConfig, patience: Patience) -> Result<Self, CannotCall> {
        let http = http_client::builder()
            .connect_timeout(patience.connect_timeout)
            .timeout(patience.timeout)
            .build()
            .map_err(CannotCall::Http)?;
        Ok(Self(Arc::new(Inner {
            http,
            authorization: bearer(&config.secret_key)?,
            api_base: config.api_base.clone(),
            connect_base: config.connect_base.clone(),
            files_base: config.files_base.clone(),
            connect_client_id: config.connect_client_id.clone(),
            limiter: limiter(config.calls_per_second),
            patience,
        })))
    }

    pub(super) fn connect_client_id(&self) -> Option<&str> {
        self.0.connect_client_id.as_deref()
    }

    /// Makes a call: as many attempts as its setbacks are worth.
    pub(super) async fn send<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, CallError> {
        let prepared = self.prepare(request)?;
        let patience = &self.0.patience;
        let mut unknown: Option<Unknown> = None;
        let mut attempt = 1;
        loop {
            if !self.is_let_through().await {
                return Err(unknown.map_or_else(|| our_limit(attempt - 1), CallError::Unknown));
            }
            let Some(attempted) = prepared.try_clone() else {
                return Err(unsendable("the request cannot be sent twice".to_owned()));
            };
            let started = Instant::now();
            let answer = answer::receive(attempted.send().await).await;
            log(request, attempt, started.elapsed(), &answer);
            let answer = match answer::read::<T>(answer, request.object) {
                Ok(object) => return Ok(object),
                Err(answer) => answer,
            };

            let setback = answer.setback();
            let is_last = attempt >= patience.attempts || !setback.is_retried(request.is_repeatable);
            let meaning = if unknown.is_some() { setback.meaning_after_unknown() } else { setback.meaning() };
            match meaning {
                Meaning::Unknown if setback.meaning() == Meaning::Unknown => {
                    unknown = Some(answer.into_unknown(attempt));
                }
                // What an earlier attempt may have done, this one did not settle.
                Meaning::Unknown => {
                    unknown = unknown.map(|unknown| Unknown { attempts: attempt, ..unknown });
                }
                Meaning::Refused if is_last => return Err(answer.into_refused()),
                Meaning::NotDone if is_last => return Err(answer.into_not_done(attempt)),
                Meaning::Refused | Meaning::NotDone => {}
            }
            if let Some(unknown) = unknown.take_if(|_| is_last) {
                return Err(CallError::Unknown(unknown));
            }
            tokio::time::sleep(retry::delay(patience, attempt, rand::random())).await;
            attempt += 1;
        }
    }

    /// Waits for our own limit of calls; false where that takes too long.
    async fn is_let_through(&self) -> bool {
        tokio::time::timeout(self.0.patience.longest_queue, self.0.limiter.acquire_one()).await.is_ok()
    }

    fn prepare(&self, request: &Request<'_>) -> Result<RequestBuilder, CallError> {
        let inner = &*self.0;
        let base = match request.base {
            Base::Api => &inner.api_base,
            Base::Connect => &inner.connect_base,
            Base::Files => &inner.files_base,
        };
        let mut url = address(base, request.path, request.id)?;
        let in_query = request.method == Method::GET || request.method == Method::DELETE;
        if in_query && !request.form.is_empty() {
            url.set_query(Some(&request.form));
        }
        let mut prepared = inner
            .http
            .request(request.method.clone(), url)
            .header(header::AUTHORIZATION, inner.authorization.clone())
            .header(header::ACCEPT, if request.base == Base::Files { "*/*" } else { "application/json" })
            .header("stripe-version", API_VERSION);
        if let Some(key) = request.idempotency_key {
            if key.is_empty() || key.len() > LONGEST_KEY {
                return Err(unsendable(format!(
                    "an idempotency key has 1 to {LONGEST_KEY} characters: {key:?}"
                )));
            }
            prepared = prepared.header("idempotency-key", header_value("idempotency key", key)?);
        }
        if let Some(account) = request.account {
            prepared =
                prepared.header(HeaderName::from_static("stripe-account"), header_value("account", account)?);
        }
        if !in_query {
            prepared = prepared
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(request.form.clone());
        }
        Ok(prepared)
    }
}

/// At most `calls_per_second` in any second: a quarter of it at once, the rest evenly.
fn limiter(calls_per_second: u32) -> RateLimiter {
    let at_once = (calls_per_second / 4).max(1);
    let steadily = (calls_per_second - at_once.min(calls_per_second)).max(1);
    let burst = usize::try_from(at_once).unwrap_or(usize::MAX);
    RateLimiter::builder()
        .max(burst)
        .initial(burst)
        .refill(1)
        .interval(Duration::from_secs(1) / steadily)
        .fair(true)
        .build()
}

fn bearer(key: &Secret) -> Result<HeaderValue, CannotCall> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| CannotCall::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

fn address(base: &Url, path: &str, id: Option<&str>) -> Result<Url, CallError> {
    let id = id.unwrap_or_default();
    let path = path.trim_start_matches('/');
    let segments = || path.split('/').map(|segment| if segment == "{}" { id } else { segment });
    // Also of a whole path: an id in it must not lead elsewhere.
    if let Some(strange) = segments().find(|segment| !is_segment(segment)) {
        return Err(unsendable(format!("{strange:?} is no id of Stripe's")));
    }
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| unsendable("the address of Stripe is not an http or https URL".to_owned()))?
        .pop_if_empty()
        .extend(segments());
    Ok(url)
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn header_value(name: &str, text: &str) -> Result<HeaderValue, CallError> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| is_visible)
        .ok_or_else(|| unsendable(format!("the {name} {text:?} cannot stand in a header")))
}

pub(super) fn unsendable(why: String) -> CallError {
    CallError::NotDone(NotDone { cause: NotDoneCause::Unsendable, why, request_id: None, attempts: 0 })
}

fn our_limit(attempts: u32) -> CallError {
    let why = "more calls are waiting than STRIPE_RATE_LIMIT lets through; try again later".to_owned();
    CallError::NotDone(NotDone { cause: NotDoneCause::OurLimit, why, request_id: None, attempts })
}

/// A line for each attempt. Never bodies, which hold client secrets and people's data.
fn log(request: &Request<'_>, attempt: u32, took: Duration, answer: &Result<Answer, Lost>) {
    let (method, path, account) = (request.method.as_str(), request.path, request.account);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(answer) => {
            let (status, request_id) = (answer.status, answer.request_id.as_deref());
            // A decline is an answer like another.
            if status < 400 || status == 402 {
                tracing::info!(
                    stripe.request.id = request_id,
                    stripe.account = account,
                    http.method = method,
                    http.path = path,
                    http.status = status,
                    attempt,
                    took_ms,
                    "Stripe answered",
                );
            } else {
                tracing::warn!(
                    stripe.request.id = request_id,
                    stripe.account = account,
                    http.method = method,
                    http.path = path,
                    http.status = status,
                    attempt,
                    took_ms,
                    "Stripe answered with an error",
                );
            }
        }
        Err(lost) => tracing::warn!(
            stripe.request.id = lost.request_id(),
            stripe.account = account,
            http.method = method,
            http.path = path,
            attempt,
            took_ms,
            reason = lost.why(),
            "Stripe did not answer",
        ),
    }
}
