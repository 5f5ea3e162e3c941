//! The command line: one file for each command.

mod accounts;
mod arguments;
mod database;
#[cfg(feature = "fake-stripe")]
mod demo;
mod events;
#[cfg(feature = "fake-stripe")]
mod fake_stripe;
mod fulfilments;
mod keys;
mod orders;
mod output;
mod providers;
mod quotes;
mod serve;
mod subscriptions;

use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use database::with_connection;

use crate::config::Settings;
use crate::db::cluster;
use crate::telemetry;

/// Webhook-driven order fulfilment: a signed Stripe event in, a fulfilled order out, exactly once.
#[derive(Parser)]
#[command(name = "packline", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP and work: receive webhooks, apply them, fulfil paid orders
    Serve {
        /// Serve HTTP only; `packline worker` elsewhere does the work
        #[arg(long)]
        no_worker: bool,
    },
    /// Work only: apply stored events and fulfil paid orders
    Worker,
    /// See it work: a service of its own, sample orders sent to it as Stripe would, and what became of them
    #[cfg(feature = "fake-stripe")]
    Demo(demo::Options),
    /// Serve a local Stripe to develop against: no account, no internet, and nothing real is charged. It listens on
    /// 127.0.0.1:12111 unless --listen says otherwise
    #[cfg(feature = "fake-stripe")]
    FakeStripe(fake_stripe::Options),
    /// Bring the database's schema up to date
    Migrate,
    /// Look at orders
    #[command(subcommand)]
    Orders(orders::Command),
    /// Look at what is to be sent, see what is stuck, and steer it
    #[command(subcommand)]
    Fulfilments(fulfilments::Command),
    /// Say who carries orders out: providers, the rules that choose between them, pauses, digital goods
    #[command(subcommand)]
    Providers(providers::Command),
    /// Look at quotes
    #[command(subcommand)]
    Quotes(quotes::Command),
    /// Look at Stripe's events, and apply one again
    #[command(subcommand)]
    Events(events::Command),
    /// Look at connected accounts
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// Look at subscriptions: who has access, who does not pay, and what became of their invoices
    #[command(subcommand)]
    Subscriptions(subscriptions::Command),
    /// Make API keys for your back end
    #[command(subcommand)]
    Keys(keys::Command),
}

/// Runs the program.
pub fn run() -> ExitCode {
    // The keeper of a private cluster is this program too. It needs no settings and must not read any.
    let mut arguments = std::env::args_os().skip(1);
    if let (Some(command), Some(folder)) = (arguments.next(), arguments.next())
        && command == cluster::KEEP_COMMAND
    {
        return finish(cluster::keep(Path::new(&folder)).map_err(Into::into));
    }

    // A file is read before anything else runs; what is set already wins over it.
    if let Err(error) = dotenvy::from_path(".env")
        && !error.not_found()
    {
        eprintln!("packline: .env cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    let given = Cli::command().get_matches();
    match Cli::from_arg_matches(&given) {
        Ok(cli) => finish(cli.execute(&given)),
        Err(error) => error.exit(),
    }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("packline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The definition of the command line, for those who compare it with the documentation.
pub fn definition() -> clap::Command {
    Cli::command()
}

impl Cli {
    fn execute(self, given: &ArgMatches) -> anyhow::Result<()> {
        let (filter, format) = self.settings.log()?;
        // Commands that print a result keep their logs to what is wrong.
        let quiet = match self.command {
            Command::Serve { .. } | Command::Worker => Settings::DEFAULT_LOG,
            #[cfg(feature = "fake-stripe")]
            Command::FakeStripe(_) => "warn,packline=info",
            _ => "warn",
        };
        let filter = if filter == Settings::DEFAULT_LOG { quiet } else { filter };
        telemetry::start_logging(filter, format).map_err(|error| anyhow::anyhow!("{error}"))?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.dispatch(given))
    }

    #[cfg_attr(
        not(feature = "fake-stripe"),
        expect(unused_variables, reason = "only the local Stripe asks where a setting was given")
    )]
    async fn dispatch(self, given: &ArgMatches) -> anyhow::Result<()> {
        let settings = &self.settings;
        match self.command {
            Command::Serve { no_worker } => serve::serve(settings, !no_worker).await,
            Command::Worker => serve::work(settings).await,
            #[cfg(feature = "fake-stripe")]
            Command::Demo(options) => demo::run(settings, options).await,
            #[cfg(feature = "fake-stripe")]
            Command::FakeStripe(options) => {
                // The environment says where Packline listens, not where Stripe does.
                let is_flag = given.value_source("listen") == Some(clap::parser::ValueSource::CommandLine);
                fake_stripe::run(options, is_flag.then_some(settings.listen())).await
            }
            Command::Migrate => database::migrate(settings).await,
            Command::Orders(command) => with_connection(settings, async |conn| command.run(conn).await).await,
            Command::Fulfilments(command) => {
                with_connection(settings, async |conn| command.run(conn).await).await
            }
            Command::Providers(command) => {
                with_connection(settings, async |conn| command.run(conn).await).await
            }
            Command::Quotes(command) => with_connection(settings, async |conn| command.run(conn).await).await,
            Command::Events(command) => with_connection(settings, async |conn| command.run(conn).await).await,
            Command::Accounts(command) => {
                let livemode = settings.for_accounts()?;
                with_connection(settings, async |conn| command.run(conn, livemode).await).await
            }
            Command::Subscriptions(command) => {
                with_connection(settings, async |conn| command.run(conn).await).await
            }
            Command::Keys(command) => with_connection(settings, async |conn| command.run(conn).await).await,
        }
    }
}
