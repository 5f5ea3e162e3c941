//! Every setting: a flag with an environment twin, documented here and nowhere else twice.
//!
//! [`Settings`] is what was said, [`ServeConfig`] and [`WorkerConfig`] are what a command can rely on. All faults are
//! reported at once. Secrets are kept in types whose `Debug` output hides them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

mod faults;
mod parse;
mod secret;
mod stripe;

pub use faults::Faults;
pub use secret::{LabelledSecret, Secret};
pub use stripe::StripeConfig;

const STRIPE_API_BASE: &str = "https://api.stripe.com";

/// The settings, as flags and environment variables.
#[derive(Args, Clone)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Postgres, as postgres://user:password@host/database. Without it Packline starts a private cluster from the
    /// Postgres programs of this machine.
    #[arg(long, env, global = true, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// Where HTTP is served. Port 0 takes a free one.
    #[arg(
        long = "listen",
        env = "PACKLINE_LISTEN",
        global = true,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    listen: String,

    /// Where `packline worker` serves /metrics, /healthz and /readyz, and nothing else; by default nowhere. `serve` has
    /// them where it listens.
    #[arg(long = "metrics-listen", env = "PACKLINE_METRICS_LISTEN", global = true, value_name = "ADDRESS")]
    metrics_listen: Option<String>,

    /// Signing secret (whsec_…) of the endpoint /webhooks/stripe. While a secret is rolled: a list with commas, each
    /// with a label if you like, as new=whsec_…,old=whsec_….
    #[arg(long, env, global = true, value_name = "SECRETS", hide_env_values = true)]
    stripe_webhook_secret: Option<String>,

    /// The same for the endpoint /webhooks/stripe/connect, which takes the events of connected accounts.
    #[arg(long, env, global = true, value_name = "SECRETS", hide_env_values = true)]
    stripe_connect_webhook_secret: Option<String>,

    /// Which of Stripe's modes this service is for: test or live. Events of the other mode are stored and set aside, and a
    /// key of the other mode is refused. Each mode needs a database of its own.
    #[arg(long, env, global = true, value_name = "MODE", default_value = "test")]
    stripe_mode: String,

    /// Secret key (sk_… or rk_…) with which Packline calls Stripe: for orders that it takes the payment of. Without it
    /// Packline only receives events. `packline fake-stripe` takes any sk_test_….
    #[arg(long, env, global = true, value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: Option<String>,

    /// Publishable key (pk_…) that the payment page gives to Stripe.js.
    #[arg(long, env, global = true, value_name = "KEY")]
    stripe_publishable_key: Option<String>,

    /// Where Stripe's API is; `http://127.0.0.1:12111` for `packline fake-stripe`.
    #[arg(long, env, global = true, value_name = "URL", default_value = STRIPE_API_BASE)]
    stripe_api_base: String,

    /// Where the PDFs of quotes are; by default Stripe's `https://files.stripe.com`, or where STRIPE_API_BASE is if that is
    /// not Stripe's.
    #[arg(long, env, global = true, value_name = "URL")]
    stripe_files_base: Option<String>,

    /// How many calls a second Packline makes to Stripe at most. Stripe takes 25 in a sandbox and 100 in live mode, of
    /// all callers together.
    #[arg(long, env, global = true, value_name = "CALLS", default_value = "20")]
    stripe_rate_limit: String,

    /// Client id (ca_…) of your Connect platform, for accounts that are connected by OAuth.
    #[arg(long, env, global = true, value_name = "ID")]
    stripe_connect_client_id: Option<String>,

    /// Where browsers reach this service, as `https://pay.your.shop`; by default the address that is listened on.
    #[arg(long = "public-url", env = "PACKLINE_PUBLIC_URL", global = true, value_name = "URL")]
    public_url: Option<String>,

    /// The origins, with commas, whose pages may call /pay from a browser: for shops with a payment form of their own.
    #[arg(long = "cors-origins", env = "PACKLINE_CORS_ORIGINS", global = true, value_name = "ORIGINS")]
    cors_origins: Option<String>,

    /// Where paid orders are sent: an http(s) URL of your warehouse or its adapter.
    #[arg(long, env, global = true, value_name = "URL", hide_env_values = true)]
    fulfilment_url: Option<String>,

    /// Secret (whsec_ and base64) with which requests to FULFILMENT_URL are signed, by the Standard Webhooks scheme.
    #[arg(long, env, global = true, value_name = "SECRET", hide_env_values = true)]
    fulfilment_secret: Option<String>,

    /// What fulfils: http (FULFILMENT_URL), log (only writes a log line, for development) or none (paid orders wait).
    /// By default http where there is a URL, log on a private cluster in test mode, else none.
    #[arg(long, env, global = true, value_name = "PROVIDER")]
    fulfilment_provider: Option<String>,

    /// How long one request to the provider may take.
    #[arg(long, env, global = true, value_name = "TIME", default_value = "10s")]
    fulfilment_timeout: String,

    /// The wait before the second try; it doubles with each further one.
    #[arg(long, env, global = true, value_name = "TIME", default_value = "10s")]
    fulfilment_retry_base: String,

    /// How long a fulfilment is tried before a person must act.
    #[arg(long, env, global = true, value_name = "TIME", default_value = "3d")]
    fulfilment_max_age: String,

    /// How long a success that belongs to no known order waits before an order is made of it.
    #[arg(
        long = "adoption-grace",
        env = "PACKLINE_ADOPTION_GRACE",
        global = true,
        value_name = "TIME",
        default_value = "15s"
    )]
    adoption_grace: String,

    /// How long a success that names an unknown order in metadata.order_id waits for that order before it is made
    /// into one that is held.
    #[arg(
        long = "order-wait",
        env = "PACKLINE_ORDER_WAIT",
        global = true,
        value_name = "TIME",
        default_value = "10m"
    )]
    order_wait: String,

    /// How long the payloads of applied events are kept, those of set-aside events four times as long: 1d or more, or
    /// never to keep all. The ledger itself is kept for ever.
    #[arg(
        long = "payload-retention",
        env = "PACKLINE_PAYLOAD_RETENTION",
        global = true,
        value_name = "TIME",
        default_value = "90d"
    )]
    payload_retention: String,

    /// How long the answer to a request with an Idempotency-Key is kept for its repetition: 1d or more, or never to keep
    /// all.
    #[arg(
        long = "answer-retention",
        env = "PACKLINE_ANSWER_RETENTION",
        global = true,
        value_name = "TIME",
        default_value = "30d"
    )]
    answer_retention: String,

    /// How many batches of events are stored at the same time, 1 to 8. More than one helps where the disk takes long to
    /// confirm a commit, and only there.
    #[arg(long, env = "PACKLINE_COMMITTERS", global = true, value_name = "NUMBER", default_value = "1")]
    committers: String,

    /// How long a stopping process may take to finish what it began.
    #[arg(
        long = "shutdown-grace",
        env = "PACKLINE_SHUTDOWN_GRACE",
        global = true,
        value_name = "TIME",
        default_value = "20s"
    )]
    shutdown_grace: String,

    /// The folder of the private cluster.
    #[arg(
        long = "data-dir",
        env = "PACKLINE_DATA_DIR",
        global = true,
        value_name = "FOLDER",
        default_value = ".packline"
    )]
    data_dir: PathBuf,

    /// What is logged: error, warn, info, debug, trace, or a filter such as packline=debug,sqlx=warn.
    #[arg(long = "log", env = "PACKLINE_LOG", global = true, value_name = "FILTER", default_value = "info")]
    log: String,

    /// How it is logged: pretty or json.
    #[arg(
        long = "log-format",
        env = "PACKLINE_LOG_FORMAT",
        global = true,
        value_name = "FORMAT",
        default_value = "pretty"
    )]
    log_format: String,
}

/// Where the tables are.
#[derive(Clone)]
pub enum DatabaseConfig {
    /// A Postgres that somebody else runs.
    Url(Secret),
    /// A cluster of our own in this folder.
    Private(PathBuf),
}

/// What fulfils paid orders.
#[derive(Clone, Debug)]
pub enum ProviderChoice {
    /// Writes a log line and calls the order fulfilled.
    Log,
    /// Sends the order to a URL.
    Http {
        /// Where to.
        url: reqwest::Url,
        /// Signs the requests, by the Standard Webhooks scheme: `whsec_` and base64.
        secret: Option<Secret>,
        /// How long one request may take.
        timeout: Duration,
    },
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What `serve` needs.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The secrets of `/webhooks/stripe`; at least one.
    pub platform_secrets: Vec<LabelledSecret>,
    /// The secrets of `/webhooks/stripe/connect`; none closes that endpoint.
    pub connect_secrets: Vec<LabelledSecret>,
    /// Whether events of live mode are ours, else those of test mode.
    pub livemode: bool,
    /// How Stripe is called; `None` takes no payments.
    pub stripe: Option<StripeConfig>,
    /// Where browsers reach this service; `None` is where it listens.
    pub public_url: Option<reqwest::Url>,
    /// The origins whose pages may call what browsers call.
    pub cors_origins: Vec<String>,
    /// How many batches of events are stored at the same time.
    pub committers: usize,
    /// How long a stopping process may take.
    pub shutdown_grace: Duration,
}

/// What the workers need.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Where a process that only works is looked at; `None` is nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether events of live mode are ours, else those of test mode.
    pub livemode: bool,
    /// How Stripe is called; `None` leaves calls with an unknown outcome as they are.
    pub stripe: Option<StripeConfig>,
    /// How long an unknown success waits before it is adopted.
    pub adoption_grace: Duration,
    /// How long a success waits for the order that its metadata names.
    pub order_wait: Duration,
    /// What fulfils paid orders; `None` lets them wait.
    pub provider: Option<ProviderChoice>,
    /// How long one request to a provider may take that has no time of its own.
    pub provider_timeout: Duration,
    /// The wait before a second try.
    pub retry_base: Duration,
    /// How long is tried before a person must act.
    pub max_age: Duration,
    /// How long payloads of applied events are kept; `None` is for ever.
    pub payload_retention: Option<Duration>,
    /// How long answers under an `Idempotency-Key` are kept; `None` is for ever.
    pub answer_retention: Option<Duration>,
    /// How long a stopping process may take.
    pub shutdown_grace: Duration,
}

impl Settings {
    /// The log filter where none is given.
    pub const DEFAULT_LOG: &str = "info";

    /// Where the tables are; an empty URL is none.
    pub fn database(&self) -> DatabaseConfig {
        match self.database_url.as_deref().map(str::trim) {
            Some(url) if !url.is_empty() => DatabaseConfig::Url(Secret::new(url)),
            _ => DatabaseConfig::Private(self.data_dir.clone()),
        }
    }

    /// The folder of the private cluster.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where to listen, as it was given.
    pub fn listen(&self) -> &str {
        self.listen.trim()
    }

    /// Where the demo listens if it can; none where the setting is no address.
    pub fn for_demo(&self) -> Option<SocketAddr> {
        self.listen.trim().parse().ok()
    }

    /// The log filter and format.
    ///
    /// # Errors
    /// An unknown format.
    pub fn log(&self) -> Result<(&str, LogFormat), Faults> {
        let mut faults = Faults::default();
        let format = faults.keep(parse::log_format(&self.log_format));
        faults.finish(format.map(|format| (self.log.as_str(), format)))
    }

    /// What `serve` needs, checked.
    ///
    /// # Errors
    /// All faults of these settings at once.
    pub fn for_serve(&self) -> Result<ServeConfig, Faults> {
        let mut faults = Faults::default();
        let listen =
            faults.keep(parse::value("PACKLINE_LISTEN", &self.listen, "an address such as 127.0.0.1:8080"));
        let platform_secrets = faults.keep(match &self.stripe_webhook_secret {
            Some(list) => parse::endpoint_secrets("STRIPE_WEBHOOK_SECRET", list),
            None => Err("STRIPE_WEBHOOK_SECRET is not set: give the signing secret (whsec_…) that the Stripe Dashboard \
                         shows for this endpoint, or that `stripe listen` prints"
                .to_owned()),
        });
        let connect_secrets = faults.keep(match &self.stripe_connect_webhook_secret {
            Some(list) if !list.is_empty() => parse::endpoint_secrets("STRIPE_CONNECT_WEBHOOK_SECRET", list),
            _ => Ok(Vec::new()),
        });
        let livemode = faults.keep(self.livemode());
        let stripe = faults.keep(self.stripe());
        let public_url = faults.keep(match given(&self.public_url) {
            Some(url) => parse::http_url("PACKLINE_PUBLIC_URL", url).map(Some),
            None => Ok(None),
        });
        let cors_origins = faults
            .keep(parse::origins("PACKLINE_CORS_ORIGINS", given(&self.cors_origins).unwrap_or_default()));
        let committers = faults.keep(parse::committers("PACKLINE_COMMITTERS", &self.committers));
        let shutdown_grace = faults.keep(parse::duration("PACKLINE_SHUTDOWN_GRACE", &self.shutdown_grace));
        faults.finish((|| {
            Some(ServeConfig {
                listen: listen?,
                platform_secrets: platform_secrets?,
                connect_secrets: connect_secrets?,
                livemode: livemode?,
                stripe: stripe?,
                public_url: public_url?,
                cors_origins: cors_origins?,
                committers: committers?,
                shutdown_grace: shutdown_grace?,
            })
        })())
    }

    /// What the workers need, checked.
    ///
    /// # Errors
    /// All faults of these settings at once.
    pub fn for_worker(&self) -> Result<WorkerConfig, Faults> {
        let mut faults = Faults::default();
        let metrics_listen = faults.keep(match given(&self.metrics_listen) {
            Some(address) => {
                parse::value("PACKLINE_METRICS_LISTEN", address, "an address such as 127.0.0.1:9090")
                    .map(Some)
            }
            None => Ok(None),
        });
        let adoption_grace = faults.keep(parse::duration("PACKLINE_ADOPTION_GRACE", &self.adoption_grace));
        let order_wait = faults.keep(parse::duration("PACKLINE_ORDER_WAIT", &self.order_wait));
        let provider_timeout = faults.keep(parse::duration("FULFILMENT_TIMEOUT", &self.fulfilment_timeout));
        let retry_base = faults.keep(parse::duration("FULFILMENT_RETRY_BASE", &self.fulfilment_retry_base));
        let max_age = faults.keep(parse::duration("FULFILMENT_MAX_AGE", &self.fulfilment_max_age));
        let payload_retention =
            faults.keep(parse::retention("PACKLINE_PAYLOAD_RETENTION", &self.payload_retention));
        let answer_retention =
            faults.keep(parse::retention("PACKLINE_ANSWER_RETENTION", &self.answer_retention));
        let shutdown_grace = faults.keep(parse::duration("PACKLINE_SHUTDOWN_GRACE", &self.shutdown_grace));
        let livemode = faults.keep(self.livemode());
        let stripe = faults.keep(self.stripe());
        let provider = faults.keep(self.provider(provider_timeout.unwrap_or_default()));
        faults.finish((|| {
            Some(WorkerConfig {
                metrics_listen: metrics_listen?,
                livemode: livemode?,
                stripe: stripe?,
                adoption_grace: adoption_grace?,
                order_wait: order_wait?,
                provider: provider?,
                provider_timeout: provider_timeout?,
                retry_base: retry_base?,
                max_age: max_age?,
                payload_retention: payload_retention?,
                answer_retention: answer_retention?,
                shutdown_grace: shutdown_grace?,
            })
        })())
    }

    /// Whether connected accounts of live mode are meant, else those of test mode.
    ///
    /// # Errors
    /// An unknown mode.
    pub fn for_accounts(&self) -> Result<bool, Faults> {
        let mut faults = Faults::default();
        let livemode = faults.keep(self.livemode());
        faults.finish(livemode)
    }

    fn livemode(&self) -> Result<bool, String> {
        match self.stripe_mode.as_str() {
            "live" => Ok(true),
            "test" => Ok(false),
            other => Err(format!("STRIPE_MODE: {other:?} is no mode of Stripe: give test or live")),
        }
    }

    /// `log` is chosen unasked only where nothing can be lost: on the private cluster, in test mode.
    fn provider(&self, timeout: Duration) -> Result<Option<ProviderChoice>, String> {
        let url = self.fulfilment_url.as_deref().filter(|url| !url.is_empty());
        let in_development =
            matches!(self.database(), DatabaseConfig::Private(_)) && self.livemode() == Ok(false);
        let chosen = match self.fulfilment_provider.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => name,
            None if url.is_some() => "http",
            None if in_development => "log",
            None => "none",
        };
        match (chosen, url) {
            ("none", _) => Ok(None),
            ("log", _) => Ok(Some(ProviderChoice::Log)),
            ("http", Some(url)) => Ok(Some(ProviderChoice::Http {
                url: parse::http_url("FULFILMENT_URL", url)?,
                secret: self.signing_secret()?,
                timeout,
            })),
            ("http", None) => Err(
                "FULFILMENT_URL is not set, but FULFILMENT_PROVIDER is http: give the URL of the warehouse"
                    .into(),
            ),
            (other, _) => {
                Err(format!("FULFILMENT_PROVIDER: {other:?} is no provider: give http, log or none"))
            }
        }
    }

    fn signing_secret(&self) -> Result<Option<Secret>, String> {
        match self.fulfilment_secret.as_deref().filter(|secret| !secret.is_empty()) {
            None => Ok(None),
            Some(secret) => parse::signing_secret("FULFILMENT_SECRET", secret).map(Some),
        }
    }
}

/// A setting that is set to something; an empty one is none.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
