//! `packline demo`: the whole service on a private cluster with a local Stripe beside it, and the life of a few orders,
//! told over HTTP exactly as merchants, customers and Stripe would.

mod customer;
mod dashboard;
mod forger;
mod merchant;
mod stories;
mod warehouse;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use self::customer::{Customer, PUBLISHABLE_KEY};
use self::dashboard::{Dashboard, SECRET_KEY};
use self::forger::Forger;
use self::merchant::Merchant;
use self::stories::{Cast, Expected, STORIES};
use self::warehouse::Warehouse;
use super::database::Database;
use super::{output, serve};
use crate::api;
use crate::app::{App, Roles};
use crate::clock::Clock;
use crate::config::{
    LabelledSecret, ProviderChoice, Secret, ServeConfig, Settings, StripeConfig, WorkerConfig,
};
use crate::fake_stripe::delivery::{Endpoint, Mode};
use crate::fake_stripe::{FakeStripe, Options as StripeOptions};

/// A demo need not wait as long as a shop.
const ADOPTION_GRACE: Duration = Duration::from_secs(2);
/// How long the orders may take to get where they must be.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where `packline fake-stripe` is too.
const STRIPE_PORT: u16 = 12111;

#[derive(Args)]
pub(super) struct Options {
    /// End when all orders are where they must be, instead of serving on
    #[arg(long)]
    exit: bool,
    /// Run on the database of DATABASE_URL instead of a private cluster; the sample orders, and what sends them, stay in it
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
    let stripe = start_stripe(&clock)?;
    let secret = format!("whsec_demo{}", uuid::Uuid::new_v4().simple());
    let app = App::start(&database.url, roles(settings, &secret, &stripe.base())?, clock.clone())?;
    let base = format!("http://{}", app.address().context("the demo serves HTTP")?);
    println!("Serving {base}, with a local Stripe at {}\n", stripe.base());

    let api_key = api::create_key(&mut *database.pool.acquire().await?, "demo", clock.now()).await?;
    let client = crate::http_client::builder().build()?;
    let warehouse =
        Warehouse::open(&mut *database.pool.acquire().await?, client.clone(), &base, clock.now()).await?;
    let cast = Cast {
        merchant: Merchant::new(client.clone(), &base, &api_key.text),
        customer: Customer::new(client.clone(), &base, &stripe.base()),
        dashboard: Dashboard::new(client.clone(), &stripe.base()),
        forger: Forger::new(client, &base, clock),
        stripe: &stripe,
    };
    subscribe(&stripe, &base, &secret)?;

    let outcome = match tell(&cast).await {
        Ok(expected) => check(&cast.merchant, &expected).await,
        Err(error) => Err(error),
    };
    if outcome.is_ok() && !options.exit {
        let to_pay = cast.merchant.place_to_pay(json!({ "payment": { "mode": "server" } })).await?;
        let page = format!("{base}/checkout/{}?token={}", to_pay.id, to_pay.checkout_token);
        where_to_look(&base, &page, &stripe.base(), &database, &api_key.text);
        serve::until_told_to_stop().await?;
        println!("\nStopping …");
    }
    stripe.stop().await;
    warehouse.close().await;
    app.stop().await;
    database.close().await?;
    outcome
}

/// Where it always is, or on any port where that one is taken.
fn start_stripe(clock: &Clock) -> anyhow::Result<FakeStripe> {
    let any_port = StripeOptions {
        // Other ids than the last time, since the data of the last time is still there.
        seed: rand::random(),
        ..StripeOptions::new(clock.clone())
    };
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, STRIPE_PORT));
    FakeStripe::start(StripeOptions { listen: usual, ..any_port.clone() })
        .or_else(|_| FakeStripe::start(any_port))
        .context("the local Stripe does not start")
}

/// Has everything told to Packline three times, in any order.
fn subscribe(stripe: &FakeStripe, base: &str, secret: &str) -> anyhow::Result<()> {
    let platform = Endpoint { secret: secret.to_owned(), ..Endpoint::to(format!("{base}/webhooks/stripe")) };
    let connected = Endpoint {
        secret: secret.to_owned(),
        connect: true,
        ..Endpoint::to(format!("{base}/webhooks/stripe/connect"))
    };
    for endpoint in [platform, connected] {
        stripe.deliveries().add_endpoint(endpoint).map_err(anyhow::Error::msg)?;
    }
    let mode = Mode { duplicate: 3, shuffle: true, ..Mode::default() };
    stripe.deliveries().set_mode(mode).map_err(anyhow::Error::msg)
}

/// The address if it is free, else another port.
fn free_or_any(wanted: SocketAddr) -> SocketAddr {
    match TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
    }
}

/// The settings' own address if it is free; test mode and the local Stripe, whatever the shop runs with.
fn roles(settings: &Settings, secret: &str, stripe_base: &str) -> anyhow::Result<Roles> {
    let shutdown_grace = Duration::from_secs(10);
    let stripe = StripeConfig {
        publishable_key: Some(PUBLISHABLE_KEY.to_owned()),
        // Nobody else calls the local one.
        calls_per_second: 1000,
        ..StripeConfig::new(Secret::new(SECRET_KEY), stripe_base.parse()?).map_err(anyhow::Error::msg)?
    };
    let secrets = vec![LabelledSecret { label: "demo".to_owned(), secret: Secret::new(secret) }];
    let serve = ServeConfig {
        listen: free_or_any(settings.for_demo().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
        platform_secrets: secrets.clone(),
        connect_secrets: secrets,
        livemode: false,
        stripe: Some(stripe.clone()),
        public_url: None,
        cors_origins: Vec::new(),
        committers: 1,
        shutdown_grace,
    };
    let work = WorkerConfig {
        metrics_listen: None,
        livemode: false,
        stripe: Some(stripe),
        adoption_grace: ADOPTION_GRACE,
        order_wait: Duration::from_secs(600),
        provider: Some(ProviderChoice::Log),
        provider_timeout: Duration::from_secs(10),
        retry_base: Duration::from_secs(1),
        max_age: Duration::from_secs(3600),
        payload_retention: None,
        answer_retention: None,
        shutdown_grace,
    };
    Ok(Roles { serve: Some(serve), work: Some(work) })
}

/// Tells all stories; returns where each order must end.
async fn tell(cast: &Cast<'_>) -> anyhow::Result<Vec<Expected>> {
    let bar = ProgressBar::new(STORIES).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} stories  {msg}")
            .unwrap_or(ProgressStyle::default_bar()),
    );
    let expected = cast
        .tell(|story| {
            bar.set_message(story);
            bar.inc(1);
        })
        .await?;
    bar.finish_and_clear();
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

fn where_to_look(base: &str, page: &str, stripe: &str, database: &Database, api_key: &str) {
    println!(
        "\nWhere to look:\n  \
         pay for one       {page}\n  \
         the tables        psql '{}' -c 'select number, status, amount_paid from orders'\n  \
         one order         packline orders show NUMBER\n  \
         all events        packline events list\n  \
         the API           curl -H 'Authorization: Bearer {api_key}' {base}/v1/orders\n  \
         health, metrics   {base}/readyz  {base}/metrics\n  \
         the local Stripe  stripe trigger payment_intent.succeeded --api-base {stripe}\n\n\
         Ctrl-C stops it; the data is kept.",
        if database.is_private() { database.url.as_str() } else { "$DATABASE_URL" },
    );
}
