//! Tokens: a card or a CVC, told once.

use serde_json::{Value, json};

use super::cards::{self, Card};
use super::{Answer, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::world::World;

const SHAPE: &str = "card{number! exp_month:int! exp_year:int! cvc name currency address_line1 address_line2 \
                     address_city address_state address_zip address_country} cvc_update{cvc!} client_secret";

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["tokens"]) => create(world, call),
        ("get", ["tokens", id]) => call.params("").and_then(|_| world.find(call, "token", id, "token")),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    let now = world.now();
    if let Some(cvc) = params.text("cvc_update.cvc") {
        if !(3..=4).contains(&cvc.len()) || !cvc.bytes().all(|byte| byte.is_ascii_digit()) {
            let failure = Failure::card("invalid_cvc", "Your card's security code is invalid.");
            return Err(failure.param("cvc_update[cvc]"));
        }
        let id = world.id("cvctok_");
        let token = json!({
            "id": id, "object": "token", "client_ip": "127.0.0.1", "created": now, "livemode": false,
            "type": "cvc_update", "used": false,
        });
        world.insert(call.account.clone(), token.clone(), json!({ "cvc": cvc }));
        return Ok(token);
    }
    let Some(number) = params.text("card.number") else {
        return Err(Failure::invalid("You must supply either a card or a cvc_update to create a token."));
    };
    let card = checked(number, &params, "card", now)?;
    let (id, card_id) = (world.id("tok_"), world.id("card_"));
    let token = json!({
        "id": id, "object": "token", "client_ip": "127.0.0.1", "created": now, "livemode": false, "type": "card",
        "used": false,
        "card": {
            "id": card_id, "object": "card", "address_city": params.value("card.address_city"),
            "address_country": params.value("card.address_country"),
            "address_line1": params.value("card.address_line1"), "address_line1_check": null,
            "address_line2": params.value("card.address_line2"),
            "address_state": params.value("card.address_state"), "address_zip": params.value("card.address_zip"),
            "address_zip_check": null, "brand": super::payment_methods::display_brand(card.brand), "country": "US",
            "cvc_check": "unchecked", "dynamic_last4": null, "exp_month": params.value("card.exp_month"),
            "exp_year": params.value("card.exp_year"), "fingerprint": super::payment_methods::fingerprint(card.number),
            "funding": card.funding, "last4": &card.number[card.number.len() - 4..], "metadata": {},
            "name": params.value("card.name"), "networks": { "preferred": null }, "regulated_status": "unregulated",
            "tokenization_method": null, "wallet": null,
        },
    });
    world.insert(call.account.clone(), token.clone(), json!({ "number": card.number }));
    Ok(token)
}

/// The test card of a number, whose date is checked too.
///
/// # Errors
/// `incorrect_number`, `invalid_expiry_month`, `invalid_expiry_year`, or a hint that it is no test card.
pub(super) fn checked(
    number: &str,
    params: &Params,
    above: &str,
    now: i64,
) -> Result<&'static Card, Failure> {
    let card = cards::numbered(number).ok_or_else(|| {
        let message = if passes_luhn(number) {
            "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test \
             cards, visit: https://stripe.com/docs/testing."
        } else {
            "Your card number is incorrect."
        };
        let code = if passes_luhn(number) { "card_declined" } else { "incorrect_number" };
        Failure::card(code, message).param("number")
    })?;
    let month = params.int(&format!("{above}.exp_month")).unwrap_or_default();
    let year = params.int(&format!("{above}.exp_year")).unwrap_or_default();
    let year = if (0..100).contains(&year) { year + 2000 } else { year };
    if !(1..=12).contains(&month) {
        let failure = Failure::card("invalid_expiry_month", "Your card's expiration month is invalid.");
        return Err(failure.param("exp_month"));
    }
    let today = time::OffsetDateTime::from_unix_timestamp(now).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    if (year, month) < (i64::from(today.year()), i64::from(u8::from(today.month()))) || year > 2100 {
        let failure = Failure::card("invalid_expiry_year", "Your card's expiration year is invalid.");
        return Err(failure.param("exp_year"));
    }
    Ok(card)
}

fn passes_luhn(number: &str) -> bool {
    let digits: Option<Vec<u32>> =
        number.chars().filter(|letter| !letter.is_whitespace()).map(|letter| letter.to_digit(10)).collect();
    digits.is_some_and(|digits| {
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(place, digit)| match (place % 2, digit * 2) {
                (0, _) => *digit,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            })
            .sum();
        digits.len() >= 12 && sum.is_multiple_of(10)
    })
}

/// Uses up a CVC token.
///
/// # Errors
/// It is not known, or was used before.
pub(super) fn use_cvc(world: &mut World, account: Option<&str>, id: &str) -> Result<(), Failure> {
    let param = "payment_method_options[card][cvc_token]";
    let token = world.find_of(account, "token", id, param)?;
    if token["type"] != "cvc_update" {
        return Err(Failure::invalid(format!("The token {id} is not of type cvc_update.")).param(param));
    }
    if token["used"] == true {
        let message = format!("You cannot use a Stripe token more than once: {id}.");
        return Err(Failure::invalid(message).code("token_already_used").param(param));
    }
    world.change(id, |token| token["used"] = json!(true));
    Ok(())
}

/// The card of a token, `tok_visa` or one that was made, which is used up.
///
/// # Errors
/// It is not known, or was used before.
pub(super) fn use_card(
    world: &mut World,
    account: Option<&str>,
    id: &str,
    param: &str,
) -> Result<(&'static Card, Value), Failure> {
    if let Some(card) = id.strip_prefix("tok_").and_then(cards::named) {
        return Ok((card, json!({})));
    }
    let token = world.find_of(account, "token", id, param)?;
    let hidden = world.hidden(id);
    let Some(card) = hidden["number"].as_str().and_then(cards::numbered) else {
        return Err(Failure::no_such("token", id, param));
    };
    if token["used"] == true {
        let message = format!("You cannot use a Stripe token more than once: {id}.");
        return Err(Failure::invalid(message).code("token_already_used").param(param));
    }
    world.change(id, |token| token["used"] = json!(true));
    Ok((card, token["card"].clone()))
}
