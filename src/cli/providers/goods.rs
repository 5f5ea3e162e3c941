//! `packline providers goods`.

use std::time::Duration;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::super::arguments::{Said, duration, http_url};
use super::super::output;
use crate::fulfilment::{self, DigitalGood};

#[derive(Subcommand)]
pub(in super::super) enum Command {
    /// List what is issued for which sku
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what is issued for a sku, in place of what was before
    #[command(group(clap::ArgGroup::new("what").required(true)))]
    Add {
        /// As order lines have it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        sku: String,
        /// A link; where the file is
        #[arg(long, value_name = "URL", group = "what", value_parser = http_url)]
        link: Option<Url>,
        /// A licence code for each piece
        #[arg(long, group = "what")]
        licence: bool,
        /// How long a link works, such as 30days; for ever without
        #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "licence")]
        valid: Option<Duration>,
        #[command(flatten)]
        said: Said,
    },
    /// Issue nothing more for a sku; what was issued stays good
    Remove {
        /// As order lines have it
        sku: String,
        #[command(flatten)]
        said: Said,
    },
}

impl Command {
    pub(super) async fn execute(self, conn: &mut PgConnection, now: OffsetDateTime) -> anyhow::Result<()> {
        match self {
            Self::List { json } => {
                let goods = fulfilment::list_goods(conn).await?;
                if json {
                    return output::json(&goods);
                }
                let mut table = output::table(&["sku", "what", "where", "valid"]);
                for good in goods {
                    let seconds = good.valid_seconds.and_then(|seconds| u64::try_from(seconds).ok());
                    let valid = seconds.map_or_else(
                        || "for ever".to_owned(),
                        |seconds| humantime::format_duration(Duration::from_secs(seconds)).to_string(),
                    );
                    table.add_row([good.sku, good.kind, good.url.unwrap_or_default(), valid]);
                }
                output::print(table)
            }
            Self::Add { sku, link, licence: _, valid, said } => {
                let good = DigitalGood {
                    sku,
                    kind: if link.is_some() { "link" } else { "licence" }.to_owned(),
                    url: link.map(String::from),
                    valid_seconds: valid.map(|valid| i64::try_from(valid.as_secs().max(1))).transpose()?,
                };
                let mut tx = conn.begin().await?;
                fulfilment::put_good(&mut tx, &good, &said.into(), now).await?;
                tx.commit().await?;
                output::print(format!("{} is issued as a {}", good.sku, good.kind))
            }
            Self::Remove { sku, said } => {
                let mut tx = conn.begin().await?;
                fulfilment::remove_good(&mut tx, &sku, &said.into(), now).await?;
                tx.commit().await?;
                output::print(format!("nothing more is issued for {sku}"))
            }
        }
    }
}
