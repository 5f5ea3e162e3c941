//! What is written down and then sent: products, prices and quotes.

use futures_util::StreamExt;
use packline::stripe::params::{
    FinalizeQuote, NewInvoiceSettings, NewPrice, NewProduct, NewQuote, NewQuoteLine, NewRecurring,
    NewSubscriptionData, QuoteCollectionMethod, RecurringInterval,
};
use serde::Serialize;
use serde_json::json;

use super::super::server::call;
use super::{Collector, metadata, page, text};

async fn post(all: &mut Collector, name: &'static str, path: &str, parameters: impl Serialize) {
    let parameters = serde_json::to_value(parameters).unwrap();
    let client = all.client.clone();
    all.record(name, &parameters, client.post_written(path, &parameters, call()).await);
}

pub async fn written(all: &mut Collector) {
    let new = NewProduct { name: "Tea & more".to_owned(), description: text("Green"), metadata: metadata() };
    post(all, "create_product", "/v1/products", &new).await;
    for interval in
        [RecurringInterval::Day, RecurringInterval::Week, RecurringInterval::Month, RecurringInterval::Year]
    {
        let new = NewPrice {
            product: "prod_1".to_owned(),
            currency: "eur".to_owned(),
            unit_amount: 1500,
            recurring: Some(NewRecurring { interval, interval_count: 2 }),
            nickname: text("Box"),
            metadata: metadata(),
        };
        post(all, "create_price", "/v1/prices", &new).await;
    }
    for collection_method in [QuoteCollectionMethod::ChargeAutomatically, QuoteCollectionMethod::SendInvoice]
    {
        let new = NewQuote {
            customer: text("cus_1"),
            line_items: vec![
                NewQuoteLine { price: "price_1".to_owned(), quantity: 2 },
                NewQuoteLine { price: "price_2".to_owned(), quantity: 1 },
            ],
            description: text("Two\nlines"),
            header: text("Offer"),
            footer: text("Thanks"),
            expires_at: Some(1_800_000_000),
            collection_method: Some(collection_method),
            invoice_settings: Some(NewInvoiceSettings { days_until_due: Some(14) }),
            subscription_data: Some(NewSubscriptionData {
                trial_period_days: Some(7),
                effective_date: Some(1_800_000_000),
                metadata: metadata(),
            }),
            metadata: metadata(),
            expand: vec!["line_items.data.price.product".to_owned()],
        };
        post(all, "create_quote", "/v1/quotes", &new).await;
        post(all, "update_quote", "/v1/quotes/qt_1", &new).await;
    }
    let how = FinalizeQuote {
        expires_at: Some(1_800_000_000),
        expand: vec!["line_items.data.price.product".to_owned()],
    };
    post(all, "finalize_quote", "/v1/quotes/qt_1/finalize", &how).await;
    post(all, "accept_quote", "/v1/quotes/qt_1/accept", json!({})).await;
    post(all, "cancel_quote", "/v1/quotes/qt_1/cancel", json!({})).await;

    let client = all.client.clone();
    let query = json!({ "expand": ["line_items.data.price.product"] });
    let seen = client.get_value("/v1/quotes/qt_1", &query, None).await;
    all.record("retrieve_quote", query, seen);
    let lines = json!({ "expand": ["data.price.product"] });
    let created = json!({ "created": { "gte": 1_790_000_000, "lt": 1_800_000_000 } });
    for (name, path, filter) in [
        ("list_customers", "/v1/customers", &created),
        ("list_products", "/v1/products", &created),
        ("list_prices", "/v1/prices", &created),
        ("list_quotes", "/v1/quotes", &json!({})),
        ("list_quote_lines", "/v1/quotes/qt_1/line_items", &lines),
    ] {
        let first = client.list_values(path, filter.clone(), None).next().await.unwrap();
        all.record(name, page(filter, json!({})), first);
    }
}
