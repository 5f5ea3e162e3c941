//! References to other objects: an id, or the whole object where the sender expanded it.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

/// The id of a Stripe object, read from a string or from the expanded object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub String);

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text may be the id of an object whose ids begin so. It may become a part of an address.
pub fn is_id(text: &str, prefix: &str) -> bool {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    !rest.is_empty()
        && text.len() <= 255
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a text may be the id of a payment method: old cards have their own prefix.
pub fn is_payment_method_id(text: &str) -> bool {
    is_id(text, "pm_") || is_id(text, "card_")
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, or an object with an id")
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<Id, E> {
        Ok(Id(id.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Id, A::Error> {
        let mut id = None;
        while let Some(key) = object.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "id" {
                id = Some(object.next_value()?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        id.map(Id).ok_or_else(|| de::Error::missing_field("id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_strings_and_from_expanded_objects() {
        let read = |json: &str| serde_json::from_str::<Option<Id>>(json).unwrap().map(|id| id.0);

        assert_eq!(read(r#""pi_1""#), Some("pi_1".into()));
        assert_eq!(read(r#"{"object":"payment_intent","id":"pi_1","n":{"id":"no"}}"#), Some("pi_1".into()));
        assert_eq!(read("null"), None);
        assert!(serde_json::from_str::<Id>("{}").is_err());
    }
}
