//! PaymentIntents, from made to paid, declined, captured and cancelled.

use reqwest::Method;
use serde_json::{Value, json};

use super::Local;

const CARD: &str = "amount=2000&currency=usd&payment_method_types[]=card";

impl Local {
    /// A confirmed payment with a test card.
    pub async fn pay(&self, card: &str, more: &str) -> Value {
        self.make("/v1/payment_intents", &format!("{CARD}&confirm=true&payment_method=pm_card_{card}&{more}"))
            .await
    }

    async fn authenticate(&self, intent: &Value, outcome: &str) -> Value {
        let path = format!("payment_intents/{}/authenticate", id(intent));
        let answered = self.control(&path, json!({ "outcome": outcome })).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        answered.body
    }
}

pub fn id(object: &Value) -> &str {
    object.as_str().or(object["id"].as_str()).unwrap()
}

fn path(intent: &Value, verb: &str) -> String {
    format!("/v1/payment_intents/{}/{verb}", id(intent))
}

#[actix_web::test]
async fn a_good_card_pays_at_once() {
    let local = Local::start();

    let intent = local.pay("visa", "metadata[order_id]=o1").await;

    assert_eq!((&intent["status"], &intent["amount_received"]), (&json!("succeeded"), &json!(2000)));
    assert_eq!(intent["metadata"], json!({"order_id": "o1"}));
    let charge = local.see(&format!("/v1/charges/{}", intent["latest_charge"].as_str().unwrap())).await;
    assert_eq!((&charge["captured"], &charge["paid"]), (&json!(true), &json!(true)));
    assert_eq!(charge["metadata"], json!({"order_id": "o1"}));
    assert!(charge["balance_transaction"].is_string());
    assert_eq!(
        local.told(),
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.updated"]
    );
}

#[actix_web::test]
async fn what_happened_names_the_call_that_caused_it() {
    let local = Local::start();
    let form = format!("{CARD}&confirm=true&payment_method=pm_card_visa");

    let answered = local.post_with("/v1/payment_intents", &form, &[("Idempotency-Key", "k1")]).await;

    let happenings = local.happenings();
    let cause = happenings[2].caused_by.as_ref().unwrap();
    assert_eq!(cause.request_id, answered.header("Request-Id"));
    assert_eq!(cause.idempotency_key.as_deref(), Some("k1"));
    assert_eq!(happenings[2].object["status"], "succeeded");
    assert_eq!(happenings[0].object["status"], "requires_confirmation");
    assert!(happenings[3].caused_by.is_none(), "the money reaches the balance by itself");
    assert_eq!(happenings[3].previous_attributes, Some(json!({"balance_transaction": null})));
}

#[actix_web::test]
async fn a_declined_card_leaves_an_intent_that_another_card_pays() {
    let local = Local::start();
    let form = format!("{CARD}&confirm=true&payment_method=pm_card_chargeDeclinedInsufficientFunds");

    let declined = local.post("/v1/payment_intents", &form).await;

    assert_eq!((declined.status, declined.error("type")), (402, &json!("card_error")));
    assert_eq!(declined.error("code"), "card_declined");
    assert_eq!(declined.error("decline_code"), "insufficient_funds");
    assert_eq!(declined.header("Stripe-Should-Retry"), "false");
    let intent = declined.error("payment_intent");
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["decline_code"], "insufficient_funds");
    assert_eq!(intent["last_payment_error"]["charge"], intent["latest_charge"]);
    assert_eq!(local.told(), ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);

    let paid = local.make(&path(intent, "confirm"), "payment_method=pm_card_visa").await;
    assert_eq!((&paid["status"], &paid["last_payment_error"]), (&json!("succeeded"), &Value::Null));
}

#[actix_web::test]
async fn a_decline_is_replayed_under_its_key() {
    let local = Local::start();
    let form = format!("{CARD}&confirm=true&payment_method=pm_card_chargeDeclined");
    let key = [("Idempotency-Key", "k1")];

    let first = local.post_with("/v1/payment_intents", &form, &key).await;
    let again = local.post_with("/v1/payment_intents", &form, &key).await;

    assert_eq!((first.status, again.status), (402, 402));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("Idempotent-Replayed"), "true");
}

#[actix_web::test]
async fn three_d_secure_passed_pays_and_failed_wants_another_method() {
    let local = Local::start();
    let asked = local.pay("authenticationRequired", "").await;
    let other = local.pay("threeDSecure2Required", "use_stripe_sdk=true&return_url=http://127.0.0.1/").await;
    assert_eq!(asked["status"], "requires_action");
    assert_eq!(asked["next_action"]["type"], "use_stripe_sdk");
    assert_eq!(other["next_action"]["type"], "use_stripe_sdk");
    local.told();

    let passed = local.authenticate(&asked, "succeeded").await;
    let told_passed = local.told();
    let failed = local.authenticate(&other, "failed").await;

    assert_eq!(passed["status"], "succeeded");
    assert_eq!(told_passed, ["charge.succeeded", "payment_intent.succeeded", "charge.updated"]);
    assert_eq!(failed["status"], "requires_payment_method");
    assert_eq!(failed["last_payment_error"]["code"], "payment_intent_authentication_failure");
    assert_eq!(local.told(), ["payment_intent.payment_failed"]);
    let again = format!("payment_intents/{}/authenticate", id(&asked));
    let again = local.control(&again, json!({"outcome": "failed"})).await;
    assert_eq!(again.status, 400);
}

#[actix_web::test]
async fn manual_confirmation_wants_a_second_confirm_within_the_hour() {
    let local = Local::start();
    let in_time = local.pay("authenticationRequired", "confirmation_method=manual").await;
    let late = local.pay("authenticationRequired", "confirmation_method=manual").await;
    assert_eq!(local.authenticate(&in_time, "succeeded").await["status"], "requires_confirmation");
    local.authenticate(&late, "succeeded").await;

    local.advance(59 * 60);
    let paid = local.make(&path(&in_time, "confirm"), "").await;
    local.advance(60);
    let late = local.see(&format!("/v1/payment_intents/{}", id(&late))).await;

    assert_eq!(paid["status"], "succeeded");
    assert_eq!(late["status"], "requires_payment_method");
    assert_eq!(late["last_payment_error"]["code"], "payment_intent_payment_attempt_expired");
    assert_eq!(local.told().last().unwrap(), "payment_intent.payment_failed");
}

#[actix_web::test]
async fn a_person_completes_the_banks_page_and_is_led_back() {
    let local = Local::start();
    let asked = local.pay("authenticationRequired", "return_url=http://127.0.0.1:9/back?x=1").await;
    let url = asked["next_action"]["redirect_to_url"]["url"].as_str().unwrap().to_owned();
    let page_path = url.strip_prefix(&local.stripe.base()).unwrap();

    let page = local.get(page_path).await;
    let back = local
        .send(
            local
                .request(Method::POST, page_path)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body("decision=succeeded"),
        )
        .await;

    assert!(page.body.as_str().unwrap().contains("Complete authentication"));
    assert_eq!(back.status, 303);
    let location = back.header("Location");
    assert!(location.starts_with("http://127.0.0.1:9/back?x=1&payment_intent=pi_"), "{location}");
    assert!(location.ends_with("redirect_status=succeeded"), "{location}");
    assert_eq!(local.see(&format!("/v1/payment_intents/{}", id(&asked))).await["status"], "succeeded");
}

#[actix_web::test]
async fn off_session_a_card_that_wants_its_owner_is_declined_unless_it_was_set_up() {
    let local = Local::start();
    let customer = local.make("/v1/customers", "email=ann@example.com").await;
    let customer = id(&customer);
    let save = format!("customer={customer}&setup_future_usage=off_session");
    let first = local.pay("authenticationRequiredOnSetup", &save).await;
    local.authenticate(&first, "succeeded").await;
    let always = local.pay("authenticationRequired", &save).await;
    local.authenticate(&always, "succeeded").await;
    assert!(local.told().contains(&"payment_method.attached".to_owned()));
    let methods = local.see(&format!("/v1/payment_methods?customer={customer}&type=card")).await;
    let methods: Vec<&str> = methods["data"].as_array().unwrap().iter().map(id).collect();
    let later = |method: &str| {
        format!("{CARD}&confirm=true&off_session=true&customer={customer}&payment_method={method}")
    };

    let declined = local.post("/v1/payment_intents", &later(methods[0])).await;
    let paid = local.make("/v1/payment_intents", &later(methods[1])).await;

    assert_eq!(declined.status, 402);
    assert_eq!(declined.error("code"), "authentication_required");
    assert_eq!(declined.error("payment_method")["id"], methods[0]);
    assert_eq!(declined.error("payment_intent")["status"], "requires_payment_method");
    assert_eq!(paid["status"], "succeeded");
}

#[actix_web::test]
async fn a_method_that_paid_pays_again_only_for_its_customer() {
    let local = Local::start();
    let intent = local.pay("visa", "").await;
    let method = intent["payment_method"].as_str().unwrap();

    let again =
        local.post("/v1/payment_intents", &format!("{CARD}&confirm=true&payment_method={method}")).await;

    assert_eq!(again.status, 400);
    assert!(again.error("message").as_str().unwrap().contains("may not be used again"));
}

#[actix_web::test]
async fn manual_capture_takes_a_part_and_releases_the_rest() {
    let local = Local::start();
    let intent = local.pay("visa", "capture_method=manual").await;
    assert_eq!((&intent["status"], &intent["amount_capturable"]), (&json!("requires_capture"), &json!(2000)));

    let too_much = local.post(&path(&intent, "capture"), "amount_to_capture=2001").await;
    let captured = local.make(&path(&intent, "capture"), "amount_to_capture=1500").await;
    let again = local.post(&path(&intent, "capture"), "").await;

    assert_eq!((too_much.status, too_much.error("code")), (400, &json!("amount_too_large")));
    assert_eq!((&captured["status"], &captured["amount_received"]), (&json!("succeeded"), &json!(1500)));
    assert_eq!(captured["amount_capturable"], 0);
    assert_eq!(again.error("code"), "payment_intent_unexpected_state");
    assert_eq!(again.error("payment_intent")["id"], intent["id"]);
    let charge = local.see(&format!("/v1/charges/{}", captured["latest_charge"].as_str().unwrap())).await;
    assert_eq!((&charge["amount_captured"], &charge["amount_refunded"]), (&json!(1500), &json!(500)));
    assert_eq!(
        local.told(),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded",
        ]
    );
}

#[actix_web::test]
async fn what_nobody_captures_in_a_week_is_released() {
    let local = Local::start();
    let intent = local.pay("visa", "capture_method=manual").await;
    local.told();

    local.advance(7 * 24 * 60 * 60);

    let intent = local.see(&format!("/v1/payment_intents/{}", id(&intent))).await;
    assert_eq!(
        (&intent["status"], &intent["cancellation_reason"]),
        (&json!("canceled"), &json!("automatic"))
    );
    assert_eq!(local.told(), ["charge.expired", "charge.refunded", "payment_intent.canceled"]);
}

#[actix_web::test]
async fn an_open_intent_is_cancelled_and_a_paid_one_is_not() {
    let local = Local::start();
    let open = local.make("/v1/payment_intents", CARD).await;
    let paid = local.pay("visa", "").await;

    let cancelled = local.make(&path(&open, "cancel"), "cancellation_reason=abandoned").await;
    let refused = local.post(&path(&paid, "cancel"), "").await;
    let confirmed = local.post(&path(&paid, "confirm"), "payment_method=pm_card_visa").await;
    let dead = local.post(&path(&open, "confirm"), "payment_method=pm_card_visa").await;

    assert_eq!(
        (&cancelled["status"], &cancelled["cancellation_reason"]),
        (&json!("canceled"), &json!("abandoned"))
    );
    for answered in [refused, confirmed, dead] {
        assert_eq!(
            (answered.status, answered.error("code")),
            (400, &json!("payment_intent_unexpected_state"))
        );
        assert!(answered.error("payment_intent")["id"].is_string());
    }
}

#[actix_web::test]
async fn a_bank_debit_settles_later_or_fails() {
    let local = Local::start();
    let form = "amount=1000&currency=eur&payment_method_types[]=sepa_debit&confirm=true&payment_method=";
    let good = local.make("/v1/payment_intents", &format!("{form}pm_sepaDebit")).await;
    let method = local
        .make(
            "/v1/payment_methods",
            "type=sepa_debit&sepa_debit[iban]=AT861904300235473202&billing_details[name]=Bob&\
             billing_details[email]=bob@example.com",
        )
        .await;
    let bad = local
        .make(
            "/v1/payment_intents",
            &format!("{form}{}&mandate_data[customer_acceptance][type]=offline", id(&method)),
        )
        .await;
    assert_eq!((&good["status"], &bad["status"]), (&json!("processing"), &json!("processing")));
    assert_eq!(local.told()[..3], ["payment_intent.created", "charge.pending", "payment_intent.processing"]);

    local.advance(10);

    let told = local.told();
    assert_eq!(
        told,
        [
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.failed",
            "payment_intent.payment_failed",
            "charge.updated",
        ]
    );
    let good = local.see(&format!("/v1/payment_intents/{}", id(&good))).await;
    let bad = local.see(&format!("/v1/payment_intents/{}", id(&bad))).await;
    assert_eq!((&good["status"], &bad["status"]), (&json!("succeeded"), &json!("requires_payment_method")));
}

#[actix_web::test]
async fn wrong_intents_are_refused_before_anything_is_made() {
    let local = Local::start();
    for (form, code, param) in [
        ("currency=usd", "parameter_missing", "amount"),
        ("amount=0&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=x&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=49&currency=usd", "amount_too_small", "amount"),
        ("amount=100000000&currency=usd", "amount_too_large", "amount"),
        ("amount=1001&currency=kwd", "parameter_invalid_integer", "amount"),
        ("amount=2000", "parameter_missing", "currency"),
        ("amount=2000&currency=usd&colour=red", "parameter_unknown", "colour"),
        ("amount=2000&currency=usd&customer=cus_x", "resource_missing", "customer"),
        ("amount=2000&currency=usd&payment_method=pm_x", "resource_missing", "payment_method"),
        (
            "amount=2000&currency=usd&transfer_data[destination]=acct_x",
            "resource_missing",
            "transfer_data[destination]",
        ),
    ] {
        let answered = local.post("/v1/payment_intents", form).await;
        assert_eq!(answered.status, 400, "{form}");
        assert_eq!(
            (answered.error("code"), answered.error("param")),
            (&json!(code), &json!(param)),
            "{form}"
        );
    }
    let needs_url = local
        .post("/v1/payment_intents", "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa")
        .await;
    assert!(needs_url.error("message").as_str().unwrap().contains("return_url"));
    assert_eq!(local.see("/v1/payment_intents").await["data"], json!([]));
    assert_eq!(local.told(), [""; 0], "a call that is refused half-way leaves nothing behind");
    let never = "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa&automatic_payment_methods[enabled]=\
                 true&automatic_payment_methods[allow_redirects]=never";
    assert_eq!(local.make("/v1/payment_intents", never).await["status"], "succeeded");
}

#[actix_web::test]
async fn error_on_requires_action_declines_instead_of_asking() {
    let local = Local::start();

    let form = format!(
        "{CARD}&confirm=true&error_on_requires_action=true&payment_method=pm_card_authenticationRequired"
    );
    let answered = local.post("/v1/payment_intents", &form).await;

    assert_eq!((answered.status, answered.error("code")), (402, &json!("authentication_required")));
}

#[actix_web::test]
async fn a_cvc_token_serves_once() {
    let local = Local::start();
    let token = local.make("/v1/tokens", "cvc_update[cvc]=123").await;
    let with_token = format!("payment_method_options[card][cvc_token]={}", id(&token));

    let paid = local.pay("visa", &with_token).await;
    let again = local
        .post("/v1/payment_intents", &format!("{CARD}&confirm=true&payment_method=pm_card_visa&{with_token}"))
        .await;

    assert_eq!(paid["status"], "succeeded");
    assert!(paid["payment_method_options"]["card"].get("cvc_token").is_none());
    assert_eq!((again.status, again.error("code")), (400, &json!("token_already_used")));
}

#[actix_web::test]
async fn a_browser_confirms_with_the_client_secret_and_sees_less() {
    let local = Local::start();
    let intent = local.make("/v1/payment_intents", &format!("{CARD}&metadata[order_id]=o1")).await;
    let client = packline::http_client::builder().build().unwrap();
    let url = |path: &str| format!("{}/v1/{path}", local.stripe.base());
    let secret = intent["client_secret"].as_str().unwrap();

    let card = "type=card&card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=34&card[cvc]=123&\
                key=pk_test_local";
    let method = local.send(client.post(url("payment_methods")).body(card)).await;
    let confirm =
        format!("client_secret={secret}&payment_method={}&return_url=http://127.0.0.1/", id(&method.body));
    let confirm_url = url(&format!("payment_intents/{}/confirm", id(&intent)));
    let wrong = local
        .send(
            client
                .post(&confirm_url)
                .bearer_auth("pk_test_local")
                .header("Origin", "http://shop.example")
                .body(confirm.replace("_secret_", "_secret_x")),
        )
        .await;
    let paid = local.send(client.post(&confirm_url).bearer_auth("pk_test_local").body(confirm)).await;
    let listed = local.send(client.get(url("payment_intents")).bearer_auth("pk_test_local")).await;

    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.header("Access-Control-Allow-Origin"), "http://shop.example");
    assert_eq!((paid.status, &paid.body["status"]), (200, &json!("succeeded")), "{}", paid.body);
    assert!(paid.body.get("metadata").is_none());
    assert_eq!((listed.status, listed.error("code")), (403, &json!("secret_key_required")));
}

#[actix_web::test]
async fn intents_are_expanded_and_searched() {
    let local = Local::start();
    local.pay("visa", "metadata[order_id]=o1").await;
    local.pay("visa", "metadata[order_id]=o2").await;

    let expanded = local.pay("visa", "expand[]=latest_charge.balance_transaction&expand[]=customer").await;
    let listed = local.see("/v1/payment_intents?limit=1&expand[]=data.latest_charge.refunds").await;
    let deep = local.get("/v1/payment_intents?expand[]=data.a.b.c.d.e").await;
    let wrong = local.get("/v1/payment_intents?expand[]=data.amount").await;
    let found = local.see("/v1/payment_intents/search?query=metadata['order_id']:'o2'").await;

    assert_eq!(expanded["latest_charge"]["object"], "charge");
    assert_eq!(listed["data"][0]["latest_charge"]["refunds"]["total_count"], 0);
    assert_eq!((deep.status, wrong.status), (400, 400));
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["metadata"]["order_id"], "o2");
}
