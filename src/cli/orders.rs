//! `packline orders`.

use std::fmt;
use std::slice;

use anyhow::Context;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, Subcommand};
use comfy_table::Table;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::arguments::moment;
use super::{fulfilments, output};
use crate::app;
use crate::clock::Clock;
use crate::fulfilment::{self, FulfilmentReport};
use crate::money::{Currency, Money};
use crate::orders::{
    self, Billing, FulfilmentStatus, HoldKind, ListFilter, Order, PaymentStatus, RefKind, Timeline,
};
use crate::payments::{self, PaymentReport};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List orders, newest first
    List {
        #[command(flatten)]
        only: Only,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Hold an order: nothing of it is sent, and what is on its way is called back, until you release it
    Hold {
        /// Its id, its number, or a Stripe object that stands for it
        order: String,
        /// Who says so; kept in the order's history
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        by: String,
        /// Why; kept in the order's history
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        why: String,
    },
    /// End an order's hold, after you looked into it: what it was about is thereby accepted, and the order goes on
    Release {
        /// Its id, its number, or a Stripe object that stands for it
        order: String,
        /// Which hold
        #[arg(long, value_parser = PossibleValuesParser::new(HoldKind::ALL.iter().map(|kind| kind.as_str())))]
        hold: String,
        /// Who says so; kept in the order's history
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        by: String,
        /// Why; kept in the order's history
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        why: String,
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

/// Which orders, as `GET /v1/orders` takes it.
#[derive(Args)]
pub(super) struct Only {
    /// Only those with this status
    #[arg(long, value_parser = PossibleValuesParser::new(Order::STATUSES))]
    status: Option<String>,
    /// Only those whose payment is so
    #[arg(long, value_parser = PossibleValuesParser::new(PaymentStatus::ALL.iter().map(|status| status.as_str())))]
    payment_status: Option<String>,
    /// Only those whose fulfilment is so
    #[arg(long, value_parser = PossibleValuesParser::new(FulfilmentStatus::ALL.iter().map(|status| status.as_str())))]
    fulfilment_status: Option<String>,
    /// Only those of this customer's e-mail address, in any case
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    email: Option<String>,
    /// Only those made at or after, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    created_from: Option<OffsetDateTime>,
    /// Only those made before
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    created_before: Option<OffsetDateTime>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

impl From<Only> for ListFilter {
    fn from(only: Only) -> Self {
        Self {
            status: only.status,
            payment_status: only.payment_status,
            fulfilment_status: only.fulfilment_status,
            email: only.email,
            created_from: only.created_from,
            created_before: only.created_before,
            after: None,
            limit: only.limit,
        }
    }
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        match self {
            Self::List { only, json } => {
                let ids = orders::list(conn, &only.into()).await?;
                let orders = orders::load(conn, &ids).await?;
                if json { output::json(&orders)? } else { output::print(list(&orders))? }
            }
            Self::Hold { order, by, why } => {
                hold(conn, &order, &by, &why).await?;
                output::print(format!("{order} is held; `packline orders release --hold operator` ends it"))?;
            }
            Self::Release { order, hold, by, why } => {
                release(conn, &order, hold.parse()?, &by, &why).await?;
                output::print(format!("the hold {hold} of {order} is released"))?;
            }
            Self::Show { order, json } => {
                let id = find(conn, &order).await?;
                let report = Report::load(conn, id).await?;
                if json { output::json(&report)? } else { output::print(report)? }
            }
        }
        Ok(())
    }
}

async fn find(conn: &mut PgConnection, order: &str) -> anyhow::Result<Uuid> {
    let found = orders::find(conn, order).await?;
    found.with_context(|| format!("no order has the id, number or Stripe object {order:?}"))
}

async fn hold(conn: &mut PgConnection, order: &str, by: &str, why: &str) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let mut tx = conn.begin().await?;
    let id = find(&mut tx, order).await?;
    let consequences = orders::hold(&mut tx, id, by, why, now).await?.unwrap_or_default();
    fulfilment::follow(&mut tx, &consequences, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn release(
    conn: &mut PgConnection,
    order: &str,
    hold: HoldKind,
    by: &str,
    why: &str,
) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let mut tx = conn.begin().await?;
    let id = find(&mut tx, order).await?;
    let released = orders::release_holds(&mut tx, id, hold, by, why, now).await?;
    let consequences = released.with_context(|| format!("order {order:?} has no open hold {hold}"))?;
    fulfilment::follow(&mut tx, &consequences, now).await?;
    tx.commit().await?;
    Ok(())
}

fn list(orders: &[Order]) -> Table {
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
    table
}

#[derive(Serialize)]
struct Report {
    order: Order,
    timeline: Timeline,
    /// Its parts, each with what became of it.
    fulfilments: Vec<FulfilmentReport>,
    /// How it is paid, where Packline takes its payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentReport>,
    /// What it was billed by, where an invoice asks for its money.
    #[serde(skip_serializing_if = "Option::is_none")]
    billing: Option<Billing>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = &self.order;
        let holds: Vec<&str> = order.holds.iter().map(|hold| hold.as_str()).collect();
        let refs: Vec<String> = order.refs.iter().map(ToString::to_string).collect();
        writeln!(f, "order {}  {}", order.number, order.status)?;
        writeln!(f, "  id          {}", order.id)?;
        if let Some(keeper) = order.merged_into {
            writeln!(f, "  see order   {keeper}, which it became a part of")?;
        }
        writeln!(f, "  payment     {}", order.payment_status)?;
        writeln!(f, "  fulfilment  {}", order.fulfilment_status)?;
        writeln!(f, "  held for    {}", if holds.is_empty() { "-".to_owned() } else { holds.join(", ") })?;
        writeln!(f, "  total       {}", order.total())?;
        writeln!(f, "  stands for  {}", if refs.is_empty() { "-".to_owned() } else { refs.join("  ") })?;
        for line in self.payment.iter().flat_map(|payment| how_paid(payment, order.currency)) {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "  chain       {}", chain(self))?;
        for line in self.billing.iter().flat_map(|billing| how_billed(billing, order.currency)) {
            writeln!(f, "  {line}")?;
        }
        if order.lines.is_empty() {
            write!(
                f,
                "\nNo lines: the order was made of a payment, and Stripe does not know what was bought."
            )?;
        } else {
            write!(f, "\nLines\n{}", self.lines())?;
        }
        write!(f, "\n\nHistory\n{}", self.history())?;
        if !self.timeline.payments.is_empty() {
            write!(f, "\n\nMoney\n{}", self.money())?;
        }
        for part in &self.fulfilments {
            write!(f, "\n\n{}", fulfilments::Page(part))?;
        }
        Ok(())
    }
}

/// The way from the offer to the parcel, as far as it is known.
fn chain(report: &Report) -> String {
    let billing = report.billing.clone().unwrap_or_default();
    let named = |kind: &str, name: Option<String>, status: Option<String>| {
        let words = [Some(kind.to_owned()), name, status];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let quote = billing.quote.map(|quote| named("quote", quote.number.or(quote.stripe_id), quote.status));
    let subscription = billing
        .subscription
        .map(|subscription| named("subscription", Some(subscription.stripe_id), subscription.status));
    let invoice = billing
        .invoice
        .map(|invoice| named("invoice", invoice.number.or(Some(invoice.stripe_id)), invoice.status));
    let order = &report.order;
    let paid_by = order.refs.iter().find(|reference| reference.kind == RefKind::PaymentIntent);
    let payment = paid_by.map(|intent| format!("payment {}", intent.stripe_id));
    let own = Some(format!("order {} {}", order.number, order.payment_status));
    let parcels =
        report.fulfilments.iter().map(|part| Some(format!("parcel {} {}", part.part.part, part.part.state)));
    let steps = [quote, subscription, invoice, payment, own].into_iter().chain(parcels).flatten();
    steps.collect::<Vec<_>>().join(" → ")
}

/// What an invoice asks, a fact a line.
fn how_billed(billing: &Billing, currency: Currency) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(subscription) = &billing.subscription {
        let times = [subscription.period_start, subscription.period_end];
        let [from, until] = times.map(|time| time.map_or_else(|| "-".to_owned(), output::time));
        let access = subscription.access.as_deref().unwrap_or("not known");
        lines.push(format!("period      {from} to {until}, access {access}"));
    }
    let Some(invoice) = &billing.invoice else { return lines };
    if let Some(amount) = invoice.amount_remaining.filter(|amount| *amount > 0) {
        let due = invoice.due_date.map(|due| format!(", due {}", output::time(due))).unwrap_or_default();
        lines.push(format!("remains     {}{due}", Money { amount, currency }));
    }
    if invoice.attempt_count > 0 {
        let next = invoice.next_payment_attempt.map(output::time);
        let next = next.map_or_else(|| "no more".to_owned(), |next| format!("next {next}"));
        lines.push(format!("collected   {} tries, {next}", invoice.attempt_count));
    }
    let links = [
        ("pay here", &invoice.hosted_invoice_url),
        ("PDF", &invoice.invoice_pdf),
        ("receipt", &invoice.receipt_url),
        ("problem", &invoice.problem),
    ];
    lines.extend(links.into_iter().filter_map(|(what, text)| Some(format!("{what:<11} {}", text.as_ref()?))));
    lines
}

/// How an order is paid, a fact a line.
fn how_paid(payment: &PaymentReport, currency: Currency) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let (intent, status) = (or_dash(&payment.payment_intent), or_dash(&payment.intent_status));
    let mut lines = vec![format!(
        "paid by     mode {}, capture {}, PaymentIntent {intent} {status}",
        payment.mode, payment.capture
    )];
    if let Some(session) = &payment.session {
        let until = payment.expires_at.map(|at| format!(", until {}", output::time(at)));
        lines.push(format!(
            "page        {session} {}{}{}",
            or_dash(&payment.session_status),
            until.filter(|_| payment.url.is_some()).unwrap_or_default(),
            payment.url.as_ref().map(|url| format!(", {url}")).unwrap_or_default()
        ));
    }
    if let Some(customer) = &payment.customer {
        lines.push(format!(
            "charged to  {customer}{}",
            if payment.off_session { ", off session" } else { "" }
        ));
    }
    if let Some((account, commission)) = payment.destination.as_ref().zip(payment.commission) {
        let fee = Money { amount: payment.application_fee, currency };
        let keeps = commission.in_words(Some(currency));
        let seen = if payment.on_behalf_of { ", on its behalf" } else { "" };
        lines.push(format!("pays out to {account}{seen}; the platform keeps {fee} ({keeps})"));
    }
    if let Some(problem) = &payment.problem {
        lines.push(format!("problem     {problem}"));
    }
    if let Some(call) = &payment.open_call {
        let why = call.reason.as_deref().unwrap_or("no answer yet");
        let (operation, tries) = (call.operation, call.tries);
        lines.push(format!("not known   what became of {operation}, tried {tries} times: {why}"));
    }
    lines
}

impl Report {
    async fn load(conn: &mut PgConnection, id: Uuid) -> anyhow::Result<Self> {
        let order = orders::load(conn, &[id]).await?.pop().context("the order is gone")?;
        let timeline = orders::load_timeline(conn, id).await?;
        let parts = fulfilment::find_fulfilments(conn, "", Some(id)).await?;
        let fulfilments = fulfilment::load_reports(conn, &parts).await?;
        let payment = payments::report(conn, &[id]).await?.remove(&id);
        let mut billing = app::billing().describe(conn, slice::from_ref(&order)).await?.remove(&id);
        if let Some(invoice) = billing.as_mut().and_then(|billing| billing.invoice.as_mut()) {
            // A secret of the customer's is for the page that takes the payment, not for terminals and logs.
            invoice.client_secret = None;
        }
        Ok(Self { order, timeline, fulfilments, payment, billing })
    }

    fn lines(&self) -> Table {
        let mut table = output::table(&["sku", "description", "quantity", "unit", "amount"]);
        for line in &self.order.lines {
            let money = |amount| Money { amount, currency: self.order.currency }.to_string();
            table.add_row([
                line.sku.clone(),
                line.description.clone().unwrap_or_default(),
                line.quantity.to_string(),
                money(line.unit_amount),
                money(line.amount),
            ]);
        }
        table
    }

    fn history(&self) -> Table {
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
        table
    }

    fn money(&self) -> Table {
        let mut table = output::table(&["when (UTC)", "what", "amount", "object", "told by"]);
        for payment in &self.timeline.payments {
            let amount = Currency::parse(&payment.currency).map_or_else(
                |_| format!("{} {}", payment.amount, payment.currency),
                |currency| Money { amount: payment.amount, currency }.to_string(),
            );
            table.add_row([
                output::time(payment.created_at),
                payment.kind.clone(),
                amount,
                payment.stripe_id.clone(),
                payment.event_id.clone(),
            ]);
        }
        table
    }
}
