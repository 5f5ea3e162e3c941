//! `packline providers rules`.

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::super::arguments::Said;
use super::super::output;
use crate::fulfilment::{self, Rule};

#[derive(Subcommand)]
pub(in super::super) enum Command {
    /// List the rules in the order in which they are tried; what none matches goes to "default"
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a rule; it counts for orders that are paid from now on
    Add {
        /// Where among the rules, from 1; by default behind the last one
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        position: Option<i32>,
        /// Lines with this sku; * stands for any characters
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        sku: Option<String>,
        /// Orders to this country, as a two-letter ISO code
        #[arg(long, value_parser = country)]
        country: Option<String>,
        /// Orders that this connected account, acct_…, sells or gets the money of
        #[arg(long, value_parser = account)]
        account: Option<String>,
        /// Who carries them out
        #[arg(long)]
        provider: String,
        /// 0 before 1 before 2, among what is due at one provider
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i16).range(0..=2))]
        priority: i16,
        #[command(flatten)]
        said: Said,
    },
    /// Remove a rule; what was queued by it stays where it is
    Remove {
        /// Its position
        position: i32,
        #[command(flatten)]
        said: Said,
    },
}

fn country(text: &str) -> Result<String, String> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_code {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("give a two-letter ISO code, such as GB".to_owned())
    }
}

fn account(text: &str) -> Result<String, String> {
    if text.starts_with("acct_") && text.len() > 5 {
        Ok(text.to_owned())
    } else {
        Err("give the id of a connected account, acct_…".to_owned())
    }
}

impl Command {
    pub(super) async fn execute(self, conn: &mut PgConnection, now: OffsetDateTime) -> anyhow::Result<()> {
        match self {
            Self::List { json } => {
                let rules = fulfilment::list_rules(conn).await?;
                if json {
                    return output::json(&rules);
                }
                let mut table =
                    output::table(&["position", "sku", "country", "account", "provider", "priority"]);
                for rule in rules {
                    let or_any = |condition: Option<String>| condition.unwrap_or_else(|| "any".to_owned());
                    table.add_row([
                        rule.position.to_string(),
                        or_any(rule.sku),
                        or_any(rule.country),
                        or_any(rule.account),
                        rule.provider,
                        rule.priority.to_string(),
                    ]);
                }
                output::print(table)
            }
            Self::Add { position, sku, country, account, provider, priority, said } => {
                let position = position.unwrap_or(0);
                let rule = Rule { position, sku, country, account, provider, priority };
                let mut tx = conn.begin().await?;
                let position = fulfilment::add_rule(&mut tx, &rule, &said.into(), now).await?;
                tx.commit().await?;
                output::print(format!("rule {position} is there"))
            }
            Self::Remove { position, said } => {
                let mut tx = conn.begin().await?;
                fulfilment::remove_rule(&mut tx, position, &said.into(), now).await?;
                tx.commit().await?;
                output::print(format!("rule {position} is gone"))
            }
        }
    }
}
