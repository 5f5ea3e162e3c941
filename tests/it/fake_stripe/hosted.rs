//! The pages on which people pay invoices and read receipts.

use serde_json::json;

use super::Local;
use super::payments::id;

#[actix_web::test]
async fn an_invoice_is_shown_and_paid_on_its_page() {
    let local = Local::start();
    let customer = local.make("/v1/customers", "email=ann@example.com&name=Ann").await;
    let of = format!("customer={}", id(&customer));
    local.make("/v1/invoiceitems", &format!("{of}&amount=2000&currency=usd&description=Mug")).await;
    let draft = local
        .make(
            "/v1/invoices",
            &format!(
                "{of}&pending_invoice_items_behavior=include&collection_method=send_invoice&days_until_due=7"
            ),
        )
        .await;
    let invoice = local.make(&format!("/v1/invoices/{}/finalize", id(&draft)), "").await;
    let url = invoice["hosted_invoice_url"].as_str().unwrap();
    let card =
        |number| [("type", "card"), ("card_number", number), ("card_expiry", "12/34"), ("card_cvc", "123")];

    let shown = local.browse(url, None).await;
    local.told();
    let declined = local.browse(url, Some(&card("4000000000000002"))).await;
    let told = local.told();
    let again = local.browse(url, None).await;
    let bank = local.browse(url, Some(&card("4000002760003184"))).await;
    let back = local.browse(bank.header("location"), Some(&[("decision", "succeeded")])).await;
    let paid = local.browse(back.header("location"), None).await;

    let text = shown.body.as_str().unwrap();
    for part in [invoice["number"].as_str().unwrap(), "Mug", "$20.00", "Due"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(declined.status, 402);
    assert_eq!(again.status, 200);
    assert!(again.body.as_str().unwrap().contains("Your card was declined."), "{}", again.body);
    assert!(told.contains(&"invoice.payment_failed".to_owned()), "{told:?}");
    assert!(paid.body.as_str().unwrap().contains("This invoice is paid."), "{}", paid.body);
    let now = local.see(&format!("/v1/invoices/{}", id(&invoice))).await;
    assert_eq!((&now["status"], &now["amount_paid"]), (&json!("paid"), &json!(2000)));
    let charges = local.see("/v1/charges?limit=1").await;
    let receipt = local.browse(charges["data"][0]["receipt_url"].as_str().unwrap(), None).await;
    let text = receipt.body.as_str().unwrap();
    assert!(text.contains("$20.00") && text.contains("visa ending in 3184"), "{text}");
    let none = local.browse(&url.replace("in_", "in_no"), None).await;
    assert!(none.body.as_str().unwrap().contains("No such invoice"));
}
