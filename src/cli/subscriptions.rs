//! `packline subscriptions`.

use std::fmt;

use anyhow::Context;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use sqlx::PgConnection;

use super::output;
use crate::app;
use crate::invoices::{self, Invoice, InvoiceFilter};
use crate::money::{Currency, Money};
use crate::subscriptions::{self, Item, STATUSES, Subscription, SubscriptionFilter};

/// Invoices on the page of a subscription.
const INVOICES: i64 = 24;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List subscriptions, newest first
    List {
        /// Only those in this status of Stripe's
        #[arg(long, value_parser = PossibleValuesParser::new(STATUSES))]
        status: Option<String>,
        /// Only those of this customer, cus_…
        #[arg(long)]
        customer: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a subscription: what it is for, whether it is paid, and its invoices with their orders
    Show {
        /// Its id, sub_… or sub_sched_…
        subscription: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        match self {
            Self::List { status, customer, limit, json } => {
                let filter = SubscriptionFilter { status, customer, limit, ..SubscriptionFilter::default() };
                let ids = subscriptions::list_subscriptions(conn, &filter).await?;
                let mut found = subscriptions::load_subscriptions(conn, &ids).await?;
                subscriptions::add_dunning(conn, app::UNPAID, &mut found).await?;
                found.iter_mut().for_each(hide_secret);
                if json { output::json(&found)? } else { output::print(list(&found))? }
            }
            Self::Show { subscription, json } => {
                let found = subscriptions::find_subscription(conn, &subscription).await?;
                let mut one =
                    [found.with_context(|| format!("no subscription has the id {subscription:?}"))?];
                subscriptions::add_dunning(conn, app::UNPAID, &mut one).await?;
                let [mut found] = one;
                hide_secret(&mut found);
                let filter = InvoiceFilter {
                    // Without a name of Stripe's it has none.
                    subscription: Some(found.stripe_id.clone().unwrap_or_default()),
                    limit: INVOICES,
                    ..InvoiceFilter::default()
                };
                let ids = invoices::list_invoices(conn, &filter).await?;
                let invoices = invoices::load_invoices(conn, &ids).await?;
                if json { output::json(&found)? } else { output::print(Page(found, invoices))? }
            }
        }
        Ok(())
    }
}

/// A secret of the customer's is for the page that takes the payment, not for terminals and logs.
fn hide_secret(subscription: &mut Subscription) {
    if let Some(dunning) = &mut subscription.dunning {
        dunning.client_secret = None;
    }
}

fn list(subscriptions: &[Subscription]) -> Table {
    let mut table = output::table(&[
        "subscription",
        "status",
        "access",
        "customer",
        "items",
        "period ends (UTC)",
        "unpaid",
        "next try (UTC)",
    ]);
    for one in subscriptions {
        let facts = one.facts.as_ref();
        let dunning = one.dunning.as_ref();
        table.add_row([
            one.stripe_id.clone().unwrap_or_else(|| one.id.to_string()),
            status(one),
            one.access.as_str().to_owned(),
            facts.and_then(|facts| facts.customer.clone()).unwrap_or_default(),
            facts.map(|facts| items(&facts.items)).unwrap_or_default(),
            facts.and_then(|facts| facts.current_period_end).map(output::time).unwrap_or_default(),
            dunning.map(|dunning| amount(one, dunning.amount_remaining)).unwrap_or_default(),
            dunning.and_then(|dunning| dunning.next_payment_attempt).map(output::time).unwrap_or_default(),
        ]);
    }
    table
}

fn status(one: &Subscription) -> String {
    one.facts.as_ref().map_or_else(|| one.state.as_str().to_owned(), |facts| facts.status.clone())
}

fn items(items: &[Item]) -> String {
    let words = items.iter().map(|item| {
        let what = item.sku.as_ref().or(item.price.as_ref()).unwrap_or(&item.id);
        item.quantity.map_or_else(|| what.clone(), |quantity| format!("{quantity} × {what}"))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn amount(one: &Subscription, amount: i64) -> String {
    let currency = one.facts.as_ref().and_then(|facts| Currency::parse(facts.currency.as_deref()?).ok());
    currency.map_or_else(|| amount.to_string(), |currency| Money { amount, currency }.to_string())
}

/// A subscription and its invoices, for people.
struct Page(Subscription, Vec<Invoice>);

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(one, invoices) = self;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        writeln!(f, "subscription {}  {}", one.stripe_id.as_deref().unwrap_or("-"), status(one))?;
        writeln!(f, "  id          {}", one.id)?;
        writeln!(f, "  access      {}: {}", one.access.as_str(), one.access_reason)?;
        if let Some(reason) = &one.reason {
            writeln!(f, "  reason      {reason}")?;
        }
        if let Some(facts) = &one.facts {
            let period = facts.current_period_start.zip(facts.current_period_end);
            let period =
                period.map(|(start, end)| format!("{} to {}", output::time(start), output::time(end)));
            writeln!(f, "  customer    {}", or_dash(facts.customer.clone()))?;
            writeln!(f, "  items       {}", items(&facts.items))?;
            writeln!(f, "  period      {}", or_dash(period))?;
            let collected = facts.collection_method.as_deref().unwrap_or("-");
            writeln!(f, "  collected   {collected}")?;
            for (what, at) in
                [("trial ends", facts.trial_end), ("ends", facts.cancel_at), ("ended", facts.ended_at)]
            {
                if let Some(at) = at {
                    writeln!(f, "  {what:<11} {}", output::time(at))?;
                }
            }
            if let Some(behaviour) = &facts.pause_behaviour {
                let until = facts.pause_resumes_at.map(|at| format!(" until {}", output::time(at)));
                writeln!(f, "  paused      {behaviour}{}", until.unwrap_or_default())?;
            }
            if let Some(schedule) = &facts.schedule {
                writeln!(f, "  schedule    {schedule}")?;
            }
        }
        if one.is_ending {
            writeln!(f, "  ending      asked for; Stripe has not said yet that it did")?;
        }
        if let Some(dunning) = &one.dunning {
            let next = dunning.next_payment_attempt.map(output::time);
            writeln!(
                f,
                "  unpaid      {} of {}, {}",
                amount(one, dunning.amount_remaining),
                dunning.number.as_ref().unwrap_or(&dunning.invoice),
                dunning.status
            )?;
            writeln!(
                f,
                "  tries       {}, {}",
                dunning.attempt_count,
                next.map_or_else(|| "no more".to_owned(), |next| format!("next {next}"))
            )?;
            if let Some(problem) = &dunning.problem {
                writeln!(f, "  problem     {problem}")?;
            }
            if dunning.action_required {
                writeln!(f, "  the bank wants the customer to do something: send them the link")?;
            }
            writeln!(f, "  pay here    {}", or_dash(dunning.pay_here.clone()))?;
        }
        writeln!(f, "  as of       {}", or_dash(one.told_at.map(output::time)))?;
        let mut table = output::table(&[
            "invoice",
            "status",
            "for",
            "period from",
            "to (UTC)",
            "due",
            "paid",
            "tries",
            "order",
        ]);
        for invoice in invoices {
            let facts = &invoice.facts;
            let money = |amount| Money { amount, currency: facts.currency }.to_string();
            table.add_row([
                facts.number.clone().unwrap_or_else(|| invoice.stripe_id.clone()),
                facts.status.to_string(),
                facts.billing_reason.clone().unwrap_or_default(),
                facts.period_start.map(output::time).unwrap_or_default(),
                facts.period_end.map(output::time).unwrap_or_default(),
                money(facts.amount_due),
                money(facts.amount_paid),
                facts.attempt_count.to_string(),
                invoice.order_id.map(|id| id.to_string()).unwrap_or_default(),
            ]);
        }
        write!(f, "\nInvoices\n{table}")
    }
}
