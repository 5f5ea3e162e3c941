//! What Stripe was asked for, and what it answered; and the merchant's names for its prices.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::lookups::{Outcome, Question, Sku};
use super::super::order::{Ref, RefKind};
use super::super::settle::SettleError;

use super::stored;

/// How long a question that a worker is at is left to it.
const LEASE: time::Duration = time::Duration::minutes(2);

/// Reads what is known of questions; those that were never asked are not among them. None is an open one, and stays open
/// until the transaction ends: who closes it sees what was made without its answer.
pub(crate) async fn load_lookups(
    conn: &mut PgConnection,
    questions: &[&Question],
) -> sqlx::Result<HashMap<Question, Option<Outcome>>> {
    if questions.is_empty() {
        return Ok(HashMap::new());
    }
    let (accounts, kinds, ids) = columns(questions.iter().copied());
    let rows = sqlx::query!(
        "
        select known.account, known.kind, known.stripe_id, known.state, known.answer, known.problem
        from unnest($1::text[], $2::text[], $3::text[]) as asked (account, kind, stripe_id)
        join lookups as known using (account, kind, stripe_id)
        order by known.account, known.kind, known.stripe_id
        -- Before any order is locked: who closes a question locks it before the orders that it teaches.
        for share of known
        ",
        &accounts as &[&str],
        &kinds as &[&str],
        &ids as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let outcome = match row.state.as_str() {
                "answered" => row.answer.map(Outcome::Answered),
                "refused" => Some(Outcome::Refused(row.problem.unwrap_or_default())),
                _ => None,
            };
            let account = Some(row.account).filter(|account| !account.is_empty());
            Ok((Question { account, kind: stored(&row.kind)?, stripe_id: row.stripe_id }, outcome))
        })
        .collect()
}

/// Writes questions down that were not asked before: a worker asks them. They stay open until the transaction ends.
///
/// # Errors
/// [`SettleError::LostRace`] if one of them was asked and closed meanwhile.
pub(crate) async fn insert_lookups(
    conn: &mut PgConnection,
    questions: &BTreeSet<Question>,
    now: OffsetDateTime,
) -> Result<(), SettleError> {
    if questions.is_empty() {
        return Ok(());
    }
    // Sorted, so that two batches with the same questions wait for each other instead of deadlocking.
    let (accounts, kinds, ids) = columns(questions.iter());
    sqlx::query!(
        "
        insert into lookups (account, kind, stripe_id, next_try_at, asked_at)
        select account, kind, stripe_id, $4, $4
        from unnest($1::text[], $2::text[], $3::text[]) as new (account, kind, stripe_id)
        on conflict do nothing
        ",
        &accounts as &[&str],
        &kinds as &[&str],
        &ids as &[&str],
        now,
    )
    .execute(&mut *conn)
    .await?;
    let known = load_lookups(conn, &questions.iter().collect::<Vec<_>>()).await?;
    if known.values().any(Option::is_some) { Err(SettleError::LostRace) } else { Ok(()) }
}

fn columns<'q>(questions: impl Iterator<Item = &'q Question>) -> (Vec<&'q str>, Vec<&'q str>, Vec<&'q str>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        columns.0.push(question.account.as_deref().unwrap_or_default());
        columns.1.push(question.kind.as_str());
        columns.2.push(question.stripe_id.as_str());
    }
    columns
}

/// Claims the question that is due longest, and says how often it was tried before.
pub(crate) async fn claim_lookup(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(Question, i32)>> {
    let row = sqlx::query!(
        "
        update lookups set
          tries = lookups.tries + 1,
          next_try_at = $2
        where (account, kind, stripe_id) = (
          select account, kind, stripe_id
          from lookups
          where state = 'open'
            and next_try_at <= $1
          order by next_try_at
          limit 1
          -- Other workers pass over what this one has.
          for update skip locked
        )
        returning account, kind, stripe_id, tries
        ",
        now,
        now + LEASE,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let account = Some(row.account).filter(|account| !account.is_empty());
        Ok((Question { account, kind: stored(&row.kind)?, stripe_id: row.stripe_id }, row.tries))
    })
    .transpose()
}

/// Closes a question; false where another worker closed it first.
pub(crate) async fn close_lookup(
    conn: &mut PgConnection,
    question: &Question,
    outcome: &Outcome,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let (state, answer, problem): (_, Option<&Value>, Option<&str>) = match outcome {
        Outcome::Answered(answer) => ("answered", Some(answer), None),
        Outcome::Refused(why) => ("refused", None, Some(why)),
    };
    let done = sqlx::query!(
        "
        update lookups set
          state = $4,
          answer = $5,
          problem = $6,
          next_try_at = null,
          answered_at = $7
        where account = $1
          and kind = $2
          and stripe_id = $3
          and state = 'open'
        ",
        question.account.as_deref().unwrap_or_default(),
        question.kind.as_str(),
        question.stripe_id,
        state,
        answer,
        problem,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts a question off that had no answer.
pub(crate) async fn put_off_lookup(
    conn: &mut PgConnection,
    question: &Question,
    problem: &str,
    next_try_at: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update lookups set
          problem = $4,
          next_try_at = $5
        where account = $1
          and kind = $2
          and stripe_id = $3
          and state = 'open'
        ",
        question.account.as_deref().unwrap_or_default(),
        question.kind.as_str(),
        question.stripe_id,
        problem,
        next_try_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads the skus of prices, each with its account; those that are not known are not among them.
pub(crate) async fn load_skus(
    conn: &mut PgConnection,
    prices: &BTreeSet<(String, String)>,
) -> sqlx::Result<HashMap<(String, String), String>> {
    if prices.is_empty() {
        return Ok(HashMap::new());
    }
    let (accounts, ids): (Vec<&str>, Vec<&str>) =
        prices.iter().map(|(account, price)| (account.as_str(), price.as_str())).unzip();
    let rows = sqlx::query!(
        "
        select known.account, known.price, known.sku
        from unnest($1::text[], $2::text[]) as asked (account, price)
        join skus as known using (account, price)
        ",
        &accounts as &[&str],
        &ids as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.account, row.price), row.sku)).collect())
}

/// Keeps the sku of a price. What the merchant said through Packline wins over what Stripe says.
pub(crate) async fn upsert_sku(
    conn: &mut PgConnection,
    sku: &Sku<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into skus (account, price, sku, product, description, source, learnt_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (account, price) do update set
          sku = excluded.sku,
          product = coalesce(excluded.product, skus.product),
          description = coalesce(excluded.description, skus.description),
          source = excluded.source,
          learnt_at = excluded.learnt_at
        where skus.source <> 'catalogue' or excluded.source = 'catalogue'
        ",
        sku.account.unwrap_or_default(),
        sku.price,
        sku.sku,
        sku.product,
        sku.description,
        sku.source.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps which PaymentIntents pay which invoices, as Stripe answered it; returns the objects of those that are new.
pub(crate) async fn insert_answered_links(
    conn: &mut PgConnection,
    pairs: &BTreeSet<(String, String)>,
    told_by: &str,
) -> sqlx::Result<Vec<Ref>> {
    let (invoices, intents): (Vec<&str>, Vec<&str>) =
        pairs.iter().map(|(invoice, intent)| (invoice.as_str(), intent.as_str())).unzip();
    let new = sqlx::query!(
        "
        insert into invoice_payments (invoice, payment_intent, event_id)
        select invoice, payment_intent, $3
        from unnest($1::text[], $2::text[]) as new (invoice, payment_intent)
        on conflict do nothing
        returning invoice, payment_intent
        ",
        &invoices as &[&str],
        &intents as &[&str],
        told_by,
    )
    .fetch_all(conn)
    .await?;
    Ok(new
        .into_iter()
        .flat_map(|link| {
            [Ref::new(RefKind::Invoice, link.invoice), Ref::new(RefKind::PaymentIntent, link.payment_intent)]
        })
        .collect())
}
