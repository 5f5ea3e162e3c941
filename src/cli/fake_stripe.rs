//! `packline fake-stripe`: a local Stripe to develop against.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::serve::StopSignal;
use crate::clock::Clock;
use crate::fake_stripe::delivery::{ApiVersion, Endpoint, Mode, lasting_secret};
use crate::fake_stripe::{self, FakeStripe};

/// How the local Stripe starts.
#[derive(Args)]
pub(super) struct Options {
    /// Decides ids and whatever is left to chance; another one in each run unless given
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Post events to this URL, signed with this secret or one that is printed; may be given several times
    #[arg(long, value_name = "URL[=whsec_…]", value_parser = target)]
    webhook: Vec<Target>,
    /// The same for the events of connected accounts
    #[arg(long, value_name = "URL[=whsec_…]", value_parser = target)]
    connect_webhook: Vec<Target>,
    /// How objects look in events: `new`, `old`, or an API version
    #[arg(long, default_value = "new", value_name = "SHAPE", value_parser = shape)]
    shape: String,
    /// Send every event so many times
    #[arg(long, default_value_t = 1, value_name = "TIMES")]
    duplicate: u32,
    /// Send events in an order drawn from the seed
    #[arg(long)]
    shuffle: bool,
    /// Send events so much later
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// Send events only when told: `curl -X POST …/_fake/deliveries/deliver`
    #[arg(long)]
    hold: bool,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    url: String,
    secret: String,
}

fn target(text: &str) -> Result<Target, String> {
    let (url, secret) = match text.rsplit_once("=whsec_") {
        Some((url, secret)) => (url, format!("whsec_{secret}")),
        None => (text, lasting_secret(text)),
    };
    match reqwest::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) => {
            Ok(Target { url: url.to_owned(), secret })
        }
        _ => Err(format!("{url:?} is no URL of http or https")),
    }
}

fn shape(text: &str) -> Result<String, String> {
    ApiVersion::parse(text).map(|_| text.to_owned())
}

/// Where it listens unless `--listen` says otherwise. PACKLINE_LISTEN is where Packline does.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 12111);

/// Serves a local Stripe until it is told to stop.
pub(super) async fn run(options: Options, listen: Option<&str>) -> anyhow::Result<()> {
    let mut stop = StopSignal::listen()?;
    let mut start = fake_stripe::Options::new(Clock::system());
    start.listen = match listen {
        Some(text) => {
            text.parse().with_context(|| format!("--listen: {text:?} is not an address such as {LISTEN}"))?
        }
        None => LISTEN,
    };
    let listen = start.listen;
    // A service that keeps its database must not take the events of two runs for the same.
    start.seed = options.seed.unwrap_or_else(rand::random);
    let seed = start.seed;
    let mut stripe = FakeStripe::start(start)
        .with_context(|| format!("the local Stripe cannot listen on {listen}; give another --listen"))?;
    let mode = Mode {
        hold: options.hold,
        duplicate: options.duplicate,
        delay_ms: u64::try_from(options.delay.as_millis())?,
        shuffle: options.shuffle,
        shape: Some(options.shape),
        ..Mode::default()
    };
    stripe.deliveries().set_mode(mode).map_err(anyhow::Error::msg)?;
    let mut endpoints = Vec::new();
    let account = options.webhook.into_iter().map(|target| (target, false));
    let connect = options.connect_webhook.into_iter().map(|target| (target, true));
    for (target, connect) in account.chain(connect) {
        let endpoint = Endpoint { secret: target.secret, connect, ..Endpoint::to(target.url) };
        endpoints.push(stripe.deliveries().add_endpoint(endpoint).map_err(anyhow::Error::msg)?);
    }
    tracing::info!("serving {}", stripe.base());
    print!("{}", greeting(&stripe.base(), seed, stripe.deliveries().version().as_str(), &endpoints));

    tokio::select! {
        () = stop.received() => {}
        ended = stripe.wait() => return ended.context("the local Stripe ended by itself"),
    }
    stripe.stop().await;
    Ok(())
}

fn greeting(base: &str, seed: u64, version: &str, endpoints: &[Endpoint]) -> String {
    let mut text = format!(
        "Local Stripe at {base}, API version {version}, seed {seed}. It keeps nothing when it ends.\n\n\
         Packline:\n  export STRIPE_API_BASE={base} STRIPE_SECRET_KEY=sk_test_local STRIPE_PUBLISHABLE_KEY=pk_test_local\n"
    );
    for endpoint in endpoints {
        let (of, variable) = if endpoint.connect {
            ("Events of connected accounts", "STRIPE_CONNECT_WEBHOOK_SECRET")
        } else {
            ("Events", "STRIPE_WEBHOOK_SECRET")
        };
        text += &format!("{of} go to {}:\n  export {variable}={}\n", endpoint.url, endpoint.secret);
    }
    text + &format!(
        "\nThe Stripe CLI:\n  export STRIPE_API_KEY=sk_test_local\n  \
         export STRIPE_WEBHOOK_SECRET=$(stripe listen --print-secret --api-base {base} --all-snapshot --skip-update)\n  \
         stripe listen --api-base {base} --all-snapshot --skip-update \\\n    \
         --forward-to http://127.0.0.1:8080/webhooks/stripe\n  \
         stripe trigger payment_intent.succeeded --api-base {base}\n\n\
         Ctrl-C ends it.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{Target, target};

    #[test]
    fn a_target_is_a_url_with_or_without_a_secret() {
        let read = |url: &str, secret: &str| Ok(Target { url: url.to_owned(), secret: secret.to_owned() });

        let without = target("http://127.0.0.1:8080/hook").unwrap();
        assert_eq!(Ok(without.clone()), read("http://127.0.0.1:8080/hook", &without.secret));
        assert!(without.secret.starts_with("whsec_"));
        assert_ne!(without.secret, target("http://127.0.0.1:8080/other").unwrap().secret);
        assert_eq!(target("http://h/?a=b=whsec_x=y"), read("http://h/?a=b", "whsec_x=y"));
        assert!(target("127.0.0.1:8080").is_err());
        assert!(target("ftp://h/=whsec_x").is_err());
    }
}
