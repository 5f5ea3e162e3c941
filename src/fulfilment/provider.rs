//! Whoever carries orders out, as the worker sees it.

use std::pin::Pin;
use std::sync::Arc;

use super::{CannotSend, Delivery, HttpProvider, LogProvider, LookUp, Outcome};
use crate::clock::Clock;
use crate::config::ProviderChoice;

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries orders out. Implementations bound their own time and never panic for what the other side says.
pub trait Provider: Send + Sync + 'static {
    /// The name in `fulfilments.provider`.
    fn name(&self) -> &'static str;

    /// Hands a fulfilment over. The other side must treat a known [`Delivery::idempotency_key`] as a repetition.
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome>;

    /// Asks whether the provider has what was sent under a key. It changes nothing.
    fn look_up<'a>(&'a self, idempotency_key: &'a str) -> Answer<'a, LookUp>;
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
