//! Amounts as Stripe gives them: integers in minor units, always with their currency.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod commission;

pub use commission::Commission;

/// A three-letter ISO 4217 code in lower case, as Stripe writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z]{3}$", example = "usd")]
pub struct Currency([u8; 3]);

/// A text that is no currency code.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a currency: give a three-letter ISO code such as \"usd\"")]
pub struct NotACurrency(String);

impl Currency {
    /// Reads a code in either case.
    ///
    /// # Errors
    /// The text is not three ASCII letters.
    pub fn parse(text: &str) -> Result<Self, NotACurrency> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_alphabetic) => {
                Ok(Self([a, b, c].map(|letter| letter.to_ascii_lowercase())))
            }
            _ => Err(NotACurrency(text.to_owned())),
        }
    }

    /// The code in lower case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many digits of the amount stand behind the decimal point.
    ///
    /// Source: Stripe, "Supported currencies", zero-decimal and three-decimal; ISK and UGX have two in the API.
    pub fn decimals(&self) -> u32 {
        match self.as_str() {
            "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd" | "vuv"
            | "xaf" | "xof" | "xpf" => 0,
            "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;

    fn try_from(text: String) -> Result<Self, NotACurrency> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

/// An amount in minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    /// Minor units: cents for `usd`, whole yen for `jpy`.
    pub amount: i64,
    /// The currency that the amount is in.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// For people: `20.00 USD`, `2000 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.currency.as_str().to_ascii_uppercase();
        let decimals = self.currency.decimals();
        if decimals == 0 {
            return write!(f, "{} {code}", self.amount);
        }
        let unit = 10_u64.pow(decimals);
        let (whole, rest) = (self.amount.unsigned_abs() / unit, self.amount.unsigned_abs() % unit);
        let sign = if self.amount < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{rest:0width$} {code}", width = decimals as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        let written = |amount, code| Money { amount, currency: Currency::parse(code).unwrap() }.to_string();

        assert_eq!(written(2000, "usd"), "20.00 USD");
        assert_eq!(written(-5, "eur"), "-0.05 EUR");
        assert_eq!(written(2000, "jpy"), "2000 JPY");
        assert_eq!(written(1234, "kwd"), "1.234 KWD");
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert_eq!(Currency::parse("USD").unwrap().as_str(), "usd");
        for wrong in ["", "us", "usdd", "u$d", "ü1"] {
            assert!(Currency::parse(wrong).is_err(), "{wrong}");
        }
    }
}
