//! What events do not say and Stripe can be asked for: the sku of a price, lines that an event leaves out, which invoice a
//! payment pays. Settling events writes the questions down; a worker asks them and hands the answers in here.
//!
//! Each question is asked once. What waits for the answer waits no longer than the adoption grace: then an order is made
//! of what is known, and where lines are known to be missing it is held. An answer that comes later still teaches the
//! order, by the rule of late knowledge (`late`).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::order::{Cause, Line, LookupKind};
use super::settle::{SettleError, unite_linked};
use super::state::Consequence;
use super::store;
use crate::stripe::InvoiceLine;

mod teach;

/// Something to ask Stripe for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// The connected account that it belongs to; none for our own.
    pub account: Option<String>,
    /// What is asked.
    pub kind: LookupKind,
    /// About which object.
    pub stripe_id: String,
}

impl Question {
    /// The key that events wait for.
    pub(super) fn key(&self) -> String {
        format!("lookup:{}:{}", self.kind, self.stripe_id)
    }

    /// What its answer causes.
    fn cause(&self) -> Cause {
        Cause::Lookup(format!("{} {}", self.kind, self.stripe_id))
    }
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Stripe's answer, reduced to what is needed.
    Answered(Value),
    /// Stripe said no; why.
    Refused(String),
}

/// What Stripe says of lines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LinesAnswer {
    /// All of them.
    pub lines: Vec<Line>,
    /// The prices that stand in for the skus of some.
    pub prices: Vec<String>,
}

impl LinesAnswer {
    /// Of all lines of an invoice.
    pub fn of_invoice(lines: &[InvoiceLine]) -> Self {
        let (lines, prices) = super::events::read_lines(lines);
        Self { lines, prices }
    }
}

/// What Stripe says of an invoice and its payments.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LinksAnswer {
    /// Pairs of `in_…` and `pi_…`.
    pub links: BTreeSet<(String, String)>,
}

/// Who says how a price's article is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkuSource {
    /// The merchant, when the price was made through Packline.
    Catalogue,
    /// The metadata of the price or of its product.
    Metadata,
    /// Nobody: it is the price's lookup key or its id.
    Stripe,
}

impl SkuSource {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Metadata => "metadata",
            Self::Stripe => "stripe",
        }
    }
}

/// The merchant's name for a price.
#[derive(Clone, Copy, Debug)]
pub struct Sku<'s> {
    /// The connected account; none for our own.
    pub account: Option<&'s str>,
    /// `price_…`
    pub price: &'s str,
    /// The merchant's name for the article.
    pub sku: &'s str,
    /// `prod_…`
    pub product: Option<&'s str>,
    /// For people.
    pub description: Option<&'s str>,
    /// Who says so.
    pub source: SkuSource,
}

/// Keeps how the merchant calls what a price stands for; lines of later invoices and sessions are called so.
///
/// # Errors
/// The database's.
pub async fn learn_sku(conn: &mut PgConnection, sku: &Sku<'_>, now: OffsetDateTime) -> sqlx::Result<()> {
    store::upsert_sku(conn, sku, now).await
}

/// How the merchant calls what prices of the platform stand for; those that nobody named are not among them.
///
/// # Errors
/// The database's.
pub async fn known_skus(conn: &mut PgConnection, prices: &[&str]) -> sqlx::Result<HashMap<String, String>> {
    let named = prices.iter().map(|price| (String::new(), (*price).to_owned())).collect();
    let skus = store::load_skus(conn, &named).await?;
    Ok(skus.into_iter().map(|((_, price), sku)| (price, sku)).collect())
}

/// Claims the question that is due longest, and says how often it was asked before.
///
/// # Errors
/// The database's.
pub async fn claim_question(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(Question, i32)>> {
    store::claim_lookup(conn, now).await
}

/// Puts a question off that had no answer.
///
/// # Errors
/// The database's.
pub async fn put_off_question(
    conn: &mut PgConnection,
    question: &Question,
    problem: &str,
    next_try_at: OffsetDateTime,
) -> sqlx::Result<()> {
    store::put_off_lookup(conn, question, problem, next_try_at).await
}

/// Keeps which PaymentIntents pay which invoices, as Stripe told it (`told_by`) outside of an event; returns the keys whose
/// waiting events wake. Call it before anything of the invoices is locked, as settling events does.
///
/// # Errors
/// The database's.
pub async fn learn_links(
    conn: &mut PgConnection,
    links: &BTreeSet<(String, String)>,
    told_by: &str,
) -> sqlx::Result<Vec<String>> {
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let new = store::insert_answered_links(conn, links, told_by).await?;
    Ok(new.iter().map(ToString::to_string).collect())
}

/// What a question's end brings.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The keys whose waiting events wake.
    pub appeared: Vec<String>,
    /// What fulfilment must do for orders that were made without the answer.
    pub consequences: Vec<(Uuid, Consequence, Cause)>,
}

/// Records how a question ended, and teaches it the orders that were made without it: see the rule of late knowledge.
/// `grace` is how long an order waits for what it still lacks. Nothing where another worker recorded it first.
///
/// # Errors
/// The caller rolls back: see [`SettleError`].
pub async fn record_outcome(
    conn: &mut PgConnection,
    question: &Question,
    outcome: &Outcome,
    grace: Duration,
    now: OffsetDateTime,
) -> Result<Recorded, SettleError> {
    // Its row is locked before any order, as it is by who makes an order without it.
    if !store::close_lookup(conn, question, outcome, now).await? {
        return Ok(Recorded::default());
    }
    let mut recorded = Recorded { appeared: vec![question.key()], consequences: Vec::new() };
    let answer = match outcome {
        Outcome::Answered(answer) => answer.clone(),
        Outcome::Refused(_) => return Ok(recorded),
    };
    let until = now + grace;
    match question.kind {
        LookupKind::Invoice | LookupKind::PaymentIntentInvoice => {
            let links = read::<LinksAnswer>(answer)?.links;
            recorded.appeared.extend(learn_links(conn, &links, &question.key()).await?);
            recorded.consequences = unite_linked(conn, &links, &question.cause(), now).await?;
            recorded.consequences.extend(teach::links(conn, question, &links, until, now).await?);
        }
        LookupKind::InvoiceLines | LookupKind::SessionLines => {
            recorded.consequences = teach::lines(conn, question, read(answer)?, until, now).await?;
        }
        LookupKind::Price => recorded.consequences = teach::name(conn, question, until, now).await?,
    }
    Ok(recorded)
}

fn read<T: DeserializeOwned>(answer: Value) -> sqlx::Result<T> {
    serde_json::from_value(answer).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
