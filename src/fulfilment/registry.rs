//! Who carries orders out, as people set it: providers, the rules that choose between them, and what the digital
//! provider issues. Workers read all of it anew; nothing needs a restart.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;
use reqwest::Url;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::by_hand::{ByHandError, Decision};
use super::pauses::no_provider;
use super::store;
use crate::config::Secret;

/// How a new provider is reached.
#[derive(Clone, Debug)]
pub enum NewKind {
    /// A warehouse behind a URL.
    Http(Url),
    /// Writes a log line.
    Log,
    /// Issues links and licence codes.
    Digital,
}

impl NewKind {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Log => "log",
            Self::Digital => "digital",
        }
    }
}

/// A provider's bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// How long one request may take; none is `FULFILMENT_TIMEOUT`.
    pub timeout: Option<Duration>,
    /// How many attempts may be under way at once, over all workers.
    pub concurrency: Option<i32>,
    /// How many attempts may begin a second, over all workers.
    pub rate_per_second: Option<f64>,
}

/// What is to change of a provider; none leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct ProviderChange {
    /// Where it is, for `http`.
    pub url: Option<Url>,
    /// A time, or `Some(None)` for that of the settings.
    pub timeout: Option<Option<Duration>>,
    /// A bound, or `Some(None)` for none.
    pub concurrency: Option<Option<i32>>,
    /// A bound, or `Some(None)` for none.
    pub rate_per_second: Option<Option<f64>>,
    /// A new secret in place of the present one, which counts no more.
    pub new_secret: bool,
}

/// A condition on lines of orders, and the provider that carries out those that meet it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rule {
    /// Rules are tried by this, lowest first.
    pub position: i32,
    /// A sku, in which `*` stands for any characters.
    pub sku: Option<String>,
    /// Two-letter ISO code of the address.
    pub country: Option<String>,
    /// `acct_…` that sells or gets the money.
    pub account: Option<String>,
    /// Who carries it out.
    pub provider: String,
    /// 0 before 1 before 2.
    pub priority: i16,
}

/// What the digital provider issues for a sku.
#[derive(Clone, Debug, Serialize)]
pub struct DigitalGood {
    /// As order lines have it.
    pub sku: String,
    /// `link` or `licence`.
    pub kind: String,
    /// Where the file is, for links.
    pub url: Option<String>,
    /// How long a link works, in seconds; none is for ever.
    pub valid_seconds: Option<i64>,
}

/// Adds a provider; returns its new secret where its kind has one. It is known only now.
///
/// # Errors
/// The name is taken or unusable; the database's.
pub async fn add_provider(
    conn: &mut PgConnection,
    name: &str,
    kind: &NewKind,
    limits: Limits,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<Option<Secret>, ByHandError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if !(1..=40).contains(&name.len()) || !name.bytes().all(fits) || name.starts_with(['-', '_']) {
        return ByHandError::refused(format!(
            "{name:?} is no name for a provider: use up to 40 of a-z, 0-9, - and _, and begin with a letter or digit"
        ));
    }
    let secret = (!matches!(kind, NewKind::Log)).then(new_secret);
    if !store::insert_provider(conn, name, kind, secret.as_ref(), limits, now).await? {
        return ByHandError::refused(format!(
            "there is a provider {name:?} already; `packline providers set` changes it"
        ));
    }
    let details = json!({
        "kind": kind.as_str(),
        "url": if let NewKind::Http(url) = kind { Some(url.origin().ascii_serialization()) } else { None },
        "timeout_seconds": limits.timeout.map(|timeout| timeout.as_secs_f64()),
        "concurrency": limits.concurrency,
        "rate_per_second": limits.rate_per_second,
    });
    store::insert_audit(conn, decision, "providers.add", &[name.to_owned()], &details, now).await?;
    store::notify(conn).await?;
    Ok(secret)
}

/// Changes a provider; returns its new secret where one was asked for.
///
/// # Errors
/// There is no such provider, or its kind has no such thing; the database's.
pub async fn set_provider(
    conn: &mut PgConnection,
    name: &str,
    change: &ProviderChange,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<Option<Secret>, ByHandError> {
    let Some(kind) = store::lock_provider(conn, name).await? else {
        return ByHandError::refused(no_provider(name));
    };
    if change.url.is_some() && kind != "http" {
        return ByHandError::refused(match kind.as_str() {
            "settings" => {
                "the provider \"default\" is where FULFILMENT_URL says; change that setting".to_owned()
            }
            kind => format!("the provider {name:?} is of kind {kind} and has no URL"),
        });
    }
    if change.new_secret && !["http", "digital"].contains(&kind.as_str()) {
        return ByHandError::refused(match kind.as_str() {
            "settings" => "the secret of \"default\" is FULFILMENT_SECRET; change that setting".to_owned(),
            kind => format!("the provider {name:?} is of kind {kind} and has no secret"),
        });
    }
    let secret = change.new_secret.then(new_secret);
    store::update_provider(conn, name, change, secret.as_ref(), now).await?;
    let details = json!({
        "url": change.url.as_ref().map(|url| url.origin().ascii_serialization()),
        "timeout_seconds": change.timeout.map(|timeout| timeout.map(|timeout| timeout.as_secs_f64())),
        "concurrency": change.concurrency,
        "rate_per_second": change.rate_per_second,
        "new_secret": change.new_secret,
    });
    store::insert_audit(conn, decision, "providers.set", &[name.to_owned()], &details, now).await?;
    store::notify(conn).await?;
    Ok(secret)
}

/// Adds a rule; at the end where it has no position (0). Returns its position.
///
/// # Errors
/// Another rule has the position, or there is no such provider; the database's.
pub async fn add_rule(
    conn: &mut PgConnection,
    rule: &Rule,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<i32, ByHandError> {
    if !store::is_provider(conn, &rule.provider).await? {
        return ByHandError::refused(no_provider(&rule.provider));
    }
    let Some(position) = store::insert_rule(conn, rule, now).await? else {
        return ByHandError::refused(format!(
            "there is a rule at {} already; remove it first, or choose another position",
            rule.position
        ));
    };
    let subject = format!("rule {position}");
    store::insert_audit(conn, decision, "rules.add", &[subject], &json!(rule), now).await?;
    Ok(position)
}

/// Removes a rule. What was queued by it stays where it is.
///
/// # Errors
/// There is none at this position; the database's.
pub async fn remove_rule(
    conn: &mut PgConnection,
    position: i32,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(), ByHandError> {
    let Some(rule) = store::delete_rule(conn, position).await? else {
        return ByHandError::refused(format!("there is no rule at {position}"));
    };
    let subject = format!("rule {position}");
    store::insert_audit(conn, decision, "rules.remove", &[subject], &json!(rule), now).await?;
    Ok(())
}

/// Says what is issued for a sku from now on.
///
/// # Errors
/// The database's.
pub async fn put_good(
    conn: &mut PgConnection,
    good: &DigitalGood,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(), ByHandError> {
    store::upsert_good(conn, good, now).await?;
    let details = json!({ "kind": good.kind, "valid_seconds": good.valid_seconds });
    store::insert_audit(conn, decision, "goods.add", std::slice::from_ref(&good.sku), &details, now).await?;
    Ok(())
}

/// Issues nothing more for a sku; what was issued stays good.
///
/// # Errors
/// Nothing was issued for it; the database's.
pub async fn remove_good(
    conn: &mut PgConnection,
    sku: &str,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(), ByHandError> {
    if !store::delete_good(conn, sku).await? {
        return ByHandError::refused(format!("there is no digital good {sku:?}"));
    }
    store::insert_audit(conn, decision, "goods.remove", &[sku.to_owned()], &json!({}), now).await?;
    Ok(())
}

/// As the Standard Webhooks specification has it.
fn new_secret() -> Secret {
    let key: [u8; 32] = rand::rng().random();
    Secret::new(format!("whsec_{}", STANDARD.encode(key)))
}
