//! `packline events`.

use anyhow::{Context, bail};
use clap::Subcommand;

use super::database::Database;
use super::output;
use crate::clock::Clock;
use crate::config::Settings;
use crate::inbox::{self, EventDetails, EventFilter, EventRow};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List {
        /// Only those in this state: pending, parked, applied, set_aside or failed
        #[arg(long)]
        state: Option<String>,
        /// Only those of this type, such as invoice.paid
        #[arg(long = "type")]
        event_type: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
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
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let database = Database::open(settings).await?;
        let mut conn = database.pool.acquire().await?;
        match self {
            Self::List { state, event_type, limit, json } => {
                let events = inbox::list_events(&mut conn, &EventFilter { state, event_type, limit }).await?;
                if json { output::json(&events)? } else { print_list(&events) }
            }
            Self::Show { event, json } => {
                let missing = || format!("no event {event:?} was received");
                let details = inbox::find_event(&mut conn, &event).await?.with_context(missing)?;
                if json { output::json(&details)? } else { print(&details) }
            }
            Self::Replay { event } => {
                if !inbox::replay(&mut conn, &event, Clock::system().now()).await? {
                    bail!("{event:?} is not there, or is applied or due already");
                }
                println!("{event} is due again");
            }
        }
        drop(conn);
        database.close().await
    }
}

fn print_list(events: &[EventRow]) {
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
    println!("{table}");
}

fn print(event: &EventDetails) {
    let row = &event.row;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    println!("event {}  {}", row.id, row.state);
    println!("  type        {}", row.event_type);
    println!("  reason      {}", or_dash(row.reason.clone()));
    println!("  object      {}", or_dash(row.object_id.clone()));
    println!("  order       {}", or_dash(row.order_number.clone()));
    println!("  account     {}", row.account.as_deref().unwrap_or("our own"));
    println!("  created     {}", or_dash(event.created_at.map(output::time)));
    println!("  received    {} on {}", output::time(row.received_at), event.endpoint);
    println!("  applied     {}", or_dash(row.applied_at.map(output::time)));
    println!("  secret      {}", event.verified_by);
    println!("  API version {}", or_dash(event.api_version.clone()));
    println!("  mode        {}", if event.livemode { "live" } else { "test" });
    println!("  errors      {}", event.attempts);
    println!("  next look   {}", or_dash(event.next_attempt_at.map(output::time)));
    println!("  waits for   {}", or_dash(event.waits_for.as_ref().map(|keys| keys.join(", "))));
    println!("\n{}", event.body.as_deref().unwrap_or("The payload has expired."));
}
