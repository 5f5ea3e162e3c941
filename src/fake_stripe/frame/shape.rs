//! Which parameters a call takes: unknown ones are refused, as Stripe does, and texts become what they stand for.
//!
//! A shape is written as a line: `amount:int! currency! metadata:map transfer_data{destination! amount:int}`. A name
//! alone is a text; `!` means that it must be there; `{…}` is an object with a shape of its own; `{}` takes anything.
//! After reading, an empty text is null where it means "unset".

use serde_json::{Map, Value, json};

use super::failure::Failure;

/// Checks parameters and gives them their types.
///
/// # Errors
/// `parameter_unknown`, `parameter_missing`, `parameter_invalid_integer` and their like.
pub(in crate::fake_stripe) fn read(
    shape: &str,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    read_at("", &fields(shape), given)
}

/// The same for an object inside, whose parameters are named under `above`.
///
/// # Errors
/// As [`read`].
pub(in crate::fake_stripe) fn read_under(
    above: &str,
    shape: &str,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    read_at(above, &fields(shape), given)
}

#[derive(Debug, PartialEq)]
struct Field<'a> {
    name: &'a str,
    kind: Kind<'a>,
    is_needed: bool,
}

#[derive(Debug, PartialEq)]
enum Kind<'a> {
    Text,
    Int,
    Bool,
    /// Texts under free names: metadata.
    Map,
    List,
    Any,
    Object(&'a str),
}

fn fields(shape: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = shape.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', '\n', '{', ':', '!']).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = &rest[end..];
        let mut kind = Kind::Text;
        if let Some(inner) = rest.strip_prefix('{') {
            let close = closing(inner);
            kind = if close == 0 { Kind::Any } else { Kind::Object(&inner[..close]) };
            rest = inner.get(close + 1..).unwrap_or("");
        } else if let Some(word) = rest.strip_prefix(':') {
            let end = word.find([' ', '\n', '!']).unwrap_or(word.len());
            kind = match &word[..end] {
                "int" => Kind::Int,
                "bool" => Kind::Bool,
                "map" => Kind::Map,
                "list" => Kind::List,
                _ => Kind::Any,
            };
            rest = &word[end..];
        }
        let is_needed = rest.starts_with('!');
        fields.push(Field { name, kind, is_needed });
        rest = rest.trim_start_matches('!').trim_start();
    }
    fields
}

fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn read_at(
    above: &str,
    fields: &[Field<'_>],
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let full = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}[{name}]") };
    let mut read = Map::new();
    for (name, value) in given {
        let param = full(name);
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let message = format!("Received unknown parameter: {param}");
            return Err(Failure::parameter("parameter_unknown", &param, message));
        };
        read.insert(name.clone(), typed(&param, &field.kind, value)?);
    }
    match fields.iter().find(|field| field.is_needed && read.get(field.name).is_none_or(Value::is_null)) {
        Some(field) => Err(Failure::missing(&full(field.name))),
        None => Ok(read),
    }
}

fn typed(param: &str, kind: &Kind<'_>, value: &Value) -> Result<Value, Failure> {
    let invalid = |code: &str, message: String| Err(Failure::parameter(code, param, message));
    match (kind, value) {
        (Kind::Any, value) => Ok(value.clone()),
        (_, Value::String(text)) if text.is_empty() => Ok(Value::Null),
        (Kind::Text, Value::String(text)) => Ok(json!(text)),
        (Kind::Text, _) => invalid("parameter_invalid_string", format!("Invalid string: {value}")),
        (Kind::Int, Value::String(text)) => match text.parse::<i64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => invalid("parameter_invalid_integer", format!("Invalid integer: {text}")),
        },
        (Kind::Int, _) => invalid("parameter_invalid_integer", format!("Invalid integer: {value}")),
        (Kind::Bool, Value::String(text)) if text == "true" || text == "false" => Ok(json!(text == "true")),
        (Kind::Bool, _) => invalid("parameter_invalid_boolean", format!("Invalid boolean: {value}")),
        (Kind::Map, Value::Object(map)) if map.values().all(Value::is_string) => Ok(value.clone()),
        (Kind::List, Value::Array(_)) => Ok(value.clone()),
        (Kind::List, _) => invalid("parameter_invalid_array", "Invalid array".to_owned()),
        (Kind::Object(shape), Value::Object(map)) => read_at(param, &fields(shape), map).map(Value::Object),
        (Kind::Map | Kind::Object(_), _) => invalid("parameter_invalid_object", "Invalid object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: &str = "amount:int! off_session:bool metadata:map transfer_data{destination! amount:int} free{} \
                         types:list";

    fn read(text: &str) -> Result<Value, Value> {
        let given = crate::fake_stripe::frame::form::read(text).unwrap();
        super::read(SHAPE, &given)
            .map(Value::Object)
            .map_err(|failure| json!([failure.error["code"], failure.error["param"]]))
    }

    #[test]
    fn texts_become_what_they_stand_for() {
        let form = "amount=5&off_session=true&metadata[a]=&transfer_data[destination]=acct_1&free[a][b]=1&types[]=card";

        assert_eq!(
            read(form).unwrap(),
            json!({
                "amount": 5, "off_session": true, "metadata": {"a": ""},
                "transfer_data": {"destination": "acct_1"}, "free": {"a": {"b": "1"}}, "types": ["card"],
            })
        );
        assert_eq!(read("amount=5&metadata=").unwrap(), json!({"amount": 5, "metadata": null}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (form, fault) in [
            ("", json!(["parameter_missing", "amount"])),
            ("amount=", json!(["parameter_missing", "amount"])),
            ("amount=1.5", json!(["parameter_invalid_integer", "amount"])),
            ("amount=5&foo=1", json!(["parameter_unknown", "foo"])),
            ("amount=5&transfer_data[amount]=1", json!(["parameter_missing", "transfer_data[destination]"])),
            ("amount=5&transfer_data[fee]=1", json!(["parameter_unknown", "transfer_data[fee]"])),
            ("amount=5&off_session=yes", json!(["parameter_invalid_boolean", "off_session"])),
            ("amount=5&types=card", json!(["parameter_invalid_array", "types"])),
        ] {
            assert_eq!(read(form).unwrap_err(), fault, "{form}");
        }
    }
}
