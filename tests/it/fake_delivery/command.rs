//! `packline fake-stripe` as a process.

use crate::support::{Process, TestDatabase};

#[actix_web::test]
async fn it_serves_until_it_is_told_to_stop() {
    let mut stripe = Process::spawn(&["fake-stripe", "--listen", "127.0.0.1:0"], &[]);
    let base = stripe.base().await;

    let client = packline::http_client::builder().build().unwrap();
    let listed = client.get(format!("{base}/v1/events")).bearer_auth("sk_test_any").send().await.unwrap();

    assert_eq!(listed.status(), 200);
    let setting = format!("export STRIPE_API_BASE={base} STRIPE_SECRET_KEY=sk_test_");
    stripe.logged(&setting).await;
    stripe.terminate().await;
}

#[actix_web::test]
async fn a_service_without_a_key_says_how_to_get_a_local_stripe() {
    let database = TestDatabase::create().await;
    let mut service = Process::spawn(&["serve"], &[("DATABASE_URL", &database.url)]);

    service.base().await;

    assert!(service.log().contains("packline fake-stripe"), "{}", service.log());
    service.terminate().await;
}
