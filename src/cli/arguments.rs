//! Arguments that several commands take.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use reqwest::Url;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fulfilment::Decision;

/// Who, and why.
#[derive(Args)]
pub(super) struct Said {
    /// Who decides; kept in the audit log
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why; kept in the audit log
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    why: String,
}

impl From<Said> for Decision {
    fn from(Said { by, why }: Said) -> Self {
        Self { by, why }
    }
}

/// Until when.
#[derive(Args)]
#[group(multiple = false)]
pub(super) struct Until {
    /// For how long, such as 2h or 3days
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Until when, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<OffsetDateTime>,
}

impl Until {
    /// The moment that was asked for, if one was.
    pub(super) fn moment(&self, now: OffsetDateTime) -> anyhow::Result<Option<OffsetDateTime>> {
        let Some(time) = self.time else { return Ok(self.until) };
        match time::Duration::try_from(time).ok().and_then(|time| now.checked_add(time)) {
            Some(moment) => Ok(Some(moment)),
            None => bail!("--for {} is longer than times go", humantime::format_duration(time)),
        }
    }
}

/// A time such as `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("give a number with its unit, such as 30s, 15m, 2h or 3days".to_owned()),
    }
}

/// A moment such as `2026-01-31T12:00:00Z`.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "give a moment with its zone, such as 2026-01-31T12:00:00Z".to_owned())
}

/// An http or https URL.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err("give an http or https URL".to_owned()),
    }
}

/// A value, or `none`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrNone<T>(pub(super) Option<T>);

/// `none`, or a value that is read and judged as told.
pub(super) fn or_none<T>(
    text: &str,
    read: impl FnOnce(&str) -> Option<T>,
    wanted: &str,
) -> Result<OrNone<T>, String> {
    match text {
        "none" => Ok(OrNone(None)),
        text => read(text).map(|value| OrNone(Some(value))).ok_or_else(|| format!("give {wanted}, or none")),
    }
}
