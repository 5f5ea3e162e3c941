//! `/openapi.json` describes the routes that are there, and all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use packline::payments::{Mode, RefundState};
use packline::server::openapi;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::TestApp;

/// The methods of each documented path.
fn described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |path: &Value| path.as_object().unwrap().keys().cloned().collect();
    document["paths"].as_object().unwrap().iter().map(|(name, path)| (name.clone(), methods(path))).collect()
}

/// The paths that the sources register.
fn registered(folder: &Path, paths: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The local Stripe is no part of the service.
        if path.is_dir() && !path.ends_with("fake_stripe") {
            registered(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let places = text.split("resource(\"").skip(1);
            paths.extend(places.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

#[test]
fn every_path_of_the_sources_is_described_and_no_other() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut paths = BTreeSet::new();
    registered(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);

    assert!(paths.len() > 10);
    assert_eq!(described(&document).into_keys().collect::<BTreeSet<_>>(), paths);
}

#[tokio::test]
async fn each_path_takes_the_methods_that_are_described_and_no_other() {
    let app = TestApp::start().await;
    let document: Value = app.get("/openapi.json").await.json().await.unwrap();

    for (path, methods) in described(&document) {
        let address = format!(
            "{}{}",
            app.base,
            path.replace("{name}", "no-such-thing").replace("{order}", "no-such-thing")
        );
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = app.api(app.client.request(method.clone(), &address));
            let response =
                request.header("content-type", "application/json").body("{}").send().await.unwrap();
            let is_described = methods.contains(&method.as_str().to_ascii_lowercase());
            let status = response.status();
            assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, is_described, "{method} {path}: {status}");
            let said = response.text().await.unwrap();
            assert!(!said.contains("there is no such route"), "{method} {path}");
            let is_named = document["paths"][&path][method.as_str().to_ascii_lowercase()]["responses"]
                .as_object()
                .is_none_or(|responses| responses.contains_key(status.as_str()));
            assert!(is_named, "{method} {path} answers {status}, which is not described");
        }
    }
    app.stop().await;
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);

    assert!(references.contains("#/components/schemas/Order"));
    for reference in references {
        let found = document.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn every_route_with_an_api_key_says_so() {
    let document = serde_json::to_value(openapi::document()).unwrap();

    for (path, methods) in described(&document) {
        for method in methods {
            let needs_key = document["paths"][&path][&method]["security"][0].get("api_key").is_some();
            assert_eq!(needs_key, path.starts_with("/v1/"), "{method} {path}");
        }
    }
    assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
}

/// The schema that a reference or its only alternative to null names.
fn name_of(schema: &Value) -> Option<&str> {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let reference = alternatives.chain([schema]).find_map(|one| one["$ref"].as_str())?;
    reference.strip_prefix("#/components/schemas/")
}

#[test]
fn what_orders_say_of_payments_is_described_as_payments_have_it() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let schemas = &document["components"]["schemas"];
    let body = |path: &str, at: &str| {
        document.pointer(&format!("/paths/{path}/{at}/content/application~1json/schema")).unwrap().clone()
    };

    for (field, name) in [("payment", "PaymentRequest"), ("destination", "DestinationRequest")] {
        assert_eq!(name_of(&schemas["PlaceOrder"]["properties"][field]), Some(name), "{schemas}");
    }
    assert_eq!(name_of(&body("~1v1~1orders", "post/responses/201")), Some("PlacedOrder"));
    for (schema, name) in
        [("PlacedOrder", "NewPayment"), ("ShownOrder", "PaymentReport"), ("PaidOrder", "PaymentReport")]
    {
        let parts = schemas[schema]["allOf"].as_array().unwrap();
        assert_eq!(name_of(&parts[0]), Some("Order"), "{schema}");
        assert_eq!(name_of(&parts[1]["properties"]["payment"]), Some(name), "{schema}");
    }
    assert_eq!(name_of(&schemas["DestinationRequest"]["properties"]["commission"]), Some("Commission"));
    let ways = body("~1pay", "post/requestBody");
    assert_eq!(name_of(&ways), Some("PayBody"));
    for (schema, names) in [("PayBody", ["PayWith", "PayAgain"]), ("Paid", ["PaidNow", "StepNeeded"])] {
        let named: Vec<_> = schemas[schema]["oneOf"].as_array().unwrap().iter().map(name_of).collect();
        assert_eq!(named, names.map(Some), "{schema}");
    }
    for status in ["402", "409", "429", "503"] {
        assert_eq!(name_of(&body("~1pay", &format!("post/responses/{status}"))), Some("Failed"), "{status}");
    }
}

#[test]
fn words_are_described_as_they_are_written() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let schemas = &document["components"]["schemas"];

    let texts = |values: &[&str]| serde_json::to_value(values).unwrap();
    let modes: Vec<&str> = Mode::ALL.iter().map(|mode| mode.as_str()).collect();
    let states: Vec<&str> = RefundState::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(schemas["Mode"]["enum"], texts(&modes));
    assert_eq!(schemas["RefundState"]["enum"], texts(&states));
}

/// Parts of bodies that may be anything: none but those that are named here with a reason.
#[test]
fn no_body_is_left_undescribed() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut bodies = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().values();
            for body in answers.chain([&operation["requestBody"]]) {
                let schema = &body["content"]["application/json"]["schema"];
                if schema["type"] == "object" && schema.get("properties").is_none() {
                    bodies.push(format!("{method} {path}"));
                }
            }
        }
    }

    // The description itself; and what Stripe sends, which is read from the raw bytes.
    let free = ["get /openapi.json", "post /webhooks/stripe", "post /webhooks/stripe/connect"];
    assert!(bodies.iter().all(|body| free.contains(&body.as_str())), "{bodies:?}");
}
