//! `packline demo`: the whole service on a private cluster, and the life of a few orders sent to it over HTTP exactly
//! as merchants and Stripe would.

mod merchant;
mod scenarios;
mod stripe;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use self::merchant::Merchant;
use self::scenarios::{Expected, Scenario};
use self::stripe::Sender;
use super::database::Database;
use super::{output, serve};
use crate::api;
use crate::app::{App, Roles};
use crate::clock::Clock;
use crate::config::{LabelledSecret, ProviderChoice, Secret, ServeConfig, Settings, WorkerConfig};
use crate::webhooks::EndpointSecret;

/// A demo need not wait as long as a shop.
const ADOPTION_GRACE: Duration = Duration::from_secs(2);
/// How long the orders may take to get where they must be.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(super) struct Options {
    /// End when all orders are where they must be, instead of serving on
    #[arg(long)]
    exit: bool,
    /// Run on the database of DATABASE_URL instead of a private cluster; the sample orders stay in it
    #[arg(long)]
    on_database_url: bool,
}

pub(super) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let database = if options.on_database_url {
        Database::open(settings).await?
    } else {
        println!("Starting a private Postgres …");
        Database::private(settings.data_dir()).await?
    };
    let clock = Clock::system();
    let secret = format!("whsec_demo{}", uuid::Uuid::new_v4().simple());
    let app = App::start(&database.url, roles(settings, &secret), clock.clone())?;
    let base = format!("http://{}", app.address().context("the demo serves HTTP")?);
    println!("Serving {base}\n");

    let api_key = api::create_key(&mut *database.pool.acquire().await?, "demo", clock.now()).await?;
    let client = crate::http_client::builder().build()?;
    let sender = Sender::new(client.clone(), &base, EndpointSecret::new("demo", &secret), clock);
    let merchant = Merchant::new(client, &base, &api_key.text);
    let told = tell(&sender, &merchant).await;

    let outcome = match told {
        Ok(expected) => check(&merchant, &expected).await,
        Err(error) => Err(error),
    };
    if outcome.is_ok() && !options.exit {
        where_to_look(&base, &database, &api_key.text, &secret);
        serve::until_told_to_stop().await?;
        println!("\nStopping …");
    }
    app.stop().await;
    database.close().await?;
    outcome
}

/// The settings' own address if it is free, else any; test mode, whatever the shop runs in.
fn roles(settings: &Settings, secret: &str) -> Roles {
    let shutdown_grace = Duration::from_secs(10);
    let wanted = settings.for_demo().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listen = match TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
    };
    let serve = ServeConfig {
        listen,
        platform_secrets: vec![LabelledSecret { label: "demo".to_owned(), secret: Secret::new(secret) }],
        connect_secrets: Vec::new(),
        livemode: false,
        stripe: None,
        public_url: None,
        cors_origins: Vec::new(),
        shutdown_grace,
    };
    let work = WorkerConfig {
        livemode: false,
        stripe: None,
        adoption_grace: ADOPTION_GRACE,
        order_wait: Duration::from_secs(600),
        provider: Some(ProviderChoice::Log),
        retry_base: Duration::from_secs(1),
        shutdown_grace,
    };
    Roles { serve: Some(serve), work: Some(work) }
}

/// Tells all stories; returns where each order must end.
async fn tell(sender: &Sender, merchant: &Merchant) -> anyhow::Result<Vec<Expected>> {
    let scenarios = Scenario::all(merchant).await?;
    let deliveries = scenarios.iter().map(|scenario| scenario.deliveries.len() as u64).sum();
    let bar = ProgressBar::new(deliveries).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} webhooks  {msg}")
            .unwrap_or(ProgressStyle::default_bar()),
    );
    let mut expected = Vec::new();
    for scenario in scenarios {
        bar.set_message(scenario.expected.story);
        for delivery in &scenario.deliveries {
            let answer = sender.post(delivery).await?;
            if answer != delivery.answer {
                bail!(
                    "{}: {} was answered {answer}, not {}",
                    scenario.expected.story,
                    delivery.event_type(),
                    delivery.answer
                );
            }
            bar.inc(1);
        }
        expected.push(scenario.expected);
    }
    bar.finish_and_clear();
    println!("{deliveries} webhooks were sent and answered as they must be.\n");
    Ok(expected)
}

/// Waits until every order is where it must be, and prints them.
async fn check(merchant: &Merchant, expected: &[Expected]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let orders = loop {
        let mut orders = Vec::new();
        for one in expected {
            orders.push(merchant.order(&one.stands_for).await?);
        }
        let there = orders.iter().zip(expected).all(|(order, one)| one.is_met_by(order.as_ref()));
        if there || Instant::now() > deadline {
            break orders;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };

    let mut table =
        output::table(&["order", "what happened", "status", "payment", "fulfilment", "as it must be"]);
    let mut wrong = 0;
    for (order, one) in orders.iter().zip(expected) {
        let is_met = one.is_met_by(order.as_ref());
        wrong += usize::from(!is_met);
        let text =
            |field: &str| order.as_ref().and_then(|order| order[field].as_str()).unwrap_or("-").to_owned();
        let verdict = if is_met { "yes".to_owned() } else { format!("NO: {}", one.status) };
        table.add_row([
            text("number"),
            one.story.to_owned(),
            text("status"),
            text("payment_status"),
            text("fulfilment_status"),
            verdict,
        ]);
    }
    println!("{table}\n");
    if wrong > 0 {
        bail!("{wrong} of {} orders are not where they must be", expected.len());
    }
    println!("All {} orders are where they must be.", expected.len());
    Ok(())
}

fn where_to_look(base: &str, database: &Database, api_key: &str, secret: &str) {
    println!(
        "\nWhere to look:\n  \
         the tables       psql '{}' -c 'select number, status, amount_paid from orders'\n  \
         one order        packline orders show NUMBER\n  \
         all events       packline events list\n  \
         the API          curl -H 'Authorization: Bearer {api_key}' {base}/v1/orders\n  \
         health, metrics  {base}/readyz  {base}/metrics\n\n\
         Post signed events of your own to {base}/webhooks/stripe with the secret {secret}\n\
         Ctrl-C stops it; the data is kept.",
        if database.is_private() { database.url.as_str() } else { "$DATABASE_URL" },
    );
}
