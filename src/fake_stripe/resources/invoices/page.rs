//! What the page of an invoice does: the customer pays it there.

use serde_json::{Value, json};

use super::pay;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::payment_intents::{self, Terms};
use crate::fake_stripe::world::World;

/// The PaymentIntent that the page pays; none where nothing is to be paid.
pub(in crate::fake_stripe) fn intent_of(world: &World, id: &str) -> Option<String> {
    let payments = world.all(world.owner(id).as_deref(), "invoice_payment");
    let tied = |payment: &&Value| payment["invoice"] == id && payment["status"] != "canceled";
    let payment = payments.iter().filter(tied).max_by_key(|payment| payment["is_default"] == true)?;
    payment["payment"]["payment_intent"].as_str().map(str::to_owned)
}

/// Pays with a method that the customer gave on the page; what cannot be paid is left as it is.
///
/// # Errors
/// 402: it was declined.
pub(in crate::fake_stripe) fn pay_on_page(world: &mut World, id: &str, method: &str) -> Result<(), Failure> {
    let is_payable = matches!(world.body(id)["status"].as_str(), Some("open" | "uncollectible"));
    let Some(intent) = intent_of(world, id).filter(|_| is_payable) else {
        return Ok(());
    };
    world.change(&intent, |intent| intent["payment_method"] = json!(method));
    world.hide(&intent, "authenticated", Value::Null);
    let back = format!("{}/_fake/pages/invoices/{id}", world.base);
    let terms = Terms { return_url: Some(&back), ..Terms::default() };
    payment_intents::attempt(world, &intent, terms).inspect_err(|_| pay::after_failure(world, &intent))
}
