//! PaymentMethods: cards and bank accounts, by number, by token or by the names of Stripe's test methods.

use serde_json::{Value, json};

use super::cards::{self, Card, Debit, Ending};
use super::{Answer, tokens, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::{pages, shape};
use crate::fake_stripe::world::World;

const SHAPE: &str = "type allow_redisplay billing_details:any metadata:map client_secret payment_user_agent \
                     time_on_page referrer radar_options{} link{} customer_balance{} \
                     card{number exp_month:int exp_year:int cvc token networks{preferred}} sepa_debit{iban!} \
                     us_bank_account{account_number account_holder_type account_type routing_number \
                     financial_connections_account}";

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["payment_methods"]) => create(world, call),
        ("get", ["payment_methods"]) => list(world, call, None),
        ("get", ["customers", customer, "payment_methods"]) => list(world, call, Some(customer)),
        ("get", ["payment_methods", id]) => retrieve(world, call, id),
        ("post", ["payment_methods", id]) => update(world, call, id),
        ("post", ["payment_methods", id, "attach"]) => attach_to(world, call, id),
        ("post", ["payment_methods", id, "detach"]) => detach(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    let id = make(world, call.account.as_deref(), &params, "")?;
    Ok(world.body(&id))
}

/// Makes one of `payment_method_data`.
///
/// # Errors
/// As for a call to create one.
pub(in crate::fake_stripe) fn make_of_data(
    world: &mut World,
    account: Option<&str>,
    data: &Value,
) -> Result<String, Failure> {
    let given = data.as_object().cloned().unwrap_or_default();
    let params = Params(shape::read(SHAPE, &given).map_err(|mut failure| {
        let inner = failure.error["param"].as_str().unwrap_or_default().to_owned();
        let (first, rest) = inner
            .split_once('[')
            .map_or((inner.as_str(), String::new()), |(first, rest)| (first, format!("[{rest}")));
        failure.error.insert("param".to_owned(), json!(format!("payment_method_data[{first}]{rest}")));
        failure
    })?);
    make(world, account, &params, "payment_method_data")
}

fn make(world: &mut World, account: Option<&str>, params: &Params, above: &str) -> Result<String, Failure> {
    let param = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}[{name}]") };
    let kind = params.text("type").ok_or_else(|| Failure::missing(&param("type")))?;
    let (details, number) = match kind {
        "card" => match (params.text("card.token"), params.text("card.number")) {
            (Some(token), _) => {
                let (card, shown) = tokens::use_card(world, account, token, &param("card[token]"))?;
                (card_details(card, &shown), card.number)
            }
            (None, Some(number)) => {
                let card = tokens::checked(number, params, "card", world.now())?;
                (card_details(card, &params.value("card")), card.number)
            }
            (None, None) => return Err(Failure::missing(&param("card"))),
        },
        "sepa_debit" => {
            let iban = params.text("sepa_debit.iban").unwrap_or_default();
            let debit = test_account(iban, &param("sepa_debit[iban]"))?;
            (debit_details(debit), debit.number)
        }
        "us_bank_account" => {
            let number = params.text("us_bank_account.account_number").unwrap_or_default();
            let debit = test_account(number, &param("us_bank_account[account_number]"))?;
            (debit_details(debit), debit.number)
        }
        "customer_balance" => (json!({}), ""),
        other => return Err(Failure::not_modelled(&format!("payment methods of type {other}"))),
    };
    let billing = params.value("billing_details");
    let id = insert(world, account, kind, details, number, &billing);
    world.change(&id, |method| method["metadata"] = params.metadata());
    Ok(id)
}

fn test_account(number: &str, param: &str) -> Result<&'static Debit, Failure> {
    cards::debit_numbered(number).ok_or_else(|| {
        let message = format!(
            "The bank account {number} is none of Stripe's test accounts, by which the local Stripe goes."
        );
        Failure::invalid(message).code("invalid_bank_account_iban").param(param)
    })
}

fn insert(
    world: &mut World,
    account: Option<&str>,
    kind: &str,
    details: Value,
    number: &str,
    billing: &Value,
) -> String {
    let id = world.id("pm_");
    let mut details_of_person = super::empty_billing_details();
    super::overlay(&mut details_of_person, billing);
    let mut method = json!({
        "id": id, "object": "payment_method", "allow_redisplay": "unspecified", "billing_details": details_of_person,
        "created": world.now(), "customer": null, "customer_account": null, "livemode": false, "metadata": {},
        "type": kind,
    });
    method[kind] = details;
    world.insert(account.map(str::to_owned), method, json!({ "number": number }));
    id
}

fn card_details(card: &Card, given: &Value) -> Value {
    let month = given["exp_month"].as_i64().unwrap_or(12);
    let year = given["exp_year"].as_i64().unwrap_or(2034);
    let year = if year < 100 { year + 2000 } else { year };
    json!({
        "brand": card.brand,
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "unchecked" },
        "country": "US", "display_brand": card.brand, "exp_month": month, "exp_year": year,
        "fingerprint": fingerprint(card.number), "funding": card.funding, "generated_from": null,
        "last4": &card.number[card.number.len() - 4..], "networks": { "available": [card.brand], "preferred": null },
        "regulated_status": "unregulated", "three_d_secure_usage": { "supported": true }, "wallet": null,
    })
}

fn debit_details(debit: &Debit) -> Value {
    let last4 = &debit.number[debit.number.len() - 4..];
    if debit.kind == "sepa_debit" {
        return json!({
            "bank_code": "19043", "branch_code": "", "country": &debit.number[..2],
            "fingerprint": fingerprint(debit.number), "generated_from": { "charge": null, "setup_attempt": null },
            "last4": last4,
        });
    }
    json!({
        "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": null, "fingerprint": fingerprint(debit.number), "last4": last4,
        "networks": { "preferred": "ach", "supported": ["ach"] }, "routing_number": "110000000",
        "status_details": {},
    })
}

/// The same for the same number, and telling nothing of it.
pub(super) fn fingerprint(number: &str) -> String {
    let mixed = number.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{mixed:016x}")
}

/// The brand as tokens and sources have it.
pub(super) fn display_brand(brand: &str) -> &str {
    match brand {
        "visa" => "Visa",
        "mastercard" => "MasterCard",
        "amex" => "American Express",
        "discover" => "Discover",
        "diners" => "Diners Club",
        "jcb" => "JCB",
        _ => "UnionPay",
    }
}

/// The id of a method that may be used: one that is there, or a new one of the name of a test method.
///
/// # Errors
/// There is no such method.
pub(super) fn resolve(
    world: &mut World,
    account: Option<&str>,
    id: &str,
    param: &str,
) -> Result<String, Failure> {
    if let Some(card) = id.strip_prefix("pm_card_").and_then(cards::named) {
        return Ok(insert(
            world,
            account,
            "card",
            card_details(card, &Value::Null),
            card.number,
            &Value::Null,
        ));
    }
    if let Some(debit) = id.strip_prefix("pm_").and_then(cards::debit_named) {
        let billing = json!({ "name": "Jenny Rosen", "email": "jenny@example.com" });
        return Ok(insert(world, account, debit.kind, debit_details(debit), debit.number, &billing));
    }
    world.find_of(account, "payment_method", id, param)?;
    Ok(id.to_owned())
}

/// A method of the card behind a token, as `source` of a customer.
///
/// # Errors
/// There is no such token, or the card is declined.
pub(super) fn of_token(world: &mut World, account: Option<&str>, token: &str) -> Result<String, Failure> {
    let (card, shown) = tokens::use_card(world, account, token, "source")?;
    Ok(insert(world, account, "card", card_details(card, &shown), card.number, &Value::Null))
}

/// The test card that a method is, if it is one.
pub(super) fn card_of(world: &World, id: &str) -> Option<&'static Card> {
    world.hidden(id)["number"].as_str().and_then(cards::numbered)
}

/// The test bank account that a method is, if it is one.
pub(super) fn debit_of(world: &World, id: &str) -> Option<&'static Debit> {
    world.hidden(id)["number"].as_str().and_then(cards::debit_numbered)
}

fn retrieve(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("client_secret")?;
    let id = resolve(world, call.account.as_deref(), id, "id")?;
    Ok(world.body(&id))
}

fn list(world: &World, call: &Call, of: Option<&str>) -> Answer {
    let params = call.params(&format!("{} customer type allow_redisplay", pages::SHAPE))?;
    let customer = of.or_else(|| params.text("customer"));
    if let Some(customer) = customer {
        world.find(call, "customer", customer, if of.is_some() { "id" } else { "customer" })?;
    }
    let mut methods = world.all(call.account.as_deref(), "payment_method");
    methods.retain(|method| {
        let is_theirs = method["customer"].as_str() == customer;
        is_theirs && params.text("type").is_none_or(|kind| method["type"] == kind)
    });
    let url = of
        .map_or_else(|| "/v1/payment_methods".to_owned(), |of| format!("/v1/customers/{of}/payment_methods"));
    pages::page(&url, &params, if customer.is_some() { methods } else { Vec::new() })
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params =
        call.params("allow_redisplay billing_details:any metadata:map card{exp_month:int exp_year:int}")?;
    world.find(call, "payment_method", id, "id")?;
    world.update(id, "payment_method.updated", |method| {
        super::overlay(&mut method["billing_details"], &params.value("billing_details"));
        super::overlay(&mut method["card"], &params.value("card"));
        params.copy_into(method, &["allow_redisplay"]);
        params.merge_metadata(&mut method["metadata"]);
    });
    Ok(world.body(id))
}

fn attach_to(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("customer!")?;
    let customer = params.text("customer").unwrap_or_default();
    world.find(call, "customer", customer, "customer")?;
    let id = resolve(world, call.account.as_deref(), id, "id")?;
    if let Some(card) = card_of(world, &id)
        && let Ending::Declines(decline) = card.ending
        && card.name != "chargeCustomerFail"
        && card.wants == cards::Wants::Nothing
    {
        let failure = super::charges::card_error(decline.code, decline.decline_code, decline.message);
        return Err(failure.param(""));
    }
    let owner = world.body(&id)["customer"].clone();
    if owner.is_string() && owner != customer {
        let message = "The payment method you provided has already been attached to a customer.";
        return Err(Failure::invalid(message).code("payment_method_already_attached"));
    }
    refuse_if_used_up(world, &id)?;
    attach(world, &id, customer);
    Ok(world.body(&id))
}

/// Ties a method to a customer, and tells it if it was not.
pub(super) fn attach(world: &mut World, id: &str, customer: &str) {
    if world.body(id)["customer"] != customer {
        world.change(id, |method| method["customer"] = json!(customer));
        world.emit("payment_method.attached", id);
    }
}

fn detach(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let method = world.find(call, "payment_method", id, "id")?;
    if method["customer"].is_null() {
        let message =
            "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(Failure::invalid(message));
    }
    world.hide(id, "is_used_up", json!(true));
    world.update(id, "payment_method.detached", |method| method["customer"] = Value::Null);
    Ok(world.body(id))
}

/// A method that paid without being tied to a customer pays once only.
///
/// # Errors
/// It did.
pub(super) fn refuse_if_used_up(world: &World, id: &str) -> Result<(), Failure> {
    if world.hidden(id)["is_used_up"] == true && world.body(id)["customer"].is_null() {
        return Err(Failure::invalid(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared \
             with a connected account without Customer attachment, or was detached from a Customer. It may not be used \
             again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
        ));
    }
    Ok(())
}
