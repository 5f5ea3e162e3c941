//! Receiving: what is proved to be Stripe's is stored as it came; nothing else leaves a trace.

use std::time::Duration;

use packline::webhooks::EndpointSecret;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::raw::{self, RawClient};
use crate::support::stripe::{self, event, intent, intent_succeeded, with};
use crate::support::{CONNECT_SECRET, Proxy, SECRET, TestApp, TestDatabase};

const PLATFORM: &str = "/webhooks/stripe";

/// An event as Stripe writes it.
fn body() -> Vec<u8> {
    serde_json::to_vec_pretty(&intent_succeeded("pi_1")).unwrap()
}

async fn rows(app: &TestApp) -> i64 {
    app.value("select (select count(*) from stripe_events) + (select count(*) from stripe_event_payloads)")
        .await
}

/// The code and the message of an error.
async fn error(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let text = |field: &str| body["error"][field].as_str().unwrap().to_owned();
    (status, text("code"), text("message"))
}

#[tokio::test]
async fn a_request_without_one_signature_header_is_refused() {
    let app = TestApp::start().await;
    let good = app.sign(SECRET, &body());

    let none = app.post_raw(PLATFORM, None, body()).await;
    let empty = app.post_raw(PLATFORM, Some(""), body()).await;
    let request = app.client.post(format!("{}{PLATFORM}", app.base)).body(body());
    let two =
        request.header("stripe-signature", &good).header("stripe-signature", &good).send().await.unwrap();

    for (response, expected) in
        [(none, "missing_header"), (empty, "missing_header"), (two, "several_headers")]
    {
        let (status, code, message) = error(response).await;
        assert_eq!((status, code.as_str()), (400, expected));
        assert!(message.contains("Stripe-Signature"), "{message}");
    }
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn a_signature_that_proves_nothing_is_refused() {
    let app = TestApp::start().await;
    let good = app.sign(SECRET, &body());
    let (t, v1) = good.split_once(",v1=").unwrap();
    let v0_only = format!("{t},v0={v1}");
    let other_time = format!("{}1,v1={v1}", &t[..t.len() - 1]);
    let cases = [
        ("malformed_header", "bad_header"),
        ("malformed_header", "i'm not even a real signature header"),
        ("malformed_header", "t"),
        ("malformed_header", ",,"),
        ("malformed_header", "t,v1=,v0"),
        ("malformed_header", "t=,v1=00"),
        ("malformed_header", "t=abc,v1=00"),
        ("malformed_header", &format!("v1={v1}")),
        ("malformed_header", &format!("{t},{}", "v2=0,".repeat(1000))),
        ("no_v1", t),
        ("no_v1", &v0_only),
        ("no_match", &format!("{t},v1={}", v1.to_ascii_uppercase())),
        ("no_match", &format!("{t},v1={v1}=b")),
        ("no_match", &other_time),
        ("no_match", &app.sign("whsec_wrong", &body())),
        ("no_match", &app.sign(CONNECT_SECRET, &body())),
    ];

    for (expected, header) in cases {
        let (status, code, _) = error(app.post_raw(PLATFORM, Some(header), body()).await).await;
        assert_eq!((status, code.as_str()), (400, expected), "{header}");
    }
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn a_body_that_changed_on_the_way_is_refused() {
    let app = TestApp::start().await;
    let good = app.sign(SECRET, &body());
    let compact = serde_json::to_vec(&serde_json::from_slice::<Value>(&body()).unwrap()).unwrap();
    let longer = [body(), b"\n".to_vec()].concat();

    for changed in [compact, longer, Vec::new()] {
        let (status, code, _) = error(app.post_raw(PLATFORM, Some(&good), changed).await).await;
        assert_eq!((status, code.as_str()), (400, "no_match"));
    }
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn any_match_of_any_secret_is_enough_and_the_ledger_names_it() {
    let app = TestApp::start().await;
    let send = async |secret: &str, rewrite: fn(&str) -> String| {
        let event = intent_succeeded("pi_1");
        let body = serde_json::to_vec(&event).unwrap();
        let header = rewrite(&app.sign(secret, &body));
        assert_eq!(app.post_raw(PLATFORM, Some(&header), body).await.status(), StatusCode::OK, "{header}");
        let query = "select verified_by from stripe_events where id = $1";
        sqlx::query_scalar::<_, String>(query).bind(stripe::id(&event)).fetch_one(&app.pool).await.unwrap()
    };

    assert_eq!(send(SECRET, str::to_owned).await, "current");
    assert_eq!(send("whsec_old", str::to_owned).await, "old");
    // While a secret is rolled Stripe sends a v1 for each; test events carry a v0; the rest is passed over.
    assert_eq!(send("whsec_old", |header| header.replace("v1=", "v1=00,v1=potato,v1=")).await, "old");
    assert_eq!(send(SECRET, |header| format!("{header},v1=bad_signature,v0=00,v9=x")).await, "current");
    assert_eq!(send(SECRET, |header| header.replace(',', ", ")).await, "current");
}

#[tokio::test]
async fn a_timestamp_may_lie_300_seconds_away_and_no_more() {
    let app = TestApp::start().await;
    let now = app.clock.now().unix_timestamp();
    let send = async |t: i64| {
        let body = serde_json::to_vec(&intent_succeeded("pi_1")).unwrap();
        let header = EndpointSecret::new("test", SECRET).sign(t, &body);
        app.post_raw(PLATFORM, Some(&header), body).await
    };

    for t in [now - 300, now + 300] {
        assert_eq!(send(t).await.status(), StatusCode::OK);
    }
    for t in [now - 301, now + 301, 0, i64::MAX] {
        assert_eq!(error(send(t).await).await.1, "outside_tolerance");
    }
    assert_eq!(rows(&app).await, 4);
}

#[tokio::test]
async fn a_retry_days_later_is_signed_afresh_and_taken() {
    let app = TestApp::start().await;
    let event = intent_succeeded("pi_1");
    assert_eq!(app.post_event(&event).await, StatusCode::OK);

    app.clock.advance(Duration::from_secs(3 * 24 * 3600));

    assert_eq!(app.post_event(&event).await, StatusCode::OK);
    assert_eq!(rows(&app).await, 2);
}

#[tokio::test]
async fn a_signed_body_that_is_no_event_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let cases: [(&[u8], &str); 8] = [
        (b"", "EOF"),
        (b"id=evt_1", "not the JSON of a Stripe event"),
        (b"{\"id\":\"evt_1\"", "EOF"),
        (b"[]", "not the JSON of a Stripe event"),
        (br#"{"id":"evt_1","object":"event"}"#, "`type`"),
        (br#"{"type":"x"}"#, "`id`"),
        (br#"{"id":"evt 1","type":"x"}"#, "the event's id"),
        (b"{\"id\":\"evt_\xff\",\"type\":\"x\"}", "not UTF-8"),
    ];

    for (body, reason) in cases {
        let header = app.sign(SECRET, body);
        let (status, code, message) = error(app.post_raw(PLATFORM, Some(&header), body.to_vec()).await).await;
        assert_eq!((status, code.as_str()), (400, "not_an_event"));
        assert!(message.contains(reason), "{message}");
    }
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn what_is_not_for_this_service_is_stored_and_set_aside_with_its_reason() {
    let app = TestApp::start().await;
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v2.core.account.updated", "livemode": false,
        "created": "2026-01-01T00:00:00.000Z", "context": "acct_1",
        "related_object": { "id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1" }
    });
    let unknown = event("invoice.upcoming", json!({ "object": "invoice" }));
    let live = with(intent_succeeded("pi_1"), json!({ "livemode": true }));

    for (event, reason) in [(&thin, "a thin event"), (&unknown, "invoice.upcoming"), (&live, "live mode")] {
        assert_eq!(app.post_event(event).await, StatusCode::OK, "{event}");
        let (state, why) = app.event_state(stripe::id(event)).await;
        assert_eq!(state, "set_aside");
        assert!(why.as_deref().unwrap().contains(reason), "{why:?}");
    }
    app.apply_events().await;
    assert_eq!(rows(&app).await, 6);
    assert_eq!(app.value::<i64>("select count(*) from stripe_events where state = 'set_aside'").await, 3);
}

#[tokio::test]
async fn an_event_needs_no_more_than_its_id_and_type() {
    let app = TestApp::start().await;
    let odd = [
        json!({ "id": "evt_1", "type": "x" }),
        json!({ "id": "evt_2", "type": "x", "livemode": null, "created": null, "data": null, "account": null }),
        json!({ "id": "evt_3", "type": "x", "api_version": 5, "livemode": "no", "account": { "id": "acct_1" } }),
        json!({ "id": "evt_4", "type": "x", "created": 1.5e9, "data": "none" }),
        json!({ "id": "evt_5", "type": "x", "created": i64::MIN, "data": { "object": { "id": 7 } } }),
        json!({ "id": "evt_6", "type": "x", "created": 253_402_300_799_i64, "data": { "object": ["id"] } }),
        json!({ "id": "evt_7", "type": "x", "created": -300_000_000_000_i64, "object": 1, "context": [] }),
    ];

    for event in &odd {
        assert_eq!(app.post_event(event).await, StatusCode::OK, "{event}");
    }
    assert_eq!(rows(&app).await, 14);
    assert_eq!(app.value::<i64>("select count(created_at) from stripe_events").await, 0);
}

#[tokio::test]
async fn the_connect_endpoint_has_its_own_secret() {
    let app = TestApp::start().await;
    let event = with(intent_succeeded("pi_1"), json!({ "account": "acct_1" }));
    let connect = "/webhooks/stripe/connect";

    assert_eq!(app.post_event_to(connect, SECRET, &event).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(app.post_event_to(PLATFORM, CONNECT_SECRET, &event).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(rows(&app).await, 0);

    assert_eq!(app.post_connect_event(&event).await, StatusCode::OK);
    let query = "select endpoint || ' ' || account || ' ' || verified_by from stripe_events";
    assert_eq!(app.value::<String>(query).await, "connect acct_1 connect");
}

#[tokio::test]
async fn only_post_is_taken() {
    let app = TestApp::start().await;

    for path in [PLATFORM, "/webhooks/stripe/connect"] {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let method = method.parse().unwrap();
            let response = app.client.request(method, format!("{}{path}", app.base)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()["allow"], "POST");
        }
    }
}

#[tokio::test]
async fn the_stored_payload_is_the_bytes_that_were_sent() {
    let app = TestApp::start().await;
    let pretty = |id: &str| {
        let object = with(intent("pi_1"), json!({ "description": "2 × Tee, süß ☕", "empty": [] }));
        serde_json::to_string_pretty(&with(event("payment_intent.created", object), json!({ "id": id })))
            .unwrap()
    };
    let bodies = [
        pretty("evt_1"),
        pretty("evt_2").replace("[]", "[\n\n      ]") + "\n",
        pretty("evt_3").replace(": ", "\t:  ").replace('\n', "\r\n"),
        r#"  {"id":"evt_4","type":"x","d":"\u00d7 \ud83c\udf75 \/ \\ \u0000 \"","n":1.50,"n":1e+3,"z":[ ]}  "#.into(),
    ];

    for body in &bodies {
        let header = app.sign(SECRET, body.as_bytes());
        assert_eq!(app.post_raw(PLATFORM, Some(&header), body.clone().into()).await.status(), StatusCode::OK);
    }

    let query = "select convert_to(body, 'UTF8') from stripe_event_payloads order by event_id";
    let stored: Vec<Vec<u8>> = sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap();
    assert!(stored.iter().eq(bodies.iter().map(String::as_bytes)));
}

#[tokio::test]
async fn a_request_of_the_stripe_cli_passes_as_it_is() {
    let app = TestApp::start().await;
    let body = body();
    let headers = format!(
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nContent-Length: {}\r\n\
         Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n\
         Content-Type: application/json; charset=utf-8\r\nStripe-Signature: {}\r\nAccept-Encoding: gzip\r\n\
         Connection: close\r\n",
        body.len(),
        app.sign(SECRET, &body)
    );

    let mut client = RawClient::connect(&app.base).await;
    client.send(raw::post(&headers, &body)).await;
    let (answer, _) = client.read_to_end().await;

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"stored"}"#), "{answer}");
    assert_eq!(rows(&app).await, 2);
}

#[tokio::test]
async fn a_forged_request_touches_no_database() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::before(&database.url);
    let app = TestApp::start_through(database, &proxy.url).await;
    let forged = app.sign("whsec_wrong", &body());

    assert_eq!(error(app.post_raw(PLATFORM, Some(&forged), body()).await).await.1, "no_match");
    proxy.cut();
    assert_eq!(error(app.post_raw(PLATFORM, Some(&forged), body()).await).await.1, "no_match");
    assert_eq!(error(app.post_raw(PLATFORM, None, body()).await).await.1, "missing_header");

    assert_eq!(proxy.accepted(), 0);
    assert_eq!(rows(&app).await, 0);
}
