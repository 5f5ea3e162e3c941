//! Every case that the official libraries test, and the signature vector that they publish.

use super::*;

const NOW: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;

fn current() -> EndpointSecret {
    EndpointSecret::new("current", "whsec_current")
}

fn good() -> String {
    current().sign(NOW, BODY)
}

/// The hex digits of [`good`].
fn good_v1() -> String {
    good().split_once("v1=").unwrap().1.to_owned()
}

fn check(header: &str) -> Result<String, Rejected> {
    verify(&[current()], header, BODY, NOW).map(str::to_owned)
}

#[test]
fn the_official_vector_verifies() {
    // stripe-dotnet, event_test_signature.json: 484 bytes with the final line feed.
    let body = br#"{
  "id": "evt_123",
  "object": "event",
  "account": "acct_123",
  "api_version": "2017-05-25",
  "created": 1533204620,
  "data": {
    "object": {
      "id": "cus_123",
      "object": "customer",
      "created": 123456789,
      "email": "test@stripe.com",
      "livemode": false,
      "metadata": {}
    }
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_123",
    "idempotency_key": "idempotency-key-123"
  },
  "type": "customer.created"
}
"#;
    let header = "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7,\
                  v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef";
    let secrets = [EndpointSecret::new("vector", "webhook_secret")];

    assert_eq!(body.len(), 484);
    assert_eq!(verify(&secrets, header, body, 1_533_204_620), Ok("vector"));
}

#[test]
fn a_good_signature_names_its_secret() {
    assert_eq!(check(&good()), Ok("current".into()));
}

#[test]
fn a_missing_or_empty_header_is_rejected() {
    for header in ["", " "] {
        assert_eq!(check(header), Err(Rejected::MissingHeader), "{header:?}");
    }
}

#[test]
fn headers_that_break_the_grammar_are_rejected() {
    let v1 = good_v1();
    for header in [
        "bad_header",
        "i'm not even a real signature header",
        "t",
        ",,",
        "t,v1=,v0",
        "v1,t=1",
        &format!("v1={v1}"),
        &format!("t=,v1={v1}x"),
        &format!("t=abc,v1={v1}"),
        &format!("t=-{NOW},v1={v1}"),
        &format!("t=+{NOW},v1={v1}"),
        &format!("t={NOW}.0,v1={v1}"),
        &format!("t=99999999999999999999,v1={v1}"),
    ] {
        assert_eq!(check(header), Err(Rejected::MalformedHeader), "{header:?}");
    }
}

#[test]
fn a_header_without_a_usable_v1_is_rejected() {
    let v1 = good_v1();

    assert_eq!(check(&format!("t={NOW}")), Err(Rejected::NoV1));
    assert_eq!(check(&format!("t={NOW},v0={v1}")), Err(Rejected::NoV1));
    assert_eq!(check(&format!("t={NOW},v1=")), Err(Rejected::NoMatch));
    assert_eq!(check(&format!("t={NOW},v1=a=b")), Err(Rejected::NoMatch));
    assert_eq!(check(&format!("t={NOW},v1={}", v1.to_uppercase())), Err(Rejected::NoMatch));
    assert_eq!(check(&format!("t={NOW},v1={}", &v1[..62])), Err(Rejected::NoMatch));
}

#[test]
fn a_bad_extra_v1_does_not_spoil_a_good_one() {
    let v1 = good_v1();
    for header in [
        format!("{},v1=bad_signature", good()),
        format!("{},v1=potato", good()),
        format!("t={NOW},v1=bad_signature,v1={v1}"),
        format!("t={NOW},v1={},v1={v1}", "0".repeat(64)),
        format!("{},v0={}", good(), "0".repeat(64)),
        format!("{},v2=whatever", good()),
        format!("v1={v1},t={NOW}"),
        format!("t={NOW}, v1={v1}"),
    ] {
        assert_eq!(check(&header), Ok("current".into()), "{header:?}");
    }
}

#[test]
fn a_repeated_timestamp_must_say_the_same() {
    let v1 = good_v1();

    assert_eq!(check(&format!("t={NOW},t={NOW},v1={v1}")), Ok("current".into()));
    assert_eq!(check(&format!("t={NOW},t=1,v1={v1}")), Err(Rejected::MalformedHeader));
    assert_eq!(check(&format!("t=1,t={NOW},v1={v1}")), Err(Rejected::MalformedHeader));
}

#[test]
fn a_changed_body_or_timestamp_does_not_match() {
    let secrets = [current()];
    let longer = [BODY, b" "].concat();

    assert_eq!(verify(&secrets, &good(), &longer, NOW), Err(Rejected::NoMatch));
    assert_eq!(
        verify(&secrets, &good(), b"{\"object\":\"event\",\"id\":\"evt_1\"}", NOW),
        Err(Rejected::NoMatch)
    );
    assert_eq!(check(&format!("t={},v1={}", NOW + 1, good_v1())), Err(Rejected::NoMatch));
    // The timestamp is signed as it was sent, not as a number.
    assert_eq!(check(&format!("t=0{NOW},v1={}", good_v1())), Err(Rejected::NoMatch));
}

#[test]
fn bytes_that_are_not_utf8_are_verified_like_any_others() {
    let body = b"\xff\xfe not text";
    let header = current().sign(NOW, body);

    assert_eq!(verify(&[current()], &header, body, NOW), Ok("current"));
}

#[test]
fn while_a_secret_is_rolled_any_match_counts() {
    let (old, new) = (EndpointSecret::new("old", "whsec_old"), EndpointSecret::new("new", "whsec_new"));
    let old_v1 = old.sign(NOW, BODY);
    let new_v1 = new.sign(NOW, BODY).split_once("v1=").unwrap().1.to_owned();
    let rolled = format!("{old_v1},v1={new_v1}");

    assert_eq!(verify(&[old.clone(), new.clone()], &rolled, BODY, NOW), Ok("old"));
    assert_eq!(verify(std::slice::from_ref(&new), &rolled, BODY, NOW), Ok("new"));
    assert_eq!(verify(&[old, new.clone()], &new.sign(NOW, BODY), BODY, NOW), Ok("new"));
    assert_eq!(check(&rolled), Err(Rejected::NoMatch));
}

#[test]
fn the_tolerance_is_300_seconds_either_way() {
    let at = |offset: i64| verify(&[current()], &good(), BODY, NOW + offset).map(str::to_owned);

    assert_eq!(at(TOLERANCE_SECONDS), Ok("current".into()));
    assert_eq!(at(-TOLERANCE_SECONDS), Ok("current".into()));
    assert_eq!(at(TOLERANCE_SECONDS + 1), Err(Rejected::OutsideTolerance));
    assert_eq!(at(-TOLERANCE_SECONDS - 1), Err(Rejected::OutsideTolerance));
}

#[test]
fn an_old_forgery_learns_only_that_it_does_not_match() {
    let forged = EndpointSecret::new("forger", "whsec_guess").sign(NOW - 10_000, BODY);

    assert_eq!(check(&forged), Err(Rejected::NoMatch));
}

#[test]
fn no_secret_matches_nothing() {
    assert_eq!(verify(&[], &good(), BODY, NOW), Err(Rejected::NoMatch));
}

#[test]
fn a_secret_does_not_show_in_debug_output() {
    assert_eq!(format!("{:?}", current()), "EndpointSecret(current)");
}
