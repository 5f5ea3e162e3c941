//! `packline orders`.

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::database::Database;
use super::output;
use crate::config::Settings;
use crate::fulfilment::{self, AttemptRow};
use crate::money::{Currency, Money};
use crate::orders::{self, ListFilter, Order, Timeline};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List orders, newest first
    List {
        /// Only those with this status, such as on_hold
        #[arg(long)]
        status: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an order and everything that happened to it, with causes
    Show {
        /// Its id, its number, or a Stripe object that stands for it
        order: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let database = Database::open(settings).await?;
        let mut conn = database.pool.acquire().await?;
        match self {
            Self::List { status, limit, json } => {
                let filter = ListFilter { status, limit, ..ListFilter::default() };
                let ids = orders::list(&mut conn, &filter).await?;
                let orders = orders::load(&mut conn, &ids).await?;
                if json { output::json(&orders)? } else { print_list(&orders) }
            }
            Self::Show { order, json } => {
                let id = orders::find(&mut conn, &order)
                    .await?
                    .with_context(|| format!("no order has the id, number or Stripe object {order:?}"))?;
                let report = Report::load(&mut conn, id).await?;
                if json { output::json(&report)? } else { report.print() }
            }
        }
        drop(conn);
        database.close().await
    }
}

pub(super) fn print_list(orders: &[Order]) {
    let mut table = output::table(&[
        "number",
        "status",
        "payment",
        "fulfilment",
        "total",
        "paid",
        "refunded",
        "origin",
        "created (UTC)",
    ]);
    for order in orders {
        let money = |amount| Money { amount, currency: order.currency }.to_string();
        table.add_row([
            order.number.clone(),
            order.status.clone(),
            order.payment_status.to_string(),
            order.fulfilment_status.to_string(),
            money(order.amount_total),
            money(order.amount_paid),
            money(order.amount_refunded),
            order.origin.to_string(),
            output::time(order.created_at),
        ]);
    }
    println!("{table}");
}

#[derive(Serialize)]
struct Report {
    order: Order,
    timeline: Timeline,
    attempts: Vec<AttemptRow>,
}

impl Report {
    async fn load(conn: &mut PgConnection, id: Uuid) -> anyhow::Result<Self> {
        let order = orders::load(conn, &[id]).await?.pop().context("the order is gone")?;
        let timeline = orders::load_timeline(conn, id).await?;
        let attempts = fulfilment::list_attempts(conn, id).await?;
        Ok(Self { order, timeline, attempts })
    }

    fn print(&self) {
        let order = &self.order;
        println!("order {}  {}", order.number, order.status);
        println!("  id          {}", order.id);
        println!("  payment     {}", order.payment_status);
        println!("  fulfilment  {}", order.fulfilment_status);
        let holds: Vec<&str> = order.holds.iter().map(|hold| hold.as_str()).collect();
        println!("  held for    {}", if holds.is_empty() { "-".to_owned() } else { holds.join(", ") });
        println!("  total       {}", order.total());
        println!(
            "  stands for  {}",
            order.refs.iter().map(ToString::to_string).collect::<Vec<_>>().join("  ")
        );
        self.print_lines();
        self.print_timeline();
        self.print_payments();
        self.print_attempts();
    }

    fn print_lines(&self) {
        if self.order.lines.is_empty() {
            println!(
                "\nNo lines: the order was made of a payment, and Stripe does not know what was bought."
            );
            return;
        }
        let mut table = output::table(&["sku", "description", "quantity", "unit", "amount"]);
        for line in &self.order.lines {
            let money = |amount| Money { amount, currency: self.order.currency }.to_string();
            let description = line.description.clone().unwrap_or_default();
            let row = [
                line.sku.clone(),
                description,
                line.quantity.to_string(),
                money(line.unit_amount),
                money(line.amount),
            ];
            table.add_row(row);
        }
        println!("\nLines\n{table}");
    }

    fn print_timeline(&self) {
        let mut table = output::table(&["when (UTC)", "axis", "move", "cause", "reason"]);
        for entry in &self.timeline.entries {
            let (from, to) = (entry.from.as_deref().unwrap_or("-"), entry.to.as_deref().unwrap_or("-"));
            let moved = if from == to { format!("stays {to}") } else { format!("{from} → {to}") };
            let cause = entry.event_type.as_deref().unwrap_or(&entry.cause_kind);
            table.add_row([
                output::time(entry.at),
                entry.axis.clone(),
                moved,
                format!("{cause}\n{}", entry.cause_id),
                entry.reason.clone().unwrap_or_default(),
            ]);
        }
        println!("\nHistory\n{table}");
    }

    fn print_payments(&self) {
        if self.timeline.payments.is_empty() {
            return;
        }
        let mut table = output::table(&["when (UTC)", "what", "amount", "object", "told by"]);
        for payment in &self.timeline.payments {
            let amount = Currency::parse(&payment.currency).map_or_else(
                |_| format!("{} {}", payment.amount, payment.currency),
                |currency| Money { amount: payment.amount, currency }.to_string(),
            );
            let when = output::time(payment.created_at);
            table.add_row([
                when,
                payment.kind.clone(),
                amount,
                payment.stripe_id.clone(),
                payment.event_id.clone(),
            ]);
        }
        println!("\nMoney\n{table}");
    }

    fn print_attempts(&self) {
        if self.attempts.is_empty() {
            return;
        }
        let mut table = output::table(&["began (UTC)", "attempt", "provider", "outcome", "detail"]);
        for attempt in &self.attempts {
            table.add_row([
                output::time(attempt.started_at),
                attempt.attempt.to_string(),
                attempt.provider.clone(),
                attempt.outcome.clone().unwrap_or_else(|| "under way".to_owned()),
                attempt.detail.clone().unwrap_or_default(),
            ]);
        }
        println!("\nFulfilment attempts\n{table}");
    }
}
