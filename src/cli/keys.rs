//! `packline keys`.

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use super::database::Database;
use super::output;
use crate::api;
use crate::clock::Clock;
use crate::config::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key for the /v1 API; it is shown this once
    Create {
        /// Who will use it, such as shop-backend
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

impl Command {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let Self::Create { name } = self;
        let database = Database::open(settings).await?;
        let mut conn = database.pool.acquire().await?;
        let key = api::create_key(&mut conn, &name, Clock::system().now()).await?;
        drop(conn);
        output::print(&key.text)?;
        eprintln!(
            "Keep it: it cannot be shown again. Send it as `Authorization: Bearer {}…`",
            &key.text[..8]
        );
        database.close().await
    }
}
