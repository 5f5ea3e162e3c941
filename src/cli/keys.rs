//! `packline keys`.

use anyhow::Context;
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use sqlx::PgConnection;

use super::output;
use crate::api;
use crate::clock::Clock;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key for the /v1 API; it is shown this once
    Create {
        /// Who will use it, such as shop-backend
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Make it a key of this fulfilment provider, for its call-backs only
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        provider: Option<String>,
    },
}

impl Command {
    pub(super) async fn run(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let Self::Create { name, provider } = self;
        let now = Clock::system().now();
        let key = match provider {
            None => api::create_key(conn, &name, now).await?,
            Some(provider) => {
                let key = api::create_provider_key(conn, &name, &provider, now).await?;
                key.with_context(|| {
                    format!("there is no fulfilment provider {provider:?}; `packline providers list` shows those that there are")
                })?
            }
        };
        output::print(&key.text)?;
        eprintln!(
            "Keep it: it cannot be shown again. Send it as `Authorization: Bearer {}…`",
            &key.text[..8]
        );
        Ok(())
    }
}
