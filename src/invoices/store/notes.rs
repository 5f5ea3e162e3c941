//! What pays invoices, and what customers want to know of it. Each statement ends in the same rows in whatever order its
//! news come.

use sqlx::PgConnection;
use time::OffsetDateTime;

/// Notes which PaymentIntents pay which invoices.
pub(in crate::invoices) async fn add_intents(
    conn: &mut PgConnection,
    invoices: &[&str],
    intents: &[&str],
) -> sqlx::Result<()> {
    if invoices.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        insert into invoice_intents (invoice, payment_intent)
        select distinct invoice, payment_intent
        from unnest($1::text[], $2::text[]) as told (invoice, payment_intent)
        order by invoice, payment_intent
        on conflict do nothing
        ",
        invoices as &[&str],
        intents as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The receipt of a charge.
pub(in crate::invoices) struct Receipt<'e> {
    pub payment_intent: &'e str,
    pub charge: &'e str,
    pub url: &'e str,
    pub at: OffsetDateTime,
}

/// Notes receipts; of several charges of an intent that of the last.
pub(in crate::invoices) async fn add_receipts(
    conn: &mut PgConnection,
    receipts: &[Receipt<'_>],
) -> sqlx::Result<()> {
    if receipts.is_empty() {
        return Ok(());
    }
    let intents: Vec<&str> = receipts.iter().map(|receipt| receipt.payment_intent).collect();
    let charges: Vec<&str> = receipts.iter().map(|receipt| receipt.charge).collect();
    let urls: Vec<&str> = receipts.iter().map(|receipt| receipt.url).collect();
    let times: Vec<OffsetDateTime> = receipts.iter().map(|receipt| receipt.at).collect();
    sqlx::query!(
        "
        insert into payment_notes as notes (payment_intent, charge, receipt_url, receipt_at)
        select distinct on (payment_intent) payment_intent, charge, url, at
        from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as told (payment_intent, charge, url, at)
        order by payment_intent, at desc, charge desc, url desc
        on conflict (payment_intent) do update set
          charge = excluded.charge,
          receipt_url = excluded.receipt_url,
          receipt_at = excluded.receipt_at
        where notes.receipt_at is null
          or (notes.receipt_at, notes.charge, notes.receipt_url)
            < (excluded.receipt_at, excluded.charge, excluded.receipt_url)
        ",
        &intents as &[&str],
        &charges as &[&str],
        &urls as &[&str],
        &times,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Why a try failed.
pub(in crate::invoices) struct Failure<'e> {
    pub payment_intent: &'e str,
    pub event_id: &'e str,
    pub why: String,
    pub at: OffsetDateTime,
}

/// Notes why tries failed; of several of an intent the last.
pub(in crate::invoices) async fn add_failures(
    conn: &mut PgConnection,
    failures: &[Failure<'_>],
) -> sqlx::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let intents: Vec<&str> = failures.iter().map(|failure| failure.payment_intent).collect();
    let events: Vec<&str> = failures.iter().map(|failure| failure.event_id).collect();
    let reasons: Vec<&str> = failures.iter().map(|failure| failure.why.as_str()).collect();
    let times: Vec<OffsetDateTime> = failures.iter().map(|failure| failure.at).collect();
    sqlx::query!(
        "
        insert into payment_notes as notes (payment_intent, failed_by, failure, failed_at)
        select distinct on (payment_intent) payment_intent, event, why, at
        from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as told (payment_intent, event, why, at)
        order by payment_intent, at desc, event desc
        on conflict (payment_intent) do update set
          failed_by = excluded.failed_by,
          failure = excluded.failure,
          failed_at = excluded.failed_at
        where notes.failed_at is null
          or (notes.failed_at, notes.failed_by) < (excluded.failed_at, excluded.failed_by)
        ",
        &intents as &[&str],
        &events as &[&str],
        &reasons as &[&str],
        &times,
    )
    .execute(conn)
    .await?;
    Ok(())
}
