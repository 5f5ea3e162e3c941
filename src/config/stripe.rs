//! The settings by which Stripe is called.

use std::time::Duration;

use reqwest::Url;

use super::{STRIPE_API_BASE, Secret, Settings, given, parse};

/// How Stripe is called.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// `sk_…` or `rk_…`, of the mode of the service.
    pub secret_key: Secret,
    /// `pk_…`, for pages.
    pub publishable_key: Option<String>,
    /// Where `/v1/…` is.
    pub api_base: Url,
    /// Where `/oauth/token` and `/express/oauth/authorize` are.
    pub connect_base: Url,
    /// Where the PDFs of quotes are.
    pub files_base: Url,
    /// The script that pages load.
    pub js_url: Url,
    /// `ca_…`, for accounts that are connected by OAuth.
    pub connect_client_id: Option<String>,
    /// Calls a second at most.
    pub calls_per_second: u32,
    /// How long one attempt of a call may take.
    pub timeout: Duration,
    /// The wait after the first attempt; it doubles with each.
    pub retry_base: Duration,
}

impl StripeConfig {
    /// A configuration for a Stripe at a base; all that Stripe spreads over hosts is at this one, unless it is Stripe's.
    ///
    /// # Errors
    /// A base that nothing can be appended to.
    pub fn new(secret_key: Secret, api_base: Url) -> Result<Self, String> {
        let at =
            |base: &Url, path: &str| base.join(path).map_err(|error| format!("STRIPE_API_BASE: {error}"));
        let is_stripe = api_base.as_str().trim_end_matches('/') == STRIPE_API_BASE;
        let fixed = |url: &str| Url::parse(url).map_err(|error| error.to_string());
        Ok(Self {
            secret_key,
            publishable_key: None,
            connect_base: if is_stripe { fixed("https://connect.stripe.com")? } else { at(&api_base, "/")? },
            files_base: if is_stripe { fixed("https://files.stripe.com")? } else { at(&api_base, "/")? },
            js_url: if is_stripe { fixed("https://js.stripe.com/v3/")? } else { at(&api_base, "/v3/")? },
            api_base,
            connect_client_id: None,
            calls_per_second: 20,
            timeout: Duration::from_secs(30),
            retry_base: Duration::from_millis(500),
        })
    }
}

impl Settings {
    /// How Stripe is called; none without a secret key.
    pub(super) fn stripe(&self) -> Result<Option<StripeConfig>, String> {
        let Some(key) = given(&self.stripe_secret_key) else {
            return Ok(None);
        };
        let is_live = ["sk_live_", "rk_live_"].iter().any(|prefix| key.starts_with(prefix));
        if !is_live && !["sk_test_", "rk_test_"].iter().any(|prefix| key.starts_with(prefix)) {
            return Err("STRIPE_SECRET_KEY is no secret key: those begin with sk_test_, rk_test_, sk_live_ or rk_live_"
                .to_owned());
        }
        if self.livemode().is_ok_and(|livemode| livemode != is_live) {
            return Err(format!(
                "STRIPE_SECRET_KEY is a key of {} mode, but STRIPE_MODE is {}: give those of one mode",
                if is_live { "live" } else { "test" },
                self.stripe_mode,
            ));
        }
        let api_base = parse::http_url("STRIPE_API_BASE", &self.stripe_api_base)?;
        let mut config = StripeConfig::new(Secret::new(key), api_base)?;
        if let Some(url) = given(&self.stripe_files_base) {
            config.files_base = parse::http_url("STRIPE_FILES_BASE", url)?;
        }
        config.publishable_key = match given(&self.stripe_publishable_key) {
            Some(key) if !key.starts_with("pk_") => {
                return Err("STRIPE_PUBLISHABLE_KEY is no publishable key: those begin with pk_".to_owned());
            }
            key => key.map(str::to_owned),
        };
        config.connect_client_id = match given(&self.stripe_connect_client_id) {
            Some(id) if !id.starts_with("ca_") => {
                return Err("STRIPE_CONNECT_CLIENT_ID is no client id: those begin with ca_".to_owned());
            }
            id => id.map(str::to_owned),
        };
        config.calls_per_second =
            parse::value("STRIPE_RATE_LIMIT", &self.stripe_rate_limit, "a number of calls a second")?;
        if config.calls_per_second == 0 {
            return Err("STRIPE_RATE_LIMIT: 0 would allow no call at all".to_owned());
        }
        Ok(Some(config))
    }
}
