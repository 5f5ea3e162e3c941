//! Signs requests to the provider by the Standard Webhooks scheme, so that receivers verify with ready-made libraries.
//!
//! `webhook-signature: v1,<base64 of HMAC-SHA-256 over id.timestamp.body>`; the key is what the secret's base64 stands
//! for. Source: the Standard Webhooks specification, "Signature scheme". Its own crate would bring a second HMAC and a
//! second base64 along for these lines.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::CannotSend;
use crate::config::Secret;

/// A signing secret, keyed once. Its text cannot be read back.
#[derive(Clone)]
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// Reads `whsec_` and base64.
    pub(super) fn new(secret: &Secret) -> Result<Self, CannotSend> {
        let text = secret.expose();
        let key =
            STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(|_| CannotSend::Secret)?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| CannotSend::Secret)
    }

    /// The value of `webhook-signature`. `timestamp` is in Unix seconds.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// A signature of a text that fits into an address.
    pub(super) fn token(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.of(text).finalize().into_bytes())
    }

    /// Whether that is the signature of a text; how long it takes does not tell by how much it is not.
    pub(super) fn is_token(&self, text: &str, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|token| self.of(text).verify_slice(&token).is_ok())
    }

    fn of(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_the_standard_webhooks_libraries_is_reproduced() {
        let signer = Signer::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();

        let signature =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);

        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_no_base64_is_refused() {
        assert!(Signer::new(&Secret::new("whsec_?")).is_err());
    }
}
