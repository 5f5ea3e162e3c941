//! Whoever carries orders out, as the worker sees it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use time::OffsetDateTime;

use super::store::ProviderRow;
use super::{CannotSend, Delivery, DigitalProvider, HttpProvider, LogProvider, LookUp, Outcome, Recall};
use crate::clock::Clock;
use crate::config::{ProviderChoice, Secret};

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries orders out. Implementations bound their own time and never panic for what the other side says.
pub trait Provider: Send + Sync + 'static {
    /// What it is, for logs.
    fn name(&self) -> &'static str;

    /// Hands a fulfilment over. The other side must treat a known [`Delivery::idempotency_key`] as a repetition.
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome>;

    /// Asks whether the provider has what was sent under a key. It changes nothing.
    fn look_up<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, LookUp>;

    /// Asks the provider not to send what it has under a key. Asking again is a repetition.
    fn recall<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, Recall> {
        let _ = idempotency_key;
        Box::pin(async { Recall::NotOffered })
    }
}

/// Builds the provider that the settings choose.
///
/// # Errors
/// Requests could not be made or signed with these settings.
pub fn provider(choice: &ProviderChoice, clock: Clock) -> Result<Arc<dyn Provider>, CannotSend> {
    Ok(match choice {
        ProviderChoice::Log => Arc::new(LogProvider),
        ProviderChoice::Http { url, secret, timeout } => {
            Arc::new(HttpProvider::new(url.clone(), secret.as_ref(), *timeout, clock)?)
        }
    })
}

/// All providers that a process can reach: the one that its settings name, and those of the table, built when they are
/// first needed and again when their rows change.
pub struct Providers {
    pool: PgPool,
    clock: Clock,
    timeout: Duration,
    given: HashMap<String, Arc<dyn Provider>>,
    built: Mutex<HashMap<String, Built>>,
}

/// What became of a row.
struct Built {
    updated_at: OffsetDateTime,
    provider: Result<Arc<dyn Provider>, String>,
}

/// The name of the provider that the settings name.
pub const DEFAULT_PROVIDER: &str = "default";

impl Providers {
    /// Those of a database. `timeout` bounds requests to those that have no time of their own.
    pub fn new(pool: PgPool, clock: Clock, timeout: Duration) -> Self {
        Self { pool, clock, timeout, given: HashMap::new(), built: Mutex::default() }
    }

    /// With this one under a name, whatever the table says of it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, provider: Arc<dyn Provider>) -> Self {
        self.given.insert(name.into(), provider);
        self
    }

    /// The provider of a row, or why there is none.
    pub(super) fn of(&self, row: &ProviderRow) -> Result<Arc<dyn Provider>, String> {
        if let Some(given) = self.given.get(&row.name) {
            return Ok(Arc::clone(given));
        }
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = built.get(&row.name).filter(|built| built.updated_at == row.updated_at) {
            return built.provider.clone();
        }
        let provider = self.build(row);
        if let Err(why) = &provider {
            tracing::warn!(provider = row.name, why, "nothing is sent to this provider");
        }
        let kept = Built { updated_at: row.updated_at, provider: provider.clone() };
        built.insert(row.name.clone(), kept);
        provider
    }

    fn build(&self, row: &ProviderRow) -> Result<Arc<dyn Provider>, String> {
        let secret = row.secret.as_deref().map(Secret::new);
        let told = |error: CannotSend| format!("the provider {} cannot be used: {error}", row.name);
        match row.kind.as_str() {
            "settings" => Err("no provider is set: set FULFILMENT_URL or FULFILMENT_PROVIDER".to_owned()),
            "log" => Ok(Arc::new(LogProvider)),
            "http" => {
                let url = row.url.as_deref().unwrap_or_default().parse();
                let url = url.map_err(|_| told(CannotSend::Url))?;
                let timeout = row.timeout_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
                let timeout = timeout.unwrap_or(self.timeout);
                let http = HttpProvider::new(url, secret.as_ref(), timeout, self.clock.clone());
                Ok(Arc::new(http.map_err(told)?))
            }

            "digital" => {
                let secret = secret.ok_or_else(|| told(CannotSend::Secret))?;
                let digital = DigitalProvider::new(self.pool.clone(), self.clock.clone(), &secret);
                Ok(Arc::new(digital.map_err(told)?))
            }
            kind => Err(format!("the provider {} is of a kind that this version lacks: {kind}", row.name)),
        }
    }
}
