//! `packline providers`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use reqwest::Url;
use sqlx::{Connection, PgConnection};

use super::arguments::{OrNone, Said, Until, duration, http_url, or_none};
use super::output;
use crate::clock::Clock;
use crate::config::Secret;
use crate::fulfilment::{self, Decision, Limits, NewKind, PauseOf, ProviderChange, ProviderRow};

mod goods;
mod rules;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List providers: how each is doing, and how much waits for it
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a provider; the secret that it is given is shown this once
    Add {
        /// A short name, such as warehouse-eu
        name: String,
        /// What it is
        #[arg(long, value_enum)]
        kind: Kind,
        /// Where it is; for http
        #[arg(long, value_parser = http_url, required_if_eq("kind", "http"))]
        url: Option<Url>,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        said: Said,
    },
    /// Change a provider; what is not given stays as it is
    Set {
        /// Its name
        name: String,
        /// Where it is; for http
        #[arg(long, value_parser = http_url)]
        url: Option<Url>,
        #[command(flatten)]
        limits: LimitArgs,
        /// Give it a new secret, which is shown this once; the present one counts no more
        #[arg(long)]
        new_secret: bool,
        #[command(flatten)]
        said: Said,
    },
    /// Send nothing to a provider, or nothing with a sku, until resumed or until the time is over
    Pause {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        until: Until,
        #[command(flatten)]
        said: Said,
    },
    /// End a pause
    Resume {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        said: Said,
    },
    /// Say which provider carries out which lines
    #[command(subcommand)]
    Rules(rules::Command),
    /// Say what the digital provider issues for a sku
    #[command(subcommand)]
    Goods(goods::Command),
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// A warehouse behind a URL
    Http,
    /// Writes a log line and calls it fulfilled
    Log,
    /// Issues download links and licence codes
    Digital,
}

#[derive(Args)]
pub(super) struct LimitArgs {
    /// How long one request may take, such as 10s; none for FULFILMENT_TIMEOUT
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    timeout: Option<OrNone<Duration>>,
    /// How many attempts may be under way at once, over all workers; or none
    #[arg(long, value_name = "NUMBER", value_parser = concurrency)]
    concurrency: Option<OrNone<i32>>,
    /// How many attempts may begin a second, over all workers; or none
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<OrNone<f64>>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// The provider
    #[arg(id = "paused_provider", value_name = "PROVIDER")]
    provider: Option<String>,
    /// The sku, as order lines have it
    #[arg(id = "paused_sku", long = "sku", value_name = "SKU")]
    sku: Option<String>,
}

impl From<What> for PauseOf {
    fn from(what: What) -> Self {
        match what.sku {
            Some(sku) => Self::Sku(sku),
            None => Self::Provider(what.provider.unwrap_or_default()),
        }
    }
}

fn timeout(text: &str) -> Result<OrNone<Duration>, String> {
    // What the column holds.
    let fits = |time: &Duration| (1..=i32::MAX as u128).contains(&time.as_millis());
    or_none(text, |text| duration(text).ok().filter(fits), "a time such as 10s")
}

fn concurrency(text: &str) -> Result<OrNone<i32>, String> {
    or_none(text, |text| text.parse().ok().filter(|number| *number > 0), "a number from 1")
}

fn rate(text: &str) -> Result<OrNone<f64>, String> {
    let fits = |number: &f64| number.is_finite() && *number > 0.0;
    or_none(text, |text| text.parse().ok().filter(fits), "a number above 0")
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let now = Clock::system().now();
        match self {
            Self::List { json } => {
                let providers = fulfilment::list_providers(conn).await?;
                if json { output::json(&providers) } else { output::print(list(&providers)) }
            }
            Self::Add { name, kind, url, limits, said } => {
                let kind = match (kind, url) {
                    (Kind::Http, Some(url)) => NewKind::Http(url),
                    (Kind::Digital, None) => NewKind::Digital,
                    (Kind::Log, None) => NewKind::Log,
                    _ => anyhow::bail!("--url goes with --kind http, and only with it"),
                };
                let limits = Limits {
                    timeout: limits.timeout.and_then(|OrNone(timeout)| timeout),
                    concurrency: limits.concurrency.and_then(|OrNone(number)| number),
                    rate_per_second: limits.rate.and_then(|OrNone(number)| number),
                };
                let mut tx = conn.begin().await?;
                let secret =
                    fulfilment::add_provider(&mut tx, &name, &kind, limits, &said.into(), now).await?;
                tx.commit().await?;
                show(secret.as_ref(), &format!("the provider {name} is there"))
            }
            Self::Set { name, url, limits, new_secret, said } => {
                let change = ProviderChange {
                    url,
                    timeout: limits.timeout.map(|OrNone(timeout)| timeout),
                    concurrency: limits.concurrency.map(|OrNone(number)| number),
                    rate_per_second: limits.rate.map(|OrNone(number)| number),
                    new_secret,
                };
                let mut tx = conn.begin().await?;
                let secret = fulfilment::set_provider(&mut tx, &name, &change, &said.into(), now).await?;
                tx.commit().await?;
                show(secret.as_ref(), &format!("the provider {name} is changed"))
            }
            Self::Pause { what, until, said } => {
                let (what, until) = (PauseOf::from(what), until.moment(now)?);
                let mut tx = conn.begin().await?;
                let was_paused = fulfilment::pause(&mut tx, &what, until, &said.into(), now).await?;
                tx.commit().await?;
                let until = until.map_or_else(
                    || "until it is resumed".to_owned(),
                    |until| format!("until {} UTC", output::time(until)),
                );
                let before = if was_paused { "; its earlier pause is over" } else { "" };
                output::print(format!("{what} is paused {until}{before}"))
            }
            Self::Resume { what, said } => {
                let (what, decision) = (PauseOf::from(what), Decision::from(said));
                let mut tx = conn.begin().await?;
                fulfilment::resume(&mut tx, &what, &decision, now).await?;
                tx.commit().await?;
                output::print(format!("{what} goes on"))
            }
            Self::Rules(command) => command.execute(conn, now).await,
            Self::Goods(command) => command.execute(conn, now).await,
        }
    }
}

/// The secret alone on standard output, so that it can be piped; what is to be known of it beside.
fn show(secret: Option<&Secret>, done: &str) -> anyhow::Result<()> {
    let Some(secret) = secret else { return output::print(done) };
    output::print(secret.expose())?;
    eprintln!("{done}. Keep its secret: it cannot be shown again.");
    Ok(())
}

fn list(providers: &[ProviderRow]) -> Table {
    let mut table = output::table(&[
        "provider",
        "kind",
        "state",
        "queued",
        "oldest due",
        "in progress",
        "accepted",
        "rejected",
        "failed",
        "limits",
    ]);
    for row in providers {
        let kind = row.host.as_ref().map_or_else(|| row.kind.clone(), |host| format!("{}\n{host}", row.kind));
        table.add_row([
            row.name.clone(),
            kind,
            state(row),
            (row.queued + row.recalling).to_string(),
            row.oldest_due_seconds.map(output::age).unwrap_or_default(),
            row.in_progress.to_string(),
            row.accepted.to_string(),
            row.rejected.to_string(),
            row.failed.to_string(),
            limits(row),
        ]);
    }
    table
}

fn state(row: &ProviderRow) -> String {
    let mut state = Vec::new();
    if row.paused {
        let by = row.paused_by.as_deref().unwrap_or_default();
        let why = row.pause_reason.as_deref().unwrap_or_default();
        let until =
            row.paused_until.map(|until| format!(" until {}", output::time(until))).unwrap_or_default();
        state.push(format!("paused by {by}{until}: {why}"));
    }
    if row.breaker != "closed" {
        let why = row.breaker_reason.as_deref().unwrap_or_default();
        let at = row.breaker_retry_at.map(|at| format!(", tried again {}", output::time(at)));
        state.push(format!("breaker {}{}: {why}", row.breaker, at.unwrap_or_default()));
    }
    if state.is_empty() { "well".to_owned() } else { state.join("\n") }
}

fn limits(row: &ProviderRow) -> String {
    let concurrency = row.concurrency.map(|number| format!("{number} at once"));
    let rate = row.rate_per_second.map(|number| format!("{number} a second"));
    concurrency.into_iter().chain(rate).collect::<Vec<_>>().join("\n")
}
