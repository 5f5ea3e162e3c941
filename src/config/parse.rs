//! Texts of settings into values, with errors that name the setting and never show a secret.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{LabelledSecret, LogFormat, Secret};

pub(super) fn value<T: FromStr>(setting: &str, text: &str, wanted: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{setting}: {text:?} is not {wanted}"))
}

/// Each keeps a connection of the workers' pool.
const MOST_COMMITTERS: usize = 8;

pub(super) fn committers(setting: &str, text: &str) -> Result<usize, String> {
    let wanted = format!("a number from 1 to {MOST_COMMITTERS}");
    let number = value(setting, text, &wanted)?;
    match number {
        1..=MOST_COMMITTERS => Ok(number),
        _ => Err(format!("{setting}: {number} is not {wanted}")),
    }
}

pub(super) fn duration(setting: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(|_| {
        format!("{setting}: {text:?} is not a time: give a number with its unit, such as 10s, 500ms or 2m")
    })
}

/// The least time that anything is kept: Stripe sends an event again for three days, but its row, not its payload, tells
/// that it is known; merchants repeat requests within minutes.
const LEAST_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// How long something is kept; `None` is for ever.
pub(super) fn retention(setting: &str, text: &str) -> Result<Option<Duration>, String> {
    if text.trim() == "never" {
        return Ok(None);
    }
    match duration(setting, text)? {
        kept if kept >= LEAST_RETENTION => Ok(Some(kept)),
        _ => Err(format!(
            "{setting}: {text:?} is too short: give 1d or more, such as 90d, or never to keep all"
        )),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("PACKLINE_LOG_FORMAT: {other:?} is no format: give pretty or json")),
    }
}

pub(super) fn http_url(setting: &str, text: &str) -> Result<reqwest::Url, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        // It may hold a password.
        _ => Err(format!("{setting} is not an http or https URL")),
    }
}

/// Origins as browsers send them, with commas.
pub(super) fn origins(setting: &str, list: &str) -> Result<Vec<String>, String> {
    let origin = |text: &str| match reqwest::Url::parse(text) {
        Ok(url) if url.origin().ascii_serialization() == text => Ok(text.to_owned()),
        _ => Err(format!(
            "{setting}: {text:?} is no origin: give scheme, host and port as in https://www.your.shop, without a path"
        )),
    };
    list.split(',').map(str::trim).filter(|text| !text.is_empty()).map(origin).collect()
}

/// `whsec_…`, or a list of them with commas, each with a `label=` if wanted. Refused: none, an empty one (anybody
/// can sign with an empty key), one with white space (a line end that came along from a file), another kind of key.
pub(super) fn endpoint_secrets(setting: &str, list: &str) -> Result<Vec<LabelledSecret>, String> {
    if list.trim().is_empty() {
        return Err(format!(
            "{setting} is empty: anybody could sign with an empty secret; give the whsec_… of the endpoint"
        ));
    }
    let mut secrets: Vec<LabelledSecret> = Vec::new();
    for (position, entry) in (1..).zip(list.split(',')) {
        let (label, secret) = match entry.split_once('=') {
            Some((label, secret)) if secret.starts_with("whsec_") && !label.is_empty() => {
                (label.to_owned(), secret)
            }
            _ => (format!("secret_{position}"), entry),
        };
        let fault = if entry.is_empty() {
            "is empty: remove the comma, or give the whsec_… of the endpoint"
        } else if entry.chars().any(char::is_whitespace) {
            "has a space or line end in it: give it without"
        } else if !secret.starts_with("whsec_") || secret.len() == "whsec_".len() {
            "is not an endpoint secret: those begin with whsec_ (an API key sk_…, or the endpoint's id we_…, is not one)"
        } else if secrets.iter().any(|known| known.label == label) {
            "has the label of another"
        } else {
            secrets.push(LabelledSecret { label, secret: Secret::new(secret) });
            continue;
        };
        return Err(format!("{setting}: secret {position} {fault}"));
    }
    Ok(secrets)
}

/// `whsec_` and the base64 of 24 to 64 bytes, as the Standard Webhooks specification has it.
pub(super) fn signing_secret(setting: &str, text: &str) -> Result<Secret, String> {
    let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
    match key {
        Ok(key) if (24..=64).contains(&key.len()) => Ok(Secret::new(text)),
        _ => Err(format!(
            "{setting} is not whsec_ and the base64 of 24 to 64 random bytes; make one with: \
             echo \"whsec_$(openssl rand -base64 32)\""
        )),
    }
}
