//! Ids that the seed decides: two servers with one seed and the same calls make the same ids.

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The source of ids: splitmix64, whose sequence no release of a library changes.
#[derive(Debug)]
pub(super) struct Ids(u64);

impl Ids {
    /// The sequence of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The prefix and `count` letters.
    pub(super) fn next(&mut self, prefix: &str, count: usize) -> String {
        let mut id = prefix.to_owned();
        id.extend((0..count).map(|_| self.letter()));
        id
    }

    fn letter(&mut self) -> char {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let place = usize::try_from(mixed % 62).unwrap_or_default();
        char::from(LETTERS[place])
    }
}
