//! `packline fulfilments`.

use anyhow::Context;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use sqlx::PgConnection;
use uuid::Uuid;

use super::arguments::{Said, Until};
use super::output;
use crate::clock::Clock;
use crate::fulfilment::{self, Act, FulfilmentFilter, FulfilmentRow, StuckOrder};
use crate::orders;

mod page;
mod steer;

pub(super) use page::Page;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List fulfilments, newest first
    List {
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(FulfilmentRow::STATES))]
        state: Option<String>,
        /// Only those of this provider
        #[arg(long)]
        provider: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List orders whose money is there and that do not go out by themselves: why, since when, and what to do
    Stuck {
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what is to be sent and what became of it: lines, parcels, tries, decisions
    Show {
        /// Its id or key, or the order's id, number or Stripe object
        fulfilment: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a fulfilment now, and for as long as a new one; or many that failed or were refused
    ///
    /// Where the provider may have it, it is asked first. Where it said no, it is sent under a new key.
    Retry(steer::Retry),
    /// Do not send it: what the provider has is recalled, and where it may have it, it is asked first
    Cancel {
        /// Its id or key, or the order's id, number or Stripe object
        fulfilment: String,
        /// Close a dead letter although the provider may have it
        #[arg(long)]
        even_if_sent: bool,
        #[command(flatten)]
        said: Said,
    },
    /// All that is left of it was sent, however; also accepts that what could not be stopped left
    MarkDone {
        /// Its id or key, or the order's id, number or Stripe object
        fulfilment: String,
        #[command(flatten)]
        tracking: steer::TrackingArgs,
        #[command(flatten)]
        said: Said,
    },
    /// Do not try it before a time
    Snooze {
        /// Its id or key, or the order's id, number or Stripe object
        fulfilment: String,
        #[command(flatten)]
        until: Until,
        #[command(flatten)]
        said: Said,
    },
    /// Let it go before or behind others of its provider
    Prioritise {
        /// Its id or key, or the order's id, number or Stripe object
        fulfilment: String,
        /// 0 before 1 before 2
        #[arg(long, value_parser = clap::value_parser!(i16).range(0..=2))]
        priority: i16,
        #[command(flatten)]
        said: Said,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let now = Clock::system().now();
        match self {
            Self::List { state, provider, limit, json } => {
                let filter = FulfilmentFilter { state, provider, limit };
                let rows = fulfilment::list_fulfilments(conn, &filter).await?;
                if json { output::json(&rows) } else { output::print(list(&rows)) }
            }
            Self::Stuck { limit, json } => {
                let stuck = fulfilment::list_stuck(conn, limit).await?;
                if json {
                    output::json(&stuck)
                } else if stuck.is_empty() {
                    output::print("nothing is stuck")
                } else {
                    output::print(list_stuck(&stuck))
                }
            }
            Self::Show { fulfilment, json } => {
                let ids = find(conn, &fulfilment).await?;
                let reports = fulfilment::load_reports(conn, &ids).await?;
                if json {
                    return output::json(&reports);
                }
                let pages: Vec<String> = reports.iter().map(|report| Page(report).to_string()).collect();
                output::print(pages.join("\n\n"))
            }
            Self::Retry(retry) => retry.run(conn, now).await,
            Self::Cancel { fulfilment, even_if_sent, said } => {
                steer::one(conn, &fulfilment, &Act::Cancel { even_if_sent }, &said.into(), now).await
            }
            Self::MarkDone { fulfilment, tracking, said } => {
                let act = Act::MarkDone { tracking: tracking.tracking() };
                steer::one(conn, &fulfilment, &act, &said.into(), now).await
            }
            Self::Snooze { fulfilment, until, said } => {
                let until = until.moment(now)?.context("give --for or --until")?;
                steer::one(conn, &fulfilment, &Act::Snooze { until }, &said.into(), now).await
            }
            Self::Prioritise { fulfilment, priority, said } => {
                steer::one(conn, &fulfilment, &Act::Prioritise { priority }, &said.into(), now).await
            }
        }
    }
}

/// The fulfilments that a name stands for; at least one.
async fn find(conn: &mut PgConnection, name: &str) -> anyhow::Result<Vec<Uuid>> {
    let order = orders::find(conn, name).await?;
    let found = fulfilment::find_fulfilments(conn, name, order).await?;
    let missing = || match order {
        Some(_) => format!("order {name:?} has no fulfilment yet"),
        None => format!("no fulfilment has the id or key {name:?}, and no order that id or number"),
    };
    (!found.is_empty()).then_some(found).with_context(missing)
}

fn list(rows: &[FulfilmentRow]) -> Table {
    let mut table = output::table(&[
        "fulfilment",
        "order",
        "part",
        "provider",
        "state",
        "tries",
        "next (UTC)",
        "reason",
        "created (UTC)",
    ]);
    for row in rows {
        table.add_row([
            row.id.to_string(),
            row.order_number.clone(),
            row.part.to_string(),
            row.provider.clone(),
            row.state.clone(),
            row.attempts.to_string(),
            row.next_attempt_at.map(output::time).unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
            output::time(row.created_at),
        ]);
    }
    table
}

fn list_stuck(stuck: &[StuckOrder]) -> Table {
    let mut table = output::table(&["order", "provider", "stuck", "for", "reason", "what to do"]);
    for row in stuck {
        table.add_row([
            row.order_number.clone(),
            row.provider.clone().unwrap_or_default(),
            row.stuck.clone(),
            output::age(row.age.as_secs_f64()),
            row.reason.clone().unwrap_or_default(),
            row.next_action.clone(),
        ]);
    }
    table
}
