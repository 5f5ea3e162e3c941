//! `packline quotes`.

use std::fmt;

use anyhow::Context;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use sqlx::PgConnection;

use super::output;
use crate::clock::Clock;
use crate::money::{Currency, Money};
use crate::quotes::{self, Quote, QuoteFilter, QuoteState};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List quotes, newest first
    List {
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(QuoteState::ALL.map(QuoteState::as_str)))]
        state: Option<String>,
        /// Only those for this customer, cus_…
        #[arg(long)]
        customer: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a quote: what it offers, how far it is, and what its acceptance began
    Show {
        /// Its id or qt_…
        quote: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let now = Clock::system().now();
        match self {
            Self::List { state, customer, limit, json } => {
                let filter = QuoteFilter { state, customer, limit, ..QuoteFilter::default() };
                let ids = quotes::list_quotes(conn, &filter).await?;
                let quotes = quotes::load_quotes(conn, &ids, now).await?;
                if json { output::json(&quotes)? } else { output::print(list(&quotes))? }
            }
            Self::Show { quote, json } => {
                let missing = || format!("no quote has the id {quote:?}");
                let id = quotes::find_quote(conn, &quote).await?.with_context(missing)?;
                let found = quotes::load_quotes(conn, &[id], now).await?.pop().with_context(missing)?;
                if json { output::json(&found)? } else { output::print(Page(found))? }
            }
        }
        Ok(())
    }
}

fn list(quotes: &[Quote]) -> Table {
    let mut table = output::table(&[
        "quote",
        "number",
        "state",
        "customer",
        "total",
        "led to",
        "expires (UTC)",
        "created (UTC)",
    ]);
    for quote in quotes {
        table.add_row([
            quote.stripe_id.clone().unwrap_or_else(|| quote.id.to_string()),
            quote.number.clone().unwrap_or_default(),
            state(quote),
            quote.customer.clone().unwrap_or_default(),
            amount(quote, quote.amount_total),
            led_to(quote).join(", "),
            quote.expires_at.map(output::time).unwrap_or_default(),
            output::time(quote.created_at),
        ]);
    }
    table
}

fn state(quote: &Quote) -> String {
    if quote.expired { format!("{}, expired", quote.state) } else { quote.state.to_string() }
}

fn amount(quote: &Quote, amount: Option<i64>) -> String {
    let currency = quote.currency.as_deref().and_then(|code| Currency::parse(code).ok());
    match (amount, currency) {
        (Some(amount), Some(currency)) => Money { amount, currency }.to_string(),
        _ => String::new(),
    }
}

/// What its acceptance began.
fn led_to(quote: &Quote) -> Vec<String> {
    [&quote.invoice, &quote.subscription, &quote.subscription_schedule]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

/// A quote, for people.
struct Page(Quote);

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = &self.0;
        let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
        let time = |at: Option<time::OffsetDateTime>| at.map_or_else(|| "-".to_owned(), output::time);
        writeln!(f, "quote {}  {}", quote.id, state(quote))?;
        writeln!(f, "  Stripe      {}", or_dash(quote.stripe_id.as_deref()))?;
        writeln!(f, "  number      {}", or_dash(quote.number.as_deref()))?;
        writeln!(f, "  reason      {}", or_dash(quote.reason.as_deref()))?;
        writeln!(f, "  under way   {}", or_dash(quote.under_way.as_deref()))?;
        writeln!(f, "  customer    {}", or_dash(quote.customer.as_deref()))?;
        writeln!(f, "  due at once {}", or_dash(Some(&amount(quote, quote.amount_total))))?;
        let repeats = quote.recurring.as_ref().map(|repeats| {
            let each = rhythm(Some(&repeats.interval), Some(repeats.interval_count));
            format!("{}{each}", amount(quote, Some(repeats.amount_total)))
        });
        writeln!(f, "  recurring   {}", or_dash(repeats.as_deref()))?;
        writeln!(f, "  paid by     {}", or_dash(quote.collection_method.as_deref()))?;
        writeln!(f, "  expires     {}", time(quote.expires_at))?;
        writeln!(f, "  finalised   {}", time(quote.finalized_at))?;
        writeln!(f, "  accepted    {}", time(quote.accepted_at))?;
        writeln!(f, "  cancelled   {}", time(quote.cancelled_at))?;
        write!(f, "  led to      {}", or_dash(Some(&led_to(quote).join(", "))))?;
        match &quote.lines {
            None => write!(
                f,
                "\n  lines       not known: Stripe was not asked yet, and its events do not say them"
            )?,
            Some(lines) => {
                for line in lines {
                    let what = line.sku.as_deref().or(line.description.as_deref()).or(line.price.as_deref());
                    write!(
                        f,
                        "\n  {:>4} × {}  {}{}",
                        line.quantity,
                        what.unwrap_or("-"),
                        amount(quote, line.amount_total),
                        rhythm(line.interval.as_deref(), line.interval_count)
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn rhythm(interval: Option<&str>, count: Option<i64>) -> String {
    match (interval, count) {
        (Some(interval), Some(1) | None) => format!(" each {interval}"),
        (Some(interval), Some(count)) => format!(" every {count} {interval}s"),
        (None, _) => String::new(),
    }
}
