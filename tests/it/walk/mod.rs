//! The whole walk of a purchase, from a customer and a price to the parcel, once for what is paid once and once for what is
//! paid each month. Only the shop's back end, the customer's browser and Stripe act; the back end knows Packline alone.

mod offer;
mod payment;
mod replay;

use packline::fake_stripe::delivery::{NEWEST, OLD};

use offer::Walk;
use payment::By;
use replay::replayed_in_any_order_it_ends_alike;

async fn once(version: &str, by: By) {
    let mut walk = Walk::begin(version, false).await;
    walk.draft_an_offer_and_revise_it().await;
    walk.finalise_the_offer().await;
    walk.send_its_pdf().await;
    walk.accept().await;

    walk.the_invoice_stays_a_draft_until_it_is_finalised().await;
    walk.finalise_the_invoice().await;
    walk.the_customer_is_asked_to_pay(None).await;
    walk.a_declined_card(by).await;
    walk.pay(by).await;

    walk.the_receipt_is_there_and_the_parcel_is_sent_once().await;
    walk.people_see_the_chain().await;
    replayed_in_any_order_it_ends_alike(&walk.merchant).await;
}

async fn monthly(version: &str, is_finalised_by_hand: bool, by: By) {
    let mut walk = Walk::begin(version, true).await;
    walk.draft_an_offer_and_revise_it().await;
    walk.finalise_the_offer().await;
    walk.send_its_pdf().await;
    walk.accept().await;

    walk.the_invoice_will_be_finalised_in_an_hour().await;
    if is_finalised_by_hand {
        walk.finalise_the_invoice().await;
        walk.the_customer_is_asked_to_pay(Some(1)).await;
    }
    walk.an_hour_passes_and_nobody_has_paid().await;
    if !is_finalised_by_hand {
        walk.the_next_try_fails_too().await;
    }
    walk.a_declined_card(by).await;
    walk.pay(by).await;

    walk.the_receipt_is_there_and_the_parcel_is_sent_once().await;
    walk.people_see_the_chain().await;
    walk.the_next_month_is_charged_to_the_first_card_and_sent().await;
    replayed_in_any_order_it_ends_alike(&walk.merchant).await;
}

#[tokio::test]
async fn a_purchase_is_walked_from_the_offer_to_the_parcel_in_the_old_shape() {
    once(OLD, By::Page).await;
}

#[tokio::test]
async fn a_purchase_is_walked_from_the_offer_to_the_parcel_in_the_new_shape() {
    once(NEWEST, By::Form).await;
}

#[tokio::test]
async fn a_monthly_purchase_is_walked_from_the_offer_to_the_second_parcel_in_the_old_shape() {
    monthly(OLD, true, By::Form).await;
}

#[tokio::test]
async fn a_monthly_purchase_is_walked_from_the_offer_to_the_second_parcel_in_the_new_shape() {
    monthly(NEWEST, true, By::Page).await;
}

#[tokio::test]
async fn a_monthly_purchase_whose_invoice_stripe_finalises_is_walked_in_the_old_shape() {
    monthly(OLD, false, By::Page).await;
}

#[tokio::test]
async fn a_monthly_purchase_whose_invoice_stripe_finalises_is_walked_in_the_new_shape() {
    monthly(NEWEST, false, By::Form).await;
}
