//! `packline events`.

use std::fmt;

use anyhow::{Context, bail};
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use sqlx::PgConnection;

use super::output;
use crate::clock::Clock;
use crate::inbox::{self, EventDetails, EventFilter, EventRow};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List {
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(inbox::STATES))]
        state: Option<String>,
        /// Only those of this type, such as invoice.paid
        #[arg(long = "type")]
        event_type: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an event with its payload
    Show {
        /// evt_…
        event: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Apply an event again that failed or was set aside; one that had its effect keeps it and has no other
    Replay {
        /// evt_…
        event: String,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        match self {
            Self::List { state, event_type, limit, json } => {
                let events = inbox::list_events(conn, &EventFilter { state, event_type, limit }).await?;
                if json { output::json(&events)? } else { output::print(list(&events))? }
            }
            Self::Show { event, json } => {
                let missing = || format!("no event {event:?} was received");
                let details = inbox::find_event(conn, &event).await?.with_context(missing)?;
                if json { output::json(&details)? } else { output::print(Page(details))? }
            }
            Self::Replay { event } => {
                if !inbox::replay(conn, &event, Clock::system().now()).await? {
                    let known = inbox::find_event(conn, &event).await?;
                    if known.is_some_and(|known| known.body.is_none() && known.row.state != "applied") {
                        bail!(
                            "the payload of {event} has expired (PACKLINE_PAYLOAD_RETENTION): there is nothing left to apply"
                        );
                    }
                    bail!("{event:?} is not there, or is applied or due already");
                }
                output::print(format!("{event} is due again"))?;
            }
        }
        Ok(())
    }
}

fn list(events: &[EventRow]) -> Table {
    let mut table = output::table(&["received (UTC)", "event", "type", "state", "order", "reason"]);
    for event in events {
        table.add_row([
            output::time(event.received_at),
            event.id.clone(),
            event.event_type.clone(),
            event.state.clone(),
            event.order_number.clone().unwrap_or_default(),
            event.reason.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// An event, for people.
struct Page(EventDetails);

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, row) = (&self.0, &self.0.row);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        writeln!(f, "event {}  {}", row.id, row.state)?;
        writeln!(f, "  type        {}", row.event_type)?;
        writeln!(f, "  reason      {}", or_dash(row.reason.clone()))?;
        writeln!(f, "  object      {}", or_dash(row.object_id.clone()))?;
        writeln!(f, "  order       {}", or_dash(row.order_number.clone()))?;
        writeln!(f, "  account     {}", row.account.as_deref().unwrap_or("our own"))?;
        writeln!(f, "  created     {}", or_dash(event.created_at.map(output::time)))?;
        writeln!(f, "  received    {} on {}", output::time(row.received_at), event.endpoint)?;
        writeln!(f, "  applied     {}", or_dash(row.applied_at.map(output::time)))?;
        writeln!(f, "  secret      {}", event.verified_by)?;
        writeln!(f, "  API version {}", or_dash(event.api_version.clone()))?;
        writeln!(f, "  mode        {}", if event.livemode { "live" } else { "test" })?;
        writeln!(f, "  errors      {}", event.attempts)?;
        writeln!(f, "  next look   {}", or_dash(event.next_attempt_at.map(output::time)))?;
        writeln!(f, "  waits for   {}", or_dash(event.waits_for.as_ref().map(|keys| keys.join(", "))))?;
        write!(
            f,
            "\n{}",
            event.body.as_deref().unwrap_or("The payload has expired (PACKLINE_PAYLOAD_RETENTION).")
        )
    }
}
