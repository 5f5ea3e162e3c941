//! What a browser shows instead of an API key: 256 random bits in an address or a cookie, kept as their SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use sha2::{Digest, Sha256};

/// A token that was just made: the only time that its text is known.
pub(super) struct Token(pub String);

impl Token {
    pub fn random() -> Self {
        let secret: [u8; 32] = rand::rng().random();
        Self(URL_SAFE_NO_PAD.encode(secret))
    }

    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

/// What is kept of a token.
pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
