//! The `Stripe-Signature` header, made without any code of the service that checks it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256 in lower-case hex.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(super) fn hmac_hex(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}

/// A secret that is the same in every run, whatever the seed, for somebody or something of this name. Nothing is secret
/// about it: the local Stripe is for development.
pub fn lasting_secret(of: &str) -> String {
    format!("whsec_{}", hmac_hex(b"local stripe", &[of.as_bytes()]))
}

/// `t=…,v1=…,v0=…`. In test mode Stripe adds a `v0` that proves nothing; it is one here too.
pub(super) fn header(secret: &str, timestamp: i64, body: &str) -> String {
    let signed =
        |key: &str| hmac_hex(key.as_bytes(), &[timestamp.to_string().as_bytes(), b".", body.as_bytes()]);
    format!("t={timestamp},v1={},v0={}", signed(secret), signed("not a secret"))
}

#[cfg(test)]
mod tests {
    use super::header;

    /// Computed by Python's `hmac`, with a key, a time and a body of our own.
    #[test]
    fn it_is_the_hmac_of_time_dot_body_under_the_whole_secret() {
        let header = header("whsec_test", 1_800_000_000, "{\n}");

        assert!(
            header.starts_with(
                "t=1800000000,v1=4f0389536604d061c4bc3a8810da490b90379e4c5d21107e853e601f1bcf0b11,v0="
            ),
            "{header}"
        );
    }
}
