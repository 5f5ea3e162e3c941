//! Logs and metrics. Logs carry ids and decisions, never bodies, secrets or e-mail addresses.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging to standard error.
///
/// # Errors
/// The filter cannot be read, or logging was started before.
pub fn start_logging(
    filter: &str,
    format: LogFormat,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("PACKLINE_LOG: {filter:?} is no filter ({error}): give a level such as info")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Pretty => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    }
}

/// An empty registry; every metric is called `packline_…`.
pub fn registry() -> Registry {
    Registry::with_prefix("packline")
}

/// All metrics in the text format of OpenMetrics.
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    _ = encode(&mut text, registry);
    text
}
