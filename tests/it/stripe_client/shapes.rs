//! One example of everything that the client can send, as it was sent: written to `target/tmp/stripe-shapes.json` for
//! `tests/e2e/shapes.mjs`, which holds it against the types and the requests of Stripe's own SDK. No example leaves a
//! field out, so that a new field is a new part of the examples.

use std::path::Path;

use futures_util::StreamExt;
use packline::stripe::params::{
    AccountLinkType, AccountType, AllowRedirects, AutomaticPaymentMethods, BusinessType, CancelPaymentIntent,
    CancellationReason, CapabilityRequest, CaptureMethod, CapturePaymentIntent, CardOptions, CheckoutMode,
    ConfirmPaymentIntent, ConfirmationMethod, CreatedAfter, CustomerCreation, ListAccounts,
    ListCheckoutSessions, ListEvents, ListPaymentIntents, ListPaymentMethods, ListRefunds, NewAccount,
    NewAccountLink, NewAddress, NewCapabilities, NewCheckoutSession, NewCustomer, NewCustomerShipping,
    NewMetadata, NewPaymentIntent, NewRefund, NewSessionLine, NewShipping, NewTransferData,
    PaymentIntentData, PaymentMethodOptions, PriceData, ProductData, RefundReason, RequestThreeDSecure,
    SetupFutureUsage, UpdatePaymentIntent,
};
use packline::stripe::{CallError, Client};
use serde::Serialize;
use serde_json::{Value, json};

use super::server::{Scripted, call, ok};

mod billing;
mod invoicing;

/// What was asked for, and the request that it became.
#[derive(Serialize)]
struct Shape {
    /// The method of our client; `shapes.mjs` knows the SDK's.
    call: &'static str,
    method: String,
    path: String,
    version: String,
    form: String,
    /// The parameters with their types, which a form does not have.
    parameters: Value,
}

struct Collector {
    stripe: Scripted,
    client: Client,
    shapes: Vec<Shape>,
}

impl Collector {
    async fn start() -> Self {
        // A list that goes on once, and no object that any other call asks for: only what is sent counts here.
        let page = ok(&json!({"object": "list", "data": [{"id": "re_1"}], "has_more": true}));
        let stripe = Scripted::start([page]).await;
        let client = stripe.client();
        Self { stripe, client, shapes: Vec::new() }
    }

    /// Records the last request: the attempts of a call are alike, the pages of a list are not.
    fn record<T>(&mut self, call: &'static str, parameters: impl Serialize, result: Result<T, CallError>) {
        assert!(!matches!(result, Err(CallError::NotDone(_))), "{call} was sent");
        let sent = self.stripe.take_requests();
        let request = sent.last().unwrap();
        let (method, target) = request.line.trim_end_matches(" HTTP/1.1").split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.shapes.push(Shape {
            call,
            method: method.to_owned(),
            path: path.to_owned(),
            version: request.header("stripe-version").unwrap().to_owned(),
            form: if method == "POST" { request.body.clone() } else { query.to_owned() },
            parameters: serde_json::to_value(parameters).unwrap(),
        });
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn metadata() -> NewMetadata {
    [("order_id".to_owned(), "o 1".to_owned()), ("dropped".to_owned(), String::new())].into()
}

fn expand() -> Vec<String> {
    vec!["latest_charge".to_owned(), "customer".to_owned()]
}

fn shipping() -> NewShipping {
    NewShipping {
        name: "Ada Ü. Example".to_owned(),
        phone: text("+49 30 1"),
        carrier: text("Post"),
        tracking_number: text("T1"),
        address: NewAddress {
            line1: text("Street 1 & 2"),
            line2: text("2nd floor"),
            city: text("Berlin"),
            state: text("BE"),
            postal_code: text("10115"),
            country: text("DE"),
        },
    }
}

fn method_options() -> PaymentMethodOptions {
    PaymentMethodOptions {
        card: Some(CardOptions {
            cvc_token: text("cvctok_1"),
            request_three_d_secure: Some(RequestThreeDSecure::Challenge),
            setup_future_usage: Some(SetupFutureUsage::OffSession),
        }),
    }
}

fn new_payment_intent() -> NewPaymentIntent {
    NewPaymentIntent {
        amount: 4200,
        currency: "eur".to_owned(),
        customer: text("cus_1"),
        description: text("Order 1"),
        payment_method: text("pm_1"),
        payment_method_types: vec!["card".to_owned(), "link".to_owned()],
        automatic_payment_methods: Some(AutomaticPaymentMethods {
            enabled: true,
            allow_redirects: Some(AllowRedirects::Never),
        }),
        payment_method_options: Some(method_options()),
        confirm: Some(true),
        confirmation_method: Some(ConfirmationMethod::Manual),
        capture_method: Some(CaptureMethod::Manual),
        setup_future_usage: Some(SetupFutureUsage::OffSession),
        off_session: Some(true),
        error_on_requires_action: Some(true),
        use_stripe_sdk: Some(true),
        return_url: text("https://shop.test/done?order=1&x=y"),
        receipt_email: text("a+b@example.com"),
        shipping: Some(shipping()),
        statement_descriptor_suffix: text("ORDER 1"),
        application_fee_amount: Some(420),
        transfer_data: Some(NewTransferData { destination: "acct_1".to_owned(), amount: Some(3780) }),
        on_behalf_of: text("acct_1"),
        transfer_group: text("order_1"),
        metadata: metadata(),
        expand: expand(),
    }
}

async fn payment_intents(all: &mut Collector) {
    let client = all.client.clone();
    let new = new_payment_intent();
    all.record("create_payment_intent", &new, client.create_payment_intent(&new, call()).await);
    // Every other value of each enumeration.
    for (capture, confirmation, usage, redirects, secure) in [
        (
            CaptureMethod::Automatic,
            ConfirmationMethod::Automatic,
            SetupFutureUsage::OnSession,
            AllowRedirects::Always,
            RequestThreeDSecure::Any,
        ),
        (
            CaptureMethod::AutomaticAsync,
            ConfirmationMethod::Automatic,
            SetupFutureUsage::OnSession,
            AllowRedirects::Always,
            RequestThreeDSecure::Automatic,
        ),
    ] {
        let mut new = new_payment_intent();
        new.capture_method = Some(capture);
        new.confirmation_method = Some(confirmation);
        new.setup_future_usage = Some(usage);
        new.automatic_payment_methods =
            Some(AutomaticPaymentMethods { enabled: false, allow_redirects: Some(redirects) });
        if let Some(card) = new.payment_method_options.as_mut().and_then(|options| options.card.as_mut()) {
            card.request_three_d_secure = Some(secure);
        }
        all.record("create_payment_intent", &new, client.create_payment_intent(&new, call()).await);
    }
    let least = NewPaymentIntent { amount: 1, currency: "jpy".to_owned(), ..NewPaymentIntent::default() };
    all.record("create_payment_intent", &least, client.create_payment_intent(&least, call()).await);

    let change = UpdatePaymentIntent {
        amount: Some(4300),
        currency: text("eur"),
        customer: text("cus_1"),
        description: text("Order 1"),
        payment_method: text("pm_1"),
        payment_method_types: vec!["card".to_owned()],
        payment_method_options: Some(method_options()),
        capture_method: Some(CaptureMethod::Manual),
        setup_future_usage: Some(SetupFutureUsage::OffSession),
        receipt_email: text(""),
        shipping: Some(shipping()),
        statement_descriptor_suffix: text("ORDER 1"),
        application_fee_amount: Some(430),
        transfer_group: text("order_1"),
        metadata: metadata(),
        expand: expand(),
    };
    all.record("update_payment_intent", &change, client.update_payment_intent("pi_1", &change, call()).await);

    let how = ConfirmPaymentIntent {
        payment_method: text("pm_1"),
        payment_method_types: vec!["card".to_owned()],
        payment_method_options: Some(method_options()),
        capture_method: Some(CaptureMethod::Manual),
        setup_future_usage: Some(SetupFutureUsage::OffSession),
        off_session: Some(false),
        error_on_requires_action: Some(true),
        use_stripe_sdk: Some(true),
        return_url: text("https://shop.test/done"),
        receipt_email: text("a+b@example.com"),
        shipping: Some(shipping()),
        expand: expand(),
    };
    all.record("confirm_payment_intent", &how, client.confirm_payment_intent("pi_1", &how, call()).await);
    let least = ConfirmPaymentIntent::default();
    all.record("confirm_payment_intent", &least, client.confirm_payment_intent("pi_1", &least, call()).await);

    let how = CapturePaymentIntent {
        amount_to_capture: Some(4000),
        application_fee_amount: Some(400),
        final_capture: Some(true),
        metadata: metadata(),
        statement_descriptor_suffix: text("ORDER 1"),
        expand: expand(),
    };
    all.record("capture_payment_intent", &how, client.capture_payment_intent("pi_1", &how, call()).await);

    for reason in [
        CancellationReason::Abandoned,
        CancellationReason::Duplicate,
        CancellationReason::Fraudulent,
        CancellationReason::RequestedByCustomer,
    ] {
        let how = CancelPaymentIntent { cancellation_reason: Some(reason), expand: expand() };
        all.record("cancel_payment_intent", &how, client.cancel_payment_intent("pi_1", &how, call()).await);
    }
    all.record("retrieve_payment_intent", json!({}), client.retrieve_payment_intent("pi_1", None).await);
}

async fn checkout_sessions(all: &mut Collector) {
    let client = all.client.clone();
    let least = NewCheckoutSession {
        line_items: vec![line("Mug", 1500)],
        success_url: "https://shop.test/done?session={CHECKOUT_SESSION_ID}".to_owned(),
        ..Default::default()
    };
    all.record("create_checkout_session", &least, client.create_checkout_session(&least, call()).await);
    for customer_creation in [CustomerCreation::Always, CustomerCreation::IfRequired] {
        let new = NewCheckoutSession {
            mode: CheckoutMode::Payment,
            line_items: vec![line("Mug", 1500), line("Cup", 900)],
            success_url: "https://shop.test/done".to_owned(),
            cancel_url: text("https://shop.test/cart"),
            expires_at: Some(1_790_003_600),
            client_reference_id: text("order-1"),
            customer: text("cus_1"),
            customer_email: text("a+b@example.com"),
            customer_creation: Some(customer_creation),
            payment_intent_data: Some(PaymentIntentData {
                description: text("Order 1"),
                capture_method: Some(CaptureMethod::Manual),
                setup_future_usage: Some(SetupFutureUsage::OffSession),
                receipt_email: text("a+b@example.com"),
                statement_descriptor_suffix: text("ORDER 1"),
                application_fee_amount: Some(400),
                transfer_data: Some(NewTransferData { destination: "acct_1".to_owned(), amount: None }),
                on_behalf_of: text("acct_1"),
                metadata: metadata(),
            }),
            metadata: metadata(),
            expand: vec!["customer".to_owned()],
        };
        all.record("create_checkout_session", &new, client.create_checkout_session(&new, call()).await);
    }
    all.record("expire_checkout_session", json!({}), client.expire_checkout_session("cs_1", call()).await);
    all.record("retrieve_checkout_session", json!({}), client.retrieve_checkout_session("cs_1", None).await);
}

fn line(name: &str, unit_amount: i64) -> NewSessionLine {
    let product_data = ProductData { name: name.to_owned(), metadata: metadata() };
    NewSessionLine {
        quantity: 2,
        price_data: PriceData { currency: "eur".to_owned(), unit_amount, product_data },
    }
}

async fn refunds_and_customers(all: &mut Collector) {
    let client = all.client.clone();
    for reason in [RefundReason::Duplicate, RefundReason::Fraudulent, RefundReason::RequestedByCustomer] {
        let new = NewRefund {
            payment_intent: text("pi_1"),
            charge: text("ch_1"),
            amount: Some(1000),
            reason: Some(reason),
            reverse_transfer: Some(true),
            refund_application_fee: Some(false),
            metadata: metadata(),
            expand: vec!["charge".to_owned()],
        };
        all.record("create_refund", &new, client.create_refund(&new, call()).await);
    }
    let new = NewCustomer {
        email: text("a+b@example.com"),
        name: text("Ada Example"),
        phone: text("+49 30 1"),
        description: text("From the shop"),
        shipping: Some(NewCustomerShipping {
            name: "Ada Ü. Example".to_owned(),
            phone: text("+49 30 1"),
            address: shipping().address,
        }),
        metadata: metadata(),
    };
    all.record("create_customer", &new, client.create_customer(&new, call()).await);
    all.record("retrieve_refund", json!({}), client.retrieve_refund("re_1", None).await);
    all.record("retrieve_charge", json!({}), client.retrieve_charge("ch_1", None).await);
    all.record("retrieve_payment_method", json!({}), client.retrieve_payment_method("pm_1", None).await);
    all.record(
        "retrieve_balance_transaction",
        json!({}),
        client.retrieve_balance_transaction("txn_1", None).await,
    );
}

async fn accounts(all: &mut Collector) {
    let client = all.client.clone();
    for (account_type, business_type) in [
        (AccountType::Express, BusinessType::Individual),
        (AccountType::Standard, BusinessType::Company),
        (AccountType::Express, BusinessType::NonProfit),
        (AccountType::Express, BusinessType::GovernmentEntity),
    ] {
        let asked = CapabilityRequest { requested: true };
        let new = NewAccount {
            account_type: Some(account_type),
            country: text("DE"),
            email: text("seller@example.com"),
            business_type: Some(business_type),
            capabilities: Some(NewCapabilities {
                card_payments: Some(asked.clone()),
                transfers: Some(asked),
            }),
            metadata: metadata(),
            expand: vec!["external_accounts".to_owned()],
        };
        all.record("create_account", &new, client.create_account(&new, call()).await);
    }
    for link_type in [AccountLinkType::AccountOnboarding, AccountLinkType::AccountUpdate] {
        let new = NewAccountLink {
            account: "acct_1".to_owned(),
            link_type,
            refresh_url: "https://shop.test/refresh?account=1".to_owned(),
            return_url: "https://shop.test/return".to_owned(),
        };
        all.record("create_account_link", &new, client.create_account_link(&new, call()).await);
    }
    all.record("retrieve_account", json!({}), client.retrieve_account("acct_1").await);
    let code = json!({"grant_type": "authorization_code", "code": "ac_1"});
    all.record("oauth_token", code, client.oauth_token("ac_1", call()).await);
    let account = json!({"client_id": "ca_test", "stripe_user_id": "acct_1"});
    all.record("oauth_deauthorize", account, client.oauth_deauthorize("acct_1", call()).await);
}

/// The parameters of a page: those of the list, and ours.
fn page(filter: &impl Serialize, cursor: Value) -> Value {
    let mut parameters = serde_json::to_value(filter).unwrap();
    let all = parameters.as_object_mut().unwrap();
    all.insert("limit".to_owned(), json!(100));
    all.extend(cursor.as_object().unwrap().clone());
    parameters
}

async fn lists(all: &mut Collector) {
    let client = all.client.clone();
    let created = || Some(CreatedAfter { gte: Some(1_790_000_000), lt: Some(1_800_000_000) });

    let filter = ListAccounts { created: created() };
    let first = client.list_accounts(filter.clone()).next().await.unwrap();
    all.record("list_accounts", page(&filter, json!({})), first);

    let filter = ListPaymentIntents { customer: text("cus_1"), created: created() };
    let first = client.list_payment_intents(filter.clone(), None).next().await.unwrap();
    all.record("list_payment_intents", page(&filter, json!({})), first);

    let filter = ListCheckoutSessions { payment_intent: text("pi_1"), created: created() };
    let first = client.list_checkout_sessions(filter.clone(), None).next().await.unwrap();
    all.record("list_checkout_sessions", page(&filter, json!({})), first);

    let filter = ListPaymentMethods { customer: text("cus_1"), method_type: text("card") };
    let first = client.list_payment_methods(filter.clone(), None).next().await.unwrap();
    all.record("list_payment_methods", page(&filter, json!({})), first);

    let filter = ListEvents {
        types: vec!["charge.refunded".to_owned(), "refund.created".to_owned()],
        created: created(),
        delivery_success: Some(false),
    };
    let first = client.list_events(filter.clone(), Some("evt_1"), None).next().await.unwrap();
    all.record("list_events", page(&filter, json!({"ending_before": "evt_1"})), first);

    let second = client.list_events(ListEvents::default(), None, None).skip(1).next().await.unwrap();
    let cursor = json!({"starting_after": "re_1"});
    all.record("list_events", page(&ListEvents::default(), cursor), second);

    let filter = ListRefunds { payment_intent: text("pi_1"), charge: text("ch_1"), created: created() };
    let first = client.list_refunds(filter.clone(), None).next().await.unwrap();
    all.record("list_refunds", page(&filter, json!({})), first);
}

#[tokio::test]
async fn everything_that_can_be_sent_is_written_down_for_stripes_own_sdk() {
    let mut all = Collector::start().await;

    payment_intents(&mut all).await;
    checkout_sessions(&mut all).await;
    refunds_and_customers(&mut all).await;
    accounts(&mut all).await;
    lists(&mut all).await;
    billing::written(&mut all).await;
    invoicing::invoicing(&mut all).await;

    assert!(all.shapes.len() > 30);
    let shapes = serde_json::to_string_pretty(&all.shapes).unwrap();
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripe-shapes.json"), shapes).unwrap();
}
