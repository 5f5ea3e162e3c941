//! Who moves an order may move its invoice too, in this order. So whoever writes an invoice first must want nothing of its
//! order: else both wait for each other until Postgres ends one of them.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::PgTransaction;

use super::Desk;
use super::desk::nothing;

/// Somebody moves the only order.
async fn moved(desk: &Desk) -> PgTransaction<'static> {
    let mut moving = desk.shop.app.pool.begin().await.unwrap();
    let locked = sqlx::query("select id from orders for update").fetch_all(&mut *moving).await.unwrap();
    assert_eq!(locked.len(), 1);
    moving
}

#[tokio::test]
async fn a_look_at_an_invoice_does_not_wait_for_who_moves_its_order() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let id = desk.draft(&customer, &[]).await;
    desk.in_dashboard(&format!("/v1/invoices/{id}/finalize"), &[]).await;
    desk.shop.deliver().await;
    assert_eq!(desk.get(&format!("/v1/invoices/{id}")).await["client_secret"], Value::Null);
    let moving = moved(&desk).await;

    let looked = desk.at_stripe.invoices.run_once().await.unwrap();

    assert_eq!(looked, 1);
    assert!(desk.get(&format!("/v1/invoices/{id}")).await["client_secret"].is_string());
    moving.rollback().await.unwrap();
}

#[tokio::test]
async fn an_answer_about_an_invoice_does_not_wait_either_however_often_it_was_asked_for() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("visa")).await;
    let id = desk.draft(&customer, &[]).await;
    desk.in_dashboard(&format!("/v1/invoices/{id}/finalize"), &[]).await;
    desk.catch_up().await;
    desk.shop.fault("lost", &format!("/v1/invoices/{id}"), 3);
    let (status, told) = desk.post(&format!("/v1/invoices/{id}/pay"), nothing()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    desk.shop.app.clock.advance(Duration::from_secs(600));
    let moving = moved(&desk).await;

    let asked = desk.at_stripe.outbox.run_once().await.unwrap();

    assert_eq!(asked, 1);
    let invoice = desk.get(&format!("/v1/invoices/{id}")).await;
    assert_eq!(invoice["status"], "paid", "{invoice}");
    assert!(
        desk.shop.app.value::<bool>("select next_look_at is not null from invoices").await,
        "it is looked at"
    );
    moving.rollback().await.unwrap();
}
