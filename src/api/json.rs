//! JSON bodies, read so that an error names the field.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::{ApiError, FieldError};

/// Reads a body.
///
/// # Errors
/// 400 where it is no JSON, 422 where it is no object, and with the field's path where a field is missing, unknown or of
/// another type.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // A list would be read as the fields in their order, and an empty one as all that may be absent.
    if body.trim_ascii_start().first() == Some(&b'[') && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        let fault = FieldError::new("body", "give an object of fields, {…}, not a list");
        return Err(ApiError::invalid(vec![fault]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let message = inner.to_string();
            return ApiError::invalid(vec![FieldError::new(field(&path, &message), message)]);
        }
        ApiError::bad_request("malformed_json", format!("the body is not JSON: {inner}"))
    })?;
    deserializer.end().map_err(|error| {
        ApiError::bad_request("malformed_json", format!("the body goes on after its JSON: {error}"))
    })?;
    Ok(value)
}

/// The field at fault. Of a missing one serde gives the path of the object that lacks it, and its name only in words.
fn field(path: &str, message: &str) -> String {
    let missing = message.strip_prefix("missing field `").and_then(|rest| Some(rest.split_once('`')?.0));
    match (path, missing) {
        (".", None) => "body".to_owned(),
        (".", Some(missing)) => missing.to_owned(),
        (path, None) => path.to_owned(),
        (path, Some(missing)) => format!("{path}.{missing}"),
    }
}
