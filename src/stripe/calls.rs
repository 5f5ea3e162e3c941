//! The calls that we make. Those that change something take a [`Call`]: its key was stored before.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Base, Call, Client, Request, unsendable};
use super::error::CallError;
use super::form;
use super::pages::{self, Listing, Way};
use super::params::{
    CancelPaymentIntent, CancelSubscription, CapturePaymentIntent, ConfirmPaymentIntent,
    ExpireCheckoutSession, ListAccounts, ListCheckoutSessions, ListEvents, ListPaymentIntents,
    ListPaymentMethods, ListRefunds, NewAccount, NewAccountLink, NewCheckoutSession, NewCustomer,
    NewPaymentIntent, NewRefund, UpdatePaymentIntent,
};
use super::resources::{
    Account, AccountLink, BalanceTransaction, Charge, CheckoutSession, Customer, OAuthGrant, PaymentIntent,
    PaymentMethod, Refund, Subscription,
};

type Called<T> = Result<T, CallError>;

/// PaymentIntents. For the errors of each see [`CallError`].
impl Client {
    /// Makes a PaymentIntent, and tries to pay it if `confirm` is set.
    ///
    /// # Errors
    /// A decline is a refusal with status 402 that carries the PaymentIntent.
    pub async fn create_payment_intent(
        &self,
        new: &NewPaymentIntent,
        call: Call<'_>,
    ) -> Called<PaymentIntent> {
        self.post("/v1/payment_intents", None, new, call, "payment_intent").await
    }

    /// Changes a PaymentIntent that is not paid.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn update_payment_intent(
        &self,
        id: &str,
        change: &UpdatePaymentIntent,
        call: Call<'_>,
    ) -> Called<PaymentIntent> {
        self.post("/v1/payment_intents/{}", Some(id), change, call, "payment_intent").await
    }

    /// Tries to pay a PaymentIntent, or goes on after a further step of the buyer's.
    ///
    /// # Errors
    /// A decline is a refusal with status 402 that carries the PaymentIntent.
    pub async fn confirm_payment_intent(
        &self,
        id: &str,
        how: &ConfirmPaymentIntent,
        call: Call<'_>,
    ) -> Called<PaymentIntent> {
        self.post("/v1/payment_intents/{}/confirm", Some(id), how, call, "payment_intent").await
    }

    /// Takes money that was authorised.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn capture_payment_intent(
        &self,
        id: &str,
        how: &CapturePaymentIntent,
        call: Call<'_>,
    ) -> Called<PaymentIntent> {
        self.post("/v1/payment_intents/{}/capture", Some(id), how, call, "payment_intent").await
    }

    /// Calls a PaymentIntent off that is not paid; what was authorised is released.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cancel_payment_intent(
        &self,
        id: &str,
        how: &CancelPaymentIntent,
        call: Call<'_>,
    ) -> Called<PaymentIntent> {
        self.post("/v1/payment_intents/{}/cancel", Some(id), how, call, "payment_intent").await
    }

    /// Looks at a PaymentIntent.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_payment_intent(&self, id: &str, account: Option<&str>) -> Called<PaymentIntent> {
        self.get("/v1/payment_intents/{}", id, account, "payment_intent").await
    }

    /// PaymentIntents, newest first: to find by their metadata those whose making has an unknown outcome.
    pub fn list_payment_intents<'a>(
        &'a self,
        filter: ListPaymentIntents,
        account: Option<&'a str>,
    ) -> Listing<'a, PaymentIntent> {
        pages::list(self, "/v1/payment_intents", filter, Way::Back, account)
    }
}

/// Checkout Sessions.
impl Client {
    /// Opens a page on which one purchase is paid.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_checkout_session(
        &self,
        new: &NewCheckoutSession,
        call: Call<'_>,
    ) -> Called<CheckoutSession> {
        self.post("/v1/checkout/sessions", None, new, call, "checkout.session").await
    }

    /// Closes a page on which nobody has paid.
    ///
    /// # Errors
    /// See [`CallError`]. One that is complete or expired is refused.
    pub async fn expire_checkout_session(&self, id: &str, call: Call<'_>) -> Called<CheckoutSession> {
        let how = ExpireCheckoutSession::default();
        self.post("/v1/checkout/sessions/{}/expire", Some(id), &how, call, "checkout.session").await
    }

    /// Looks at a session.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_checkout_session(
        &self,
        id: &str,
        account: Option<&str>,
    ) -> Called<CheckoutSession> {
        self.get("/v1/checkout/sessions/{}", id, account, "checkout.session").await
    }

    /// Sessions, newest first: to find those whose making has an unknown outcome.
    pub fn list_checkout_sessions<'a>(
        &'a self,
        filter: ListCheckoutSessions,
        account: Option<&'a str>,
    ) -> Listing<'a, CheckoutSession> {
        pages::list(self, "/v1/checkout/sessions", filter, Way::Back, account)
    }
}

/// Refunds, charges and customers.
impl Client {
    /// Gives money back.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_refund(&self, new: &NewRefund, call: Call<'_>) -> Called<Refund> {
        self.post("/v1/refunds", None, new, call, "refund").await
    }

    /// Looks at a refund.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_refund(&self, id: &str, account: Option<&str>) -> Called<Refund> {
        self.get("/v1/refunds/{}", id, account, "refund").await
    }

    /// Refunds, newest first.
    pub fn list_refunds<'a>(&'a self, filter: ListRefunds, account: Option<&'a str>) -> Listing<'a, Refund> {
        pages::list(self, "/v1/refunds", filter, Way::Back, account)
    }

    /// Looks at a charge.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_charge(&self, id: &str, account: Option<&str>) -> Called<Charge> {
        self.get("/v1/charges/{}", id, account, "charge").await
    }

    /// Looks at a balance transaction: what Stripe took of a payment.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_balance_transaction(
        &self,
        id: &str,
        account: Option<&str>,
    ) -> Called<BalanceTransaction> {
        self.get("/v1/balance_transactions/{}", id, account, "balance_transaction").await
    }

    /// Makes a customer, for whom cards can be kept.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_customer(&self, new: &NewCustomer, call: Call<'_>) -> Called<Customer> {
        self.post("/v1/customers", None, new, call, "customer").await
    }

    /// What a customer can pay with, newest first.
    pub fn list_payment_methods<'a>(
        &'a self,
        filter: ListPaymentMethods,
        account: Option<&'a str>,
    ) -> Listing<'a, PaymentMethod> {
        pages::list(self, "/v1/payment_methods", filter, Way::Back, account)
    }

    /// Looks at a payment method.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_payment_method(&self, id: &str, account: Option<&str>) -> Called<PaymentMethod> {
        self.get("/v1/payment_methods/{}", id, account, "payment_method").await
    }

    /// Events of the last 30 days as they stand in Stripe, in the shape of the version in which they were made. With
    /// `after` (`evt_…`), those after it, oldest first; otherwise all, newest first.
    pub fn list_events<'a>(
        &'a self,
        filter: ListEvents,
        after: Option<&str>,
        account: Option<&'a str>,
    ) -> Listing<'a, Box<RawValue>> {
        let way = after.map_or(Way::Back, |id| Way::ForthFrom(id.to_owned()));
        pages::list(self, "/v1/events", filter, way, account)
    }
}

/// An object of whatever kind, with an id, or a page of a list.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
struct Object(Value);

impl TryFrom<Value> for Object {
    type Error = &'static str;

    fn try_from(object: Value) -> Result<Self, &'static str> {
        let is_one = object["id"].is_string() && object["object"].is_string();
        let is_list = object["object"] == "list" && object["data"].is_array();
        if is_one || is_list { Ok(Self(object)) } else { Err("no object with an id and no list") }
    }
}

/// Calls that were written down with their paths and parameters. Whoever wrote them reads the answers.
impl Client {
    /// Makes a call that changes something.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post_written(&self, path: &str, params: &Value, call: Call<'_>) -> Called<Value> {
        let request = Request { object: None, ..posted(path, None, params, call, "")? };
        self.send::<Object>(&request).await.map(|object| object.0)
    }

    /// Looks at an object; `query` is what is asked of it, such as `expand`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get_value(&self, path: &str, query: &Value, account: Option<&str>) -> Called<Value> {
        let request = Request {
            method: Method::GET,
            base: Base::Api,
            path,
            id: None,
            form: form::encode(query).map_err(|error| unsendable(error.to_string()))?,
            account,
            idempotency_key: None,
            is_repeatable: true,
            object: None,
        };
        self.send::<Object>(&request).await.map(|object| object.0)
    }

    /// Looks at a subscription.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn retrieve_subscription(&self, id: &str, account: Option<&str>) -> Called<Subscription> {
        self.get("/v1/subscriptions/{}", id, account, "subscription").await
    }

    /// Ends a subscription at once. Stripe takes no idempotency key for it: of one that is over it says that there is no
    /// such subscription.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cancel_subscription(
        &self,
        id: &str,
        how: &CancelSubscription,
        account: Option<&str>,
    ) -> Called<Subscription> {
        let request = Request {
            method: Method::DELETE,
            base: Base::Api,
            path: "/v1/subscriptions/{}",
            id: Some(id),
            form: form::encode(how).map_err(|error| unsendable(error.to_string()))?,
            account,
            idempotency_key: None,
            is_repeatable: true,
            object: Some("subscription"),
        };
        self.send(&request).await
    }

    /// The objects of a list, newest first.
    pub fn list_values<'a>(
        &'a self,
        path: &'a str,
        filter: Value,
        account: Option<&'a str>,
    ) -> Listing<'a, Value> {
        pages::list(self, path, filter, Way::Back, account)
    }
}

#[derive(Serialize)]
struct OAuthToken<'a> {
    grant_type: &'static str,
    code: &'a str,
}

#[derive(Serialize)]
struct OAuthDeauthorize<'a> {
    client_id: &'a str,
    stripe_user_id: &'a str,
}

/// Connected accounts.
impl Client {
    /// Makes a connected account.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_account(&self, new: &NewAccount, call: Call<'_>) -> Called<Account> {
        self.post("/v1/accounts", None, new, call, "account").await
    }

    /// Looks at a connected account.
    ///
    /// # Errors
    /// See [`CallError`]. 403 says that it is not connected, or not any more.
    pub async fn retrieve_account(&self, id: &str) -> Called<Account> {
        self.get("/v1/accounts/{}", id, None, "account").await
    }

    /// Connected accounts, newest first: to find those whose making has an unknown outcome.
    pub fn list_accounts(&self, filter: ListAccounts) -> Listing<'_, Account> {
        pages::list(self, "/v1/accounts", filter, Way::Back, None)
    }

    /// Makes an address where an account's owner tells Stripe what it asks.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_account_link(&self, new: &NewAccountLink, call: Call<'_>) -> Called<AccountLink> {
        self.post("/v1/account_links", None, new, call, "account_link").await
    }

    /// Exchanges the code with which an account's owner came back from Stripe. A code serves once and OAuth replays
    /// nothing, so this is sent again only where it surely did nothing: after an unknown outcome the owner starts anew.
    ///
    /// # Errors
    /// See [`CallError`]. A code that is used up or too old is refused with the code `invalid_grant`.
    pub async fn oauth_token(&self, code: &str, call: Call<'_>) -> Called<OAuthGrant> {
        self.oauth("/oauth/token", &OAuthToken { grant_type: "authorization_code", code }, call).await
    }

    /// Disconnects an account that was connected by OAuth.
    ///
    /// # Errors
    /// See [`CallError`]. Without STRIPE_CONNECT_CLIENT_ID nothing is sent. An account that is not connected is refused
    /// with the code `invalid_client`.
    pub async fn oauth_deauthorize(&self, account: &str, call: Call<'_>) -> Called<OAuthGrant> {
        let Some(client_id) = self.connect_client_id() else {
            return Err(unsendable("STRIPE_CONNECT_CLIENT_ID is not set".to_owned()));
        };
        self.oauth("/oauth/deauthorize", &OAuthDeauthorize { client_id, stripe_user_id: account }, call).await
    }

    async fn oauth(&self, path: &'static str, form: &impl Serialize, call: Call<'_>) -> Called<OAuthGrant> {
        let request = Request {
            base: Base::Connect,
            is_repeatable: false,
            object: None,
            ..posted(path, None, form, call, "")?
        };
        self.send(&request).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &'static str,
        id: Option<&str>,
        form: &impl Serialize,
        call: Call<'_>,
        object: &'static str,
    ) -> Called<T> {
        self.send(&posted(path, id, form, call, object)?).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &'static str,
        id: &str,
        account: Option<&str>,
        object: &'static str,
    ) -> Called<T> {
        let request = Request {
            method: Method::GET,
            base: Base::Api,
            path,
            id: Some(id),
            form: String::new(),
            account,
            idempotency_key: None,
            is_repeatable: true,
            object: Some(object),
        };
        self.send(&request).await
    }
}

fn posted<'a>(
    path: &'a str,
    id: Option<&'a str>,
    form: &impl Serialize,
    call: Call<'a>,
    object: &'static str,
) -> Called<Request<'a>> {
    Ok(Request {
        method: Method::POST,
        base: Base::Api,
        path,
        id,
        form: form::encode(form).map_err(|error| unsendable(error.to_string()))?,
        account: call.account,
        idempotency_key: Some(call.idempotency_key),
        is_repeatable: true,
        object: Some(object),
    })
}
