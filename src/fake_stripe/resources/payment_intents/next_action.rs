//! What the customer has to do next.

use serde_json::{Value, json};

use crate::fake_stripe::world::World;

/// 3-D Secure: by Stripe.js in the page, or by a visit to a page of this server that leads back.
pub(super) fn authenticate(world: &mut World, id: &str, return_url: Option<&str>, by_sdk: bool) -> Value {
    let secret = world.body(id)["client_secret"].as_str().unwrap_or_default().to_owned();
    let page = format!("{}/_fake/pages/3ds/{id}?client_secret={secret}", world.base);
    match return_url.filter(|_| !by_sdk) {
        Some(return_url) => json!({
            "type": "redirect_to_url", "redirect_to_url": { "return_url": return_url, "url": page },
        }),
        None => {
            let source = world.id("payatt_");
            json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "type": "three_d_secure_redirect", "source": source, "stripe_js": page },
            })
        }
    }
}

/// A bank transfer that the customer makes on their own.
pub(super) fn transfer_money(intent: &Value, kind: &str) -> Value {
    json!({
        "type": "display_bank_transfer_instructions",
        "display_bank_transfer_instructions": {
            "amount_remaining": intent["amount"], "currency": intent["currency"],
            "financial_addresses": [{
                "supported_networks": ["zengin"], "type": "zengin",
                "zengin": {
                    "account_holder_name": "LOCAL STRIPE", "account_number": "0000001", "account_type": "futsu",
                    "bank_code": "0000", "bank_name": "LOCAL BANK", "branch_code": "000", "branch_name": "LOCAL",
                },
            }],
            "hosted_instructions_url": null, "reference": "LOCAL", "type": kind,
        },
    })
}
