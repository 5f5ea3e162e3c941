//! Order numbers: short, without look-alikes, from no sequence, so that many processes can make them at once.

use rand::RngExt;

/// Crockford's base 32: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new number such as `P-7K3F9-Q2M8A`: fifty random bits; the table's unique constraint settles the rest.
pub(super) fn random() -> String {
    let mut random = rand::rng();
    let mut digits =
        || (0..5).map(|_| char::from(DIGITS[random.random_range(0..DIGITS.len())])).collect::<String>();
    format!("P-{}-{}", digits(), digits())
}
