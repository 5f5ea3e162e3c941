//! What must not be shown.

use std::fmt;

/// A text that must not be shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A signing secret of a webhook endpoint, under the name by which the ledger knows it.
#[derive(Clone, Debug)]
pub struct LabelledSecret {
    /// The name; never the secret.
    pub label: String,
    /// The whole secret, `whsec_` included.
    pub secret: Secret,
}
