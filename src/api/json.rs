//! JSON bodies, read so that an error names the field.

use serde::de::DeserializeOwned;

use super::{ApiError, FieldError};

/// Reads a body.
///
/// # Errors
/// 400 where it is no JSON, 422 with the field's path where a field is missing, unknown or of another type.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let field = if path == "." { "body".to_owned() } else { path };
            return ApiError::invalid(vec![FieldError::new(field, inner.to_string())]);
        }
        ApiError::bad_request("malformed_json", format!("the body is not JSON: {inner}"))
    })?;
    deserializer.end().map_err(|error| {
        ApiError::bad_request("malformed_json", format!("the body goes on after its JSON: {error}"))
    })?;
    Ok(value)
}
