//! Bodies and query strings in bracket notation: `metadata[order_id]=o1`, `expand[]=customer`, `items[0][price]=p`.
//!
//! Read by hand: `serde_qs` makes structs, but what is asked here is whatever a client sends, empty places of lists
//! (`a[][x]=1`) included. And what writes our client's forms must not be what reads them.

use serde_json::{Map, Value};

/// Reads pairs in bracket notation into one object; every value is a text still.
///
/// # Errors
/// Says which key cannot be read.
pub(in crate::fake_stripe) fn read(text: &str) -> Result<Map<String, Value>, String> {
    let mut root = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key), decode(value));
        let path =
            path(&key).ok_or_else(|| format!("Invalid request: the parameter `{key}` cannot be read"))?;
        put(&mut root, &path, value)
            .ok_or_else(|| format!("Invalid object: `{key}` is given in two ways"))?;
    }
    Ok(root.into_iter().map(|(key, value)| (key, with_lists(value))).collect())
}

/// The parts of a key: `a[b][]` is `a`, `b` and an empty one.
fn path(key: &str) -> Option<Vec<&str>> {
    let Some(open) = key.find('[') else {
        return (!key.is_empty()).then(|| vec![key]);
    };
    let (name, rest) = key.split_at(open);
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    let parts = std::iter::once(name).chain(inner.split("][")).collect::<Vec<_>>();
    let are_plain = parts.iter().all(|part| !part.contains(['[', ']']));
    (are_plain && !name.is_empty()).then_some(parts)
}

fn put(map: &mut Map<String, Value>, path: &[&str], value: String) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let name = if first.is_empty() { next_place(map, rest) } else { (*first).to_owned() };
    if rest.is_empty() {
        map.insert(name, Value::String(value));
        return Some(());
    }
    match map.entry(name).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => put(inner, rest, value),
        _ => None,
    }
}

/// Where `a[]` goes: a new place, or the last one while it lacks this field of an object (`a[][x]=1&a[][y]=2`).
fn next_place(map: &Map<String, Value>, rest: &[&str]) -> String {
    let last = map.len().saturating_sub(1).to_string();
    match (map.get(&last), rest.first()) {
        (Some(Value::Object(object)), Some(field)) if !object.contains_key(*field) => last,
        _ => map.len().to_string(),
    }
}

/// Objects whose keys are all places become lists.
fn with_lists(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let places: Option<Vec<usize>> = map.keys().map(|key| key.parse().ok()).collect();
    match places {
        Some(places) if !places.is_empty() => {
            let mut items: Vec<(usize, Value)> =
                places.into_iter().zip(map.into_iter().map(|(_, value)| with_lists(value))).collect();
            items.sort_by_key(|(place, _)| *place);
            Value::Array(items.into_iter().map(|(_, value)| value).collect())
        }
        _ => Value::Object(map.into_iter().map(|(key, value)| (key, with_lists(value))).collect()),
    }
}

/// `+` and percent escapes undone; bytes that are no UTF-8 are replaced.
pub(in crate::fake_stripe) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], escaped) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// A text as a part of a query string.
pub(in crate::fake_stripe) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_become_objects_and_lists() {
        let read = |text| Value::Object(read(text).unwrap());

        assert_eq!(read("amount=5&a%5Bb%5D=c+d%21"), json!({"amount": "5", "a": {"b": "c d!"}}));
        assert_eq!(read("t[]=card&t[]=link"), json!({"t": ["card", "link"]}));
        assert_eq!(read("t[10]=k&t[2]=c"), json!({"t": ["c", "k"]}));
        assert_eq!(read("i[0][p]=1&i[0][q]=2&i[1][p]=3"), json!({"i": [{"p": "1", "q": "2"}, {"p": "3"}]}));
        assert_eq!(read("i[][p]=1&i[][q]=2&i[][p]=3"), json!({"i": [{"p": "1", "q": "2"}, {"p": "3"}]}));
        assert_eq!(read("metadata="), json!({"metadata": ""}));
        assert_eq!(read(""), json!({}));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in ["[a]=1", "a[b=1", "a]b[=1", "=1", "a=1&a[b]=2"] {
            assert!(super::read(bad).is_err(), "{bad}");
        }
    }
}
