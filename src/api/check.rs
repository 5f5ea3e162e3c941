//! What is right in the fields that many requests have. All faults are told at once.

use serde_json::{Map, Value};

use super::FieldError;

/// Stripe takes at most twelve digits in any currency.
pub const MOST_MONEY: i64 = 999_999_999_999;
/// Stripe takes 50 entries; one is ours, and one may be the sku.
const MOST_METADATA: usize = 48;
/// What a caller may not write itself: Packline does.
const RESERVED: [&str; 2] = ["packline_", "sku"];

/// The faults of a request, as they are found.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// One that is found elsewhere.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    /// One of some words.
    pub fn one_of(&mut self, field: &str, value: Option<&str>, known: &[&str]) {
        if value.is_some_and(|value| !known.contains(&value)) {
            self.add(field, format!("give one of {}", known.join(", ")));
        }
    }

    /// A text to look for; Postgres knows none with a NUL. `what` says what it should be.
    pub fn wanted(&mut self, field: &str, value: Option<&str>, what: &str) {
        if value.is_some_and(|text| text.contains('\0')) {
            self.add(field, format!("give {what}"));
        }
    }

    /// A text for people, of one line.
    pub fn text(&mut self, field: &str, value: Option<&str>, longest: usize) {
        let is_good = |text: &str| {
            !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
        };
        if value.is_some_and(|text| !is_good(text)) {
            self.add(field, format!("give 1 to {longest} characters, without control characters"));
        }
    }

    /// A text that may have more lines than one.
    pub fn lines_of_text(&mut self, field: &str, value: Option<&str>, longest: usize) {
        let is_odd = |letter: char| letter.is_control() && letter != '\n';
        let is_good = |text: &str| {
            !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(is_odd)
        };
        if value.is_some_and(|text| !is_good(text)) {
            self.add(field, format!("give 1 to {longest} characters, without control characters"));
        }
    }

    /// An e-mail address, as far as it can be told.
    pub fn email(&mut self, field: &str, value: Option<&str>) {
        let is_good = |text: &str| {
            text.len() <= 320
                && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
                && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control())
        };
        if value.is_some_and(|text| !is_good(text)) {
            self.add(field, "give an e-mail address");
        }
    }

    /// A country's code.
    pub fn country(&mut self, field: &str, value: Option<&str>) {
        let is_good = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if value.is_some_and(|code| !is_good(code)) {
            self.add(field, "give a two-letter ISO 3166-1 code in capitals, such as DE");
        }
    }

    /// The caller's own keys and values, which Stripe keeps too.
    pub fn metadata(&mut self, metadata: &Map<String, Value>) {
        if metadata.len() > MOST_METADATA {
            self.add("metadata", format!("give at most {MOST_METADATA} entries"));
        }
        for (key, value) in metadata {
            let is_good = |text: &str| text.chars().count() <= 500 && !text.contains('\0');
            let field = format!("metadata.{key}");
            if key.is_empty() || key.chars().count() > 40 || key.contains(['\0', '[', ']']) {
                self.add(field, "give keys of 1 to 40 characters, without brackets");
            } else if RESERVED
                .iter()
                .any(|reserved| key.starts_with(reserved) && (reserved.ends_with('_') || key == reserved))
            {
                self.add(field, "Packline writes this itself; a sku is given as sku");
            } else if !value.as_str().is_some_and(is_good) {
                self.add(field, "give a text of at most 500 characters");
            }
        }
    }

    /// Whether there are none so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was checked, if nothing is wrong with it.
    ///
    /// # Errors
    /// The faults.
    pub fn finish<T>(self, checked: Option<T>) -> Result<T, Vec<FieldError>> {
        match checked {
            Some(checked) if self.0.is_empty() => Ok(checked),
            _ => Err(self.0),
        }
    }
}
