//! Parameters as Stripe takes them: pairs with brackets, `payment_method_types[0]=card`, `metadata[order_id]=…`.
//!
//! What is `None` is not sent. An empty text is sent and unsets what it names.

use serde::Serialize;

/// Writes parameters for the body of a POST or the query of a GET.
///
/// # Errors
/// A shape that pairs cannot express, such as a list as the whole.
pub fn encode(parameters: &impl Serialize) -> Result<String, serde_qs::Error> {
    let form = serde_qs::Config::new().serialize_string(parameters)?;
    // A map without entries is written as a pair without a name.
    Ok(if form == "=" { String::new() } else { form })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default, Serialize)]
    struct Parameters {
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        list: Vec<&'static str>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        metadata: BTreeMap<&'static str, &'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        flag: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        nested: Option<BTreeMap<&'static str, BTreeMap<&'static str, i64>>>,
    }

    #[test]
    fn pairs_have_brackets_and_what_is_absent_is_not_sent() {
        let parameters = Parameters {
            list: vec!["card", "link"],
            metadata: BTreeMap::from([("order_id", "o1")]),
            flag: Some(false),
            nested: Some(BTreeMap::from([("a", BTreeMap::from([("b", 1)]))])),
            ..Parameters::default()
        };

        assert_eq!(
            encode(&parameters).unwrap(),
            "list[0]=card&list[1]=link&metadata[order_id]=o1&flag=false&nested[a][b]=1",
        );
        assert_eq!(encode(&Parameters::default()).unwrap(), "");
        assert_eq!(encode(&serde_json::json!({})).unwrap(), "");
    }

    #[test]
    fn an_empty_text_is_sent_so_that_it_unsets() {
        let parameters = Parameters {
            text: Some(String::new()),
            metadata: BTreeMap::from([("gone", "")]),
            ..Parameters::default()
        };

        assert_eq!(encode(&parameters).unwrap(), "text=&metadata[gone]=");
    }

    #[test]
    fn what_has_a_meaning_in_a_form_is_escaped_in_keys_and_values() {
        let parameters = Parameters {
            text: Some("a+b@c.de & 50 % =é\n".to_owned()),
            metadata: BTreeMap::from([("a+b &c", "[x]")]),
            ..Parameters::default()
        };

        let form = encode(&parameters).unwrap();

        assert!(!form.contains(' ') && form.is_ascii());
        let url = reqwest::Url::parse(&format!("http://localhost/?{form}")).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(
            pairs,
            [
                ("text".to_owned(), "a+b@c.de & 50 % =é\n".to_owned()),
                ("metadata[a+b &c]".to_owned(), "[x]".to_owned()),
            ],
        );
    }
}
