//! The bytes of an event as Stripe writes them.
//!
//! Two spaces, `id` and `object` first and the other fields by name, `[\n\n]` for an empty list and `{\n}` for an empty
//! object, and no letter escaped that need not be. Whoever parses and writes such a body again gets other bytes, and
//! then the signature fails: that is what this is for.

use serde_json::{Map, Value};

/// The text of a JSON value in Stripe's hand.
pub(super) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) => write_object(fields, depth, text),
        Value::Array(items) => write_list(items, depth, text),
        plain => text.push_str(&plain.to_string()),
    }
}

fn write_object(fields: &Map<String, Value>, depth: usize, text: &mut String) {
    text.push('{');
    let first = ["id", "object"].into_iter().filter_map(|name| fields.get_key_value(name));
    let others = fields.iter().filter(|(name, _)| !["id", "object"].contains(&name.as_str()));
    for (index, (name, value)) in first.chain(others).enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        indent(depth + 1, text);
        text.push_str(&Value::from(name.as_str()).to_string());
        text.push_str(": ");
        write(value, depth + 1, text);
    }
    text.push('\n');
    indent(depth, text);
    text.push('}');
}

fn write_list(items: &[Value], depth: usize, text: &mut String) {
    text.push('[');
    if items.is_empty() {
        text.push('\n');
    }
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        indent(depth + 1, text);
        write(item, depth + 1, text);
    }
    text.push('\n');
    indent(depth, text);
    text.push(']');
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::pretty;

    #[test]
    fn it_is_written_as_stripe_writes() {
        let value = json!({ "amount": 1, "id": "evt_1", "object": "event", "data": { "list": [], "none": {}, "two": [1, "×\n"] } });

        let text = pretty(&value);

        assert_eq!(
            text,
            "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"amount\": 1,\n  \"data\": {\n    \"list\": [\n\n    ],\n    \
             \"none\": {\n    },\n    \"two\": [\n      1,\n      \"×\\n\"\n    ]\n  }\n}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
