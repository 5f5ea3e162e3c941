//! What is sent about invoices and subscriptions. Most of it is written down first, with its path.

use packline::stripe::params::{
    CancelSubscription, ChangeSubscription, FinalizeInvoice, ItemChange, MoveInvoice, NewSubscription,
    NewSubscriptionItem, PauseBehavior, PauseInvoices, PauseWish, PayInvoice, PaymentBehavior,
    ProrationBehavior, ResumeSubscription,
};
use serde::Serialize;
use serde_json::json;

use super::super::server::call;
use super::{Collector, metadata, text};

async fn written(all: &mut Collector, name: &'static str, path: &str, params: &impl Serialize) {
    let value = serde_json::to_value(params).unwrap();
    let answer = all.client.clone().post_written(path, &value, call()).await;
    all.record(name, params, answer);
}

pub async fn invoicing(all: &mut Collector) {
    let expand = || vec!["confirmation_secret".to_owned(), "payments".to_owned()];
    let how = FinalizeInvoice { auto_advance: Some(true), expand: expand() };
    written(all, "finalize_invoice", "/v1/invoices/in_1/finalize", &how).await;
    let how = PayInvoice {
        payment_method: text("pm_1"),
        paid_out_of_band: Some(false),
        off_session: Some(false),
        expand: expand(),
    };
    written(all, "pay_invoice", "/v1/invoices/in_1/pay", &how).await;
    let how = MoveInvoice { expand: expand() };
    written(all, "send_invoice", "/v1/invoices/in_1/send", &how).await;
    written(all, "void_invoice", "/v1/invoices/in_1/void", &how).await;
    written(all, "mark_invoice_uncollectible", "/v1/invoices/in_1/mark_uncollectible", &how).await;

    for behavior in [
        PaymentBehavior::AllowIncomplete,
        PaymentBehavior::DefaultIncomplete,
        PaymentBehavior::ErrorIfIncomplete,
        PaymentBehavior::PendingIfIncomplete,
    ] {
        let item =
            NewSubscriptionItem { price: "price_1".to_owned(), quantity: Some(2), metadata: metadata() };
        let new = NewSubscription {
            customer: "cus_1".to_owned(),
            items: vec![item],
            payment_behavior: Some(behavior),
            collection_method: text("send_invoice"),
            days_until_due: Some(14),
            default_payment_method: text("pm_1"),
            trial_period_days: Some(30),
            metadata: metadata(),
            expand: vec!["latest_invoice.confirmation_secret".to_owned()],
        };
        written(all, "create_subscription", "/v1/subscriptions", &new).await;
    }
    for (behavior, pause) in [
        (ProrationBehavior::CreateProrations, PauseBehavior::KeepAsDraft),
        (ProrationBehavior::AlwaysInvoice, PauseBehavior::MarkUncollectible),
        (ProrationBehavior::None, PauseBehavior::Void),
    ] {
        let item =
            ItemChange { id: text("si_1"), price: text("price_1"), quantity: Some(3), deleted: Some(false) };
        let change = ChangeSubscription {
            items: vec![item],
            proration_behavior: Some(behavior),
            payment_behavior: Some(PaymentBehavior::AllowIncomplete),
            cancel_at_period_end: Some(true),
            pause_collection: Some(PauseWish::Pause(PauseInvoices {
                behavior: pause,
                resumes_at: Some(1_800_000_000),
            })),
            default_payment_method: text("pm_1"),
            metadata: metadata(),
            expand: vec!["latest_invoice".to_owned()],
        };
        written(all, "change_subscription", "/v1/subscriptions/sub_1", &change).await;
    }
    let unset = PauseWish::Unset(String::new());
    let change = ChangeSubscription { pause_collection: Some(unset), ..ChangeSubscription::default() };
    written(all, "change_subscription", "/v1/subscriptions/sub_1", &change).await;
    let how = ResumeSubscription { expand: vec!["latest_invoice".to_owned()] };
    written(all, "resume_subscription", "/v1/subscriptions/sub_1/resume", &how).await;

    let client = all.client.clone();
    let how = CancelSubscription { invoice_now: Some(true), prorate: Some(true) };
    all.record("cancel_subscription", &how, client.cancel_subscription("sub_1", &how, None).await);
    all.record("retrieve_subscription", json!({}), client.retrieve_subscription("sub_1", None).await);
}
