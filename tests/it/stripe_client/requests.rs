//! What a request looks like on the wire.

use packline::stripe::params::{
    ConfirmationMethod, ListPaymentMethods, NewAccountLink, NewPaymentIntent, NewRefund, NewTransferData,
    RefundReason,
};
use packline::stripe::{API_VERSION, Call, params};
use serde_json::json;

use super::server::{KEY, Scripted, call, ok, payment_intent};

#[tokio::test]
async fn a_post_names_its_version_its_key_and_its_account_and_carries_pairs() {
    let stripe = Scripted::start([ok(&payment_intent("requires_confirmation"))]).await;
    let new = NewPaymentIntent {
        amount: 4200,
        currency: "eur".to_owned(),
        payment_method_types: vec!["card".to_owned()],
        confirm: Some(true),
        confirmation_method: Some(ConfirmationMethod::Manual),
        use_stripe_sdk: Some(true),
        off_session: Some(false),
        application_fee_amount: Some(420),
        transfer_data: Some(NewTransferData { destination: "acct_2".to_owned(), amount: None }),
        receipt_email: Some("a+b@example.com".to_owned()),
        metadata: [("order_id".to_owned(), "o1".to_owned())].into(),
        ..NewPaymentIntent::default()
    };

    let made = stripe
        .client()
        .create_payment_intent(&new, Call { idempotency_key: KEY, account: Some("acct_1") })
        .await
        .unwrap();

    assert_eq!(made.client_secret.as_ref().unwrap().expose(), "pi_1_secret_2");
    assert!(!format!("{made:?}").contains("secret_2"), "the secret of the browser is hidden");
    let [request] = &stripe.requests()[..] else { panic!("one request") };
    assert_eq!(request.line, "POST /v1/payment_intents HTTP/1.1");
    for (name, value) in [
        ("authorization", "Bearer sk_test_scripted"),
        ("stripe-version", API_VERSION),
        ("idempotency-key", KEY),
        ("stripe-account", "acct_1"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", concat!("packline/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(
        request.body,
        "amount=4200&currency=eur&payment_method_types[0]=card&confirm=true&confirmation_method=manual\
         &off_session=false&use_stripe_sdk=true&receipt_email=a%2Bb@example.com&application_fee_amount=420\
         &transfer_data[destination]=acct_2&metadata[order_id]=o1",
    );
    assert_eq!(API_VERSION, "2026-08-26.dahlia");
}

#[tokio::test]
async fn a_get_carries_its_parameters_in_the_query_and_no_key() {
    let stripe = Scripted::start([ok(&json!({"object": "list", "data": [], "has_more": false}))]).await;
    let client = stripe.client();
    let filter =
        ListPaymentMethods { customer: Some("cus_1".to_owned()), method_type: Some("card".to_owned()) };

    let mut methods = client.list_payment_methods(filter, Some("acct_1"));

    assert!(futures_util::TryStreamExt::try_next(&mut methods).await.unwrap().is_none());
    let [request] = &stripe.requests()[..] else { panic!("one request") };
    assert_eq!(request.line, "GET /v1/payment_methods?customer=cus_1&type=card&limit=100 HTTP/1.1");
    assert_eq!(request.header("idempotency-key"), None);
    assert_eq!(request.header("stripe-account"), Some("acct_1"));
    assert_eq!(request.header("stripe-version"), Some(API_VERSION));
    assert_eq!(request.body, "");
}

#[tokio::test]
async fn each_call_goes_to_its_address() {
    let intent = ok(&payment_intent("canceled"));
    let steps = [
        intent.clone(),
        intent.clone(),
        intent.clone(),
        intent,
        ok(&json!({"id": "re_1", "object": "refund", "amount": 1, "currency": "eur", "status": "pending"})),
        ok(&json!({"id": "cus_1", "object": "customer", "email": null})),
        ok(&json!({"id": "acct_1", "object": "account", "capabilities": {"transfers": "active"}})),
        ok(&json!({"object": "account_link", "url": "https://connect.stripe.test/x", "expires_at": 1})),
        ok(
            &json!({"stripe_user_id": "acct_1", "livemode": false, "scope": "express", "access_token": "sk_x"}),
        ),
        ok(&json!({"stripe_user_id": "acct_1"})),
    ];
    let stripe = Scripted::start(steps).await;
    let client = stripe.client();
    let refund = NewRefund {
        payment_intent: Some("pi_1".to_owned()),
        reason: Some(RefundReason::RequestedByCustomer),
        reverse_transfer: Some(true),
        refund_application_fee: Some(false),
        ..NewRefund::default()
    };
    let link = NewAccountLink {
        account: "acct_1".to_owned(),
        link_type: params::AccountLinkType::AccountOnboarding,
        refresh_url: "https://shop.test/refresh".to_owned(),
        return_url: "https://shop.test/return".to_owned(),
    };

    client.update_payment_intent("pi_1", &params::UpdatePaymentIntent::default(), call()).await.unwrap();
    let capture = params::CapturePaymentIntent { amount_to_capture: Some(7), ..Default::default() };
    client.capture_payment_intent("pi_1", &capture, call()).await.unwrap();
    client.cancel_payment_intent("pi_1", &params::CancelPaymentIntent::default(), call()).await.unwrap();
    client.retrieve_payment_intent("pi_1", None).await.unwrap();
    client.create_refund(&refund, call()).await.unwrap();
    let customer = client.create_customer(&params::NewCustomer::default(), call()).await.unwrap();
    let account = client.create_account(&params::NewAccount::default(), call()).await.unwrap();
    let made_link = client.create_account_link(&link, call()).await.unwrap();
    let granted = client.oauth_token("ac_1", call()).await.unwrap();
    client.oauth_deauthorize("acct_1", call()).await.unwrap();

    assert_eq!(customer.as_str(), "cus_1");
    assert!(account.takes_transfers() && !account.charges_enabled);
    assert_eq!(made_link.url, "https://connect.stripe.test/x");
    assert!(!format!("{made_link:?}").contains("connect.stripe.test"));
    assert_eq!(granted.stripe_user_id, "acct_1");
    let sent: Vec<String> = stripe
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.line.trim_end_matches(" HTTP/1.1"), request.body))
        .collect();
    assert_eq!(
        sent,
        [
            "POST /v1/payment_intents/pi_1 ",
            "POST /v1/payment_intents/pi_1/capture amount_to_capture=7",
            "POST /v1/payment_intents/pi_1/cancel ",
            "GET /v1/payment_intents/pi_1 ",
            "POST /v1/refunds payment_intent=pi_1&reason=requested_by_customer&reverse_transfer=true\
             &refund_application_fee=false",
            "POST /v1/customers ",
            "POST /v1/accounts ",
            "POST /v1/account_links account=acct_1&type=account_onboarding\
             &refresh_url=https://shop.test/refresh&return_url=https://shop.test/return",
            "POST /oauth/token grant_type=authorization_code&code=ac_1",
            "POST /oauth/deauthorize client_id=ca_test&stripe_user_id=acct_1",
        ],
    );
}
