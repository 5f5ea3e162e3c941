//! `packline accounts`.

use std::fmt;

use anyhow::Context;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use sqlx::PgConnection;

use super::output;
use crate::connect::{self, Account, AccountFilter, AccountState};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List connected accounts, newest first
    List {
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(AccountState::ALL.iter().map(|state| state.as_str())))]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a connected account: what it may do, and what stands between it and a payment
    Show {
        /// Its id or acct_…
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection, livemode: bool) -> anyhow::Result<()> {
        match self {
            Self::List { state, limit, json } => {
                let filter = AccountFilter { state, limit, ..AccountFilter::default() };
                let ids = connect::list_accounts(conn, livemode, &filter).await?;
                let accounts = connect::load_accounts(conn, &ids).await?;
                if json { output::json(&accounts)? } else { output::print(list(&accounts))? }
            }
            Self::Show { account, json } => {
                let missing =
                    || format!("no connected account has the id {account:?} in this mode (STRIPE_MODE)");
                let found = connect::find_account(conn, livemode, &account).await?.with_context(missing)?;
                if json { output::json(&found)? } else { output::print(Page(found))? }
            }
        }
        Ok(())
    }
}

fn list(accounts: &[Account]) -> Table {
    let mut table = output::table(&[
        "reference",
        "account",
        "state",
        "transfers",
        "payouts",
        "can receive",
        "created (UTC)",
    ]);
    for account in accounts {
        table.add_row([
            account.reference.clone(),
            account.stripe_id.clone().unwrap_or_else(|| account.id.to_string()),
            account.state.to_string(),
            account.facts.transfers.clone().unwrap_or_default(),
            yes(account.facts.payouts_enabled),
            yes(account.can_receive),
            output::time(account.created_at),
        ]);
    }
    table
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// An account, for people.
struct Page(Account);

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = &self.0;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let list = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
        let (facts, wanted) = (&account.facts, &account.facts.requirements);
        writeln!(f, "account {}  {}", account.id, account.state)?;
        writeln!(f, "  reference   {}", account.reference)?;
        writeln!(f, "  Stripe      {}", or_dash(account.stripe_id.clone()))?;
        writeln!(f, "  joined by   {}", account.joined_by)?;
        writeln!(f, "  mode        {}", if account.livemode { "live" } else { "test" })?;
        writeln!(f, "  reason      {}", or_dash(account.reason.clone()))?;
        writeln!(f, "  can receive {}", account.obstacle.as_deref().unwrap_or("yes"))?;
        writeln!(
            f,
            "  commission  {}",
            account.commission.commission().in_words(account.commission.currency)
        )?;
        writeln!(f, "  transfers   {}", or_dash(facts.transfers.clone()))?;
        writeln!(f, "  card pays   {}", or_dash(facts.card_payments_status.clone()))?;
        writeln!(f, "  charges     {}", yes(facts.charges_enabled))?;
        writeln!(f, "  payouts     {}", yes(facts.payouts_enabled))?;
        writeln!(f, "  submitted   {}", yes(facts.details_submitted))?;
        writeln!(f, "  due         {}", list(&wanted.currently_due))?;
        writeln!(f, "  past due    {}", list(&wanted.past_due))?;
        writeln!(f, "  deadline    {}", or_dash(wanted.current_deadline.map(output::time)))?;
        writeln!(f, "  held back   {}", or_dash(wanted.disabled_reason.clone()))?;
        writeln!(f, "  as of       {}", or_dash(account.told_at.map(output::time)))?;
        writeln!(f, "  connected   {}", or_dash(account.connected_at.map(output::time)))?;
        write!(f, "  left        {}", or_dash(account.disconnected_at.map(output::time)))
    }
}
