//! One call of the API, read.

use actix_web::http::Method;
use serde_json::{Map, Value};

use super::auth::Key;
use super::failure::Failure;
use super::shape;

/// A call, after its key and its form were read.
#[derive(Clone, Debug)]
pub(in crate::fake_stripe) struct Call {
    /// GET, POST or DELETE.
    pub(in crate::fake_stripe) method: Method,
    /// The whole path, such as `/v1/refunds`.
    pub(in crate::fake_stripe) path: String,
    /// The parameters as they came, without `expand`.
    pub(in crate::fake_stripe) given: Map<String, Value>,
    /// The paths to expand.
    pub(in crate::fake_stripe) expand: Vec<String>,
    /// `Stripe-Account`.
    pub(in crate::fake_stripe) account: Option<String>,
    /// What the key may do.
    pub(in crate::fake_stripe) key: Key,
}

impl Call {
    /// The parts of the path after `/v1/`.
    pub(in crate::fake_stripe) fn segments(&self) -> Vec<&str> {
        self.path.trim_start_matches("/v1/").split('/').filter(|part| !part.is_empty()).collect()
    }

    /// The parameters, checked against the shape that the call takes; see [`shape`].
    ///
    /// # Errors
    /// A parameter is unknown, missing or of the wrong kind.
    pub(in crate::fake_stripe) fn params(&self, shape: &str) -> Result<Params, Failure> {
        shape::read(shape, &self.given).map(Params)
    }
}

/// Checked parameters. Names lead into objects by dots: `transfer_data.destination`.
#[derive(Clone, Debug, Default)]
pub(in crate::fake_stripe) struct Params(pub(in crate::fake_stripe) Map<String, Value>);

impl Params {
    /// What was given under a name; null if it was given empty.
    pub(in crate::fake_stripe) fn get(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// A text that is not empty.
    pub(in crate::fake_stripe) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A number.
    pub(in crate::fake_stripe) fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// Whether it is true.
    pub(in crate::fake_stripe) fn is_true(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// A value, or null.
    pub(in crate::fake_stripe) fn value(&self, name: &str) -> Value {
        self.get(name).cloned().unwrap_or(Value::Null)
    }

    /// The objects of a list, each checked against a shape; none if the list was not given.
    ///
    /// # Errors
    /// One of them does not fit, or is no object.
    pub(in crate::fake_stripe) fn items(
        &self,
        name: &str,
        shape: &str,
    ) -> Result<Option<Vec<Self>>, Failure> {
        let Some(Value::Array(items)) = self.get(name) else {
            return Ok(None);
        };
        let read = items.iter().enumerate().map(|(place, item)| {
            let above = format!("{name}[{place}]");
            let Value::Object(given) = item else {
                return Err(Failure::parameter("parameter_invalid_object", &above, "Invalid object"));
            };
            shape::read_under(&above, shape, given).map(Self)
        });
        read.collect::<Result<_, _>>().map(Some)
    }

    /// The metadata of a new object.
    pub(in crate::fake_stripe) fn metadata(&self) -> Value {
        let mut metadata = Value::Object(Map::new());
        self.merge_metadata(&mut metadata);
        metadata
    }

    /// Merges the given metadata: an empty value unsets its key, empty metadata unsets all.
    pub(in crate::fake_stripe) fn merge_metadata(&self, metadata: &mut Value) {
        match (self.get("metadata"), metadata.as_object_mut()) {
            (Some(Value::Object(given)), Some(kept)) => {
                for (key, value) in given {
                    match value.as_str() {
                        Some("") => kept.remove(key),
                        _ => kept.insert(key.clone(), value.clone()),
                    };
                }
            }
            (Some(Value::Null), Some(kept)) => kept.clear(),
            _ => {}
        }
    }

    /// Copies what was given under these names into an object.
    pub(in crate::fake_stripe) fn copy_into(&self, object: &mut Value, names: &[&str]) {
        for name in names {
            if let Some(value) = self.get(name) {
                object[*name] = value.clone();
            }
        }
    }
}
