//! The questions as calls, and the answers reduced to what is needed.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::orders::lookups::{LinesAnswer, LinksAnswer, Outcome, Question, Sku, SkuSource, learn_sku};
use crate::orders::{Line, LineKind, LookupKind};
use crate::stripe::{CallError, Client, Invoice, InvoiceLine, Unknown, UnknownCause};

/// Pages of a hundred lines: a bound, far beyond what Stripe lets an invoice have.
const MOST_PAGES: usize = 20;

/// What Stripe said.
pub(super) struct Said {
    pub outcome: Outcome,
    /// The whole invoice, where it was asked for.
    pub invoice: Option<Box<Invoice>>,
    prices: Vec<Price>,
}

/// A price, and how the merchant calls it.
struct Price {
    id: String,
    sku: String,
    product: Option<String>,
    description: Option<String>,
    source: SkuSource,
}

impl Said {
    pub(super) fn of(outcome: Outcome) -> Self {
        Self { outcome, invoice: None, prices: Vec::new() }
    }

    /// Keeps the skus that came with it.
    pub(super) async fn keep_skus(
        &self,
        conn: &mut PgConnection,
        question: &Question,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        for price in &self.prices {
            let sku = Sku {
                account: question.account.as_deref(),
                price: &price.id,
                sku: &price.sku,
                product: price.product.as_deref(),
                description: price.description.as_deref(),
                source: price.source,
            };
            learn_sku(conn, &sku, now).await?;
        }
        Ok(())
    }
}

/// Asks a question.
///
/// # Errors
/// See [`CallError`].
pub(super) async fn ask(client: &Client, question: &Question) -> Result<Said, CallError> {
    let (id, account) = (question.stripe_id.as_str(), question.account.as_deref());
    // It becomes a part of an address, and came with an event.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Ok(Said::of(Outcome::Refused(format!("{id:?} is no id that can be asked for"))));
    }
    match question.kind {
        LookupKind::Price => {
            let query = json!({ "expand": ["product"] });
            let price = Price::of(&client.get_value(&format!("/v1/prices/{id}"), &query, account).await?, id);
            let answer = Outcome::Answered(json!({ "sku": price.sku }));
            Ok(Said { prices: vec![price], ..Said::of(answer) })
        }
        LookupKind::InvoiceLines => {
            let path = format!("/v1/invoices/{id}/lines");
            let lines = list(client, &path, &json!({}), account).await?;
            let lines = lines.into_iter().map(read::<InvoiceLine>).collect::<Result<Vec<_>, _>>()?;
            Ok(Said::of(answered(&LinesAnswer::of_invoice(&lines))))
        }
        LookupKind::SessionLines => {
            let path = format!("/v1/checkout/sessions/{id}/line_items");
            let items = list(client, &path, &json!({ "expand": ["data.price.product"] }), account).await?;
            let priced: Vec<(Line, Option<Price>)> = items.iter().map(session_line).collect();
            let (lines, prices): (Vec<Line>, Vec<Option<Price>>) = priced.into_iter().unzip();
            let answer = answered(&LinesAnswer { lines, prices: Vec::new() });
            Ok(Said { prices: prices.into_iter().flatten().collect(), ..Said::of(answer) })
        }
        LookupKind::Invoice => {
            let query = json!({ "expand": ["payments", "confirmation_secret"] });
            let invoice: Invoice =
                read(client.get_value(&format!("/v1/invoices/{id}"), &query, account).await?)?;
            let links = invoice.payment_intents().map(|intent| (id.to_owned(), intent.0.clone())).collect();
            Ok(Said { invoice: Some(Box::new(invoice)), ..Said::of(answered(&LinksAnswer { links })) })
        }
        LookupKind::PaymentIntentInvoice => {
            let query = json!({ "payment": { "type": "payment_intent", "payment_intent": id } });
            let payments = list(client, "/v1/invoice_payments", &query, account).await?;
            let invoices = payments.iter().filter_map(|payment| id_of(&payment["invoice"]));
            let links = invoices.map(|invoice| (invoice.to_owned(), id.to_owned())).collect();
            Ok(Said::of(answered(&LinksAnswer { links })))
        }
    }
}

impl Price {
    /// Of a price with its product, as Stripe shows it.
    fn of(price: &Value, id: &str) -> Self {
        let product = &price["product"];
        let named =
            |text: &Value| text.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let own = named(&price["metadata"]["sku"]).map(|sku| (sku, SkuSource::Metadata));
        let key = named(&price["lookup_key"]).map(|sku| (sku, SkuSource::Stripe));
        let of_product = named(&product["metadata"]["sku"]).map(|sku| (sku, SkuSource::Metadata));
        let (sku, source) = own.or(key).or(of_product).unwrap_or_else(|| (id.to_owned(), SkuSource::Stripe));
        Self {
            id: id.to_owned(),
            sku,
            product: id_of(product).map(str::to_owned),
            description: named(&product["name"]).or_else(|| named(&price["nickname"])),
            source,
        }
    }
}

/// A line of a session, called as the merchant calls it.
fn session_line(item: &Value) -> (Line, Option<Price>) {
    let quantity = item["quantity"].as_i64().unwrap_or(1).max(0);
    let amount = item["amount_total"].as_i64().unwrap_or_default();
    let description = item["description"].as_str().map(str::to_owned);
    let price = id_of(&item["price"]).map(|id| Price::of(&item["price"], id));
    let sku = price.as_ref().map(|price| price.sku.clone());
    let line = Line {
        kind: if amount < 0 || quantity == 0 { LineKind::Credit } else { LineKind::Goods },
        sku: sku.or_else(|| description.clone()).unwrap_or_else(|| "unnamed".to_owned()),
        description,
        quantity,
        unit_amount: amount / quantity.max(1),
        amount,
        refunded: 0,
    };
    (line, price)
}

/// All objects of a list.
async fn list(
    client: &Client,
    path: &str,
    filter: &Value,
    account: Option<&str>,
) -> Result<Vec<Value>, CallError> {
    let mut all: Vec<Value> = Vec::new();
    for _ in 0..MOST_PAGES {
        let mut query = filter.clone();
        query["limit"] = json!(100);
        if let Some(last) = all.last().and_then(|last| last["id"].as_str()) {
            query["starting_after"] = json!(last);
        }
        let page = client.get_value(path, &query, account).await?;
        all.extend(page["data"].as_array().into_iter().flatten().cloned());
        if page["has_more"] != true {
            break;
        }
    }
    Ok(all)
}

/// An id, from a text or from the expanded object.
fn id_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["id"].as_str())
}

fn answered<T: serde::Serialize>(answer: &T) -> Outcome {
    serde_json::to_value(answer).map_or_else(|error| Outcome::Refused(error.to_string()), Outcome::Answered)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, CallError> {
    serde_json::from_value(value).map_err(|error| {
        CallError::Unknown(Unknown {
            cause: UnknownCause::Garbage,
            why: format!("Stripe's answer cannot be read: {error}"),
            request_id: None,
            attempts: 1,
        })
    })
}
