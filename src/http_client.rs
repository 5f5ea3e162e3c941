//! The HTTP client that everything of ours uses: one TLS library, no redirects.

use reqwest::{ClientBuilder, redirect};

/// A client to be built: TLS by rustls with ring and the system's certificates; redirects are answers, not followed.
pub fn builder() -> ClientBuilder {
    // Another part of the program may have chosen it already; the choice is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .user_agent(concat!("packline/", env!("CARGO_PKG_VERSION")))
}
