//! How commands print: tables for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// A table with these columns, as wide as the terminal.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns);
    table
}

/// `2026-01-31 12:00:00`, in UTC.
pub(super) fn time(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    at.format(format).unwrap_or_else(|_| at.to_string())
}

/// Prints a result. A reader that has seen enough and went away, such as `head`, is no error.
pub(super) fn print(result: impl Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{result}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    print(serde_json::to_string_pretty(value)?)
}

/// How long something has been, roughly: `3days 4h`, `12m 5s`.
pub(super) fn age(seconds: f64) -> String {
    let whole = Duration::from_secs(Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs());
    let text = humantime::format_duration(whole).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
