//! What a PaymentIntent must fulfil before anything is done.

use serde_json::Value;

use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::accounts;
use crate::fake_stripe::world::World;

const CURRENCIES: &str = "usd aed all amd ang aoa ars aud awg azn bam bbd bdt bhd bif bmd bnd bob brl bsd bwp byn bzd \
                          cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd gbp gel ghs gip gmd gnf \
                          gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lkr \
                          lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab \
                          pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd sle sos srd szl thb tjs tnd \
                          top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw";

/// Minor units below which nothing is charged, where it is not 50.
const LEAST: &[(&str, i64)] = &[
    ("gbp", 30),
    ("aed", 200),
    ("bam", 100),
    ("czk", 1500),
    ("dkk", 250),
    ("hkd", 400),
    ("huf", 17_500),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("thb", 1000),
    ("clp", 500),
    ("krw", 500),
    ("vnd", 13_000),
    ("bif", 1500),
    ("pyg", 4000),
    ("jod", 350),
    ("kwd", 150),
    ("bhd", 190),
    ("omr", 190),
    ("tnd", 1500),
];

const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
const WHOLE_HUNDREDS: [&str; 2] = ["isk", "ugx"];
const MOST: i64 = 99_999_999;

/// Everything that a new intent names must be there and fit together.
///
/// # Errors
/// In Stripe's words, for the first thing that does not.
pub(super) fn check_new(world: &World, call: &Call, params: &Params) -> Result<(), Failure> {
    let amount = params.int("amount").unwrap_or_default();
    let currency = params.text("currency").unwrap_or_default().to_lowercase();
    check_amount(amount, &currency)?;
    for (name, allowed) in [
        ("capture_method", &["automatic", "automatic_async", "manual"][..]),
        ("confirmation_method", &["automatic", "manual"]),
        ("setup_future_usage", &["on_session", "off_session"]),
        ("automatic_payment_methods.allow_redirects", &["always", "never"]),
    ] {
        one_of(params, name, allowed)?;
    }
    if params.text("confirmation_token").is_some() {
        return Err(Failure::not_modelled("ConfirmationTokens"));
    }
    if params.get("payment_method_types").is_some_and(Value::is_array)
        && params.get("automatic_payment_methods.enabled") == Some(&Value::Bool(true))
    {
        return Err(Failure::invalid(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
        ));
    }
    if params.is_true("confirm") {
        check_action_error(params, params.get("payment_method_types").is_none())?;
    } else {
        for name in
            ["off_session", "error_on_requires_action", "return_url", "use_stripe_sdk", "mandate_data"]
        {
            let is_given = params.get(name).is_some_and(|value| *value != Value::Bool(false));
            if is_given && !["use_stripe_sdk"].contains(&name) {
                let message = format!("You can only provide `{name}` when `confirm` is set to true.");
                return Err(Failure::parameter("parameter_invalid", name, message));
            }
        }
    }
    if let Some(customer) = params.text("customer") {
        let customer = world.find(call, "customer", customer, "customer")?;
        if customer["deleted"] == true {
            return Err(Failure::no_such(
                "customer",
                customer["id"].as_str().unwrap_or_default(),
                "customer",
            ));
        }
    }
    check_fee(amount, params.int("application_fee_amount"))?;
    check_destination(world, call, params, amount)
}

/// `error_on_requires_action` needs explicit types of methods.
///
/// # Errors
/// They are chosen in the Dashboard.
pub(super) fn check_action_error(params: &Params, is_automatic: bool) -> Result<(), Failure> {
    if params.is_true("error_on_requires_action") && is_automatic {
        let message = "The parameter `error_on_requires_action` can only be used when `payment_method_types` is given \
                       explicitly.";
        return Err(Failure::parameter("parameter_invalid", "error_on_requires_action", message));
    }
    Ok(())
}

fn one_of(params: &Params, name: &str, allowed: &[&str]) -> Result<(), Failure> {
    match params.text(name) {
        Some(value) if !allowed.contains(&value) => {
            let message = format!("Invalid {name}: must be one of {}", allowed.join(", "));
            Err(Failure::parameter("parameter_invalid", name, message))
        }
        _ => Ok(()),
    }
}

/// A currency must be one that Stripe knows, in lower case.
///
/// # Errors
/// It is not.
pub(in crate::fake_stripe::resources) fn check_currency(currency: &str) -> Result<(), Failure> {
    if !CURRENCIES.split_whitespace().any(|known| known == currency) {
        let listed = CURRENCIES.split_whitespace().collect::<Vec<_>>().join(", ");
        let message =
            format!("Invalid currency: {currency}. Stripe currently supports these currencies: {listed}");
        return Err(Failure::parameter("parameter_invalid", "currency", message));
    }
    Ok(())
}

/// An amount must be one that Stripe charges.
///
/// # Errors
/// `parameter_invalid_integer`, `amount_too_small`, `amount_too_large`, or an unknown currency.
pub(in crate::fake_stripe::resources) fn check_amount(amount: i64, currency: &str) -> Result<(), Failure> {
    check_currency(currency)?;
    if amount < 1 {
        let message = "The amount must be greater than or equal to the minimum charge amount allowed for your account \
                       and the currency set (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  \
                       If you want to save a Payment Method for future use without an immediate payment, use a Setup \
                       Intent instead: https://docs.stripe.com/payments/setup-intents";
        return Err(Failure::parameter("parameter_invalid_integer", "amount", message));
    }
    let least = LEAST.iter().find(|(of, _)| *of == currency).map_or(50, |(_, least)| *least);
    let must_be_multiple = match currency {
        _ if THREE_DECIMAL.contains(&currency) => 10,
        _ if WHOLE_HUNDREDS.contains(&currency) => 100,
        _ => 1,
    };
    if amount % must_be_multiple != 0 {
        let message =
            format!("Invalid amount: amounts in {currency} must be a multiple of {must_be_multiple}.");
        return Err(Failure::parameter("parameter_invalid_integer", "amount", message));
    }
    if amount < least {
        let message = format!("Amount must be at least {least} {currency} in the currency's smallest unit.");
        return Err(Failure::parameter("amount_too_small", "amount", message));
    }
    if amount > MOST {
        let message =
            format!("Amount must be no more than {MOST} {currency} in the currency's smallest unit.");
        return Err(Failure::parameter("amount_too_large", "amount", message));
    }
    Ok(())
}

/// A fee is between nothing and the amount.
///
/// # Errors
/// It is not.
pub(super) fn check_fee(amount: i64, fee: Option<i64>) -> Result<(), Failure> {
    let message = match fee {
        Some(fee) if fee < 0 => "Invalid non-negative integer".to_owned(),
        Some(fee) if fee > amount => {
            format!("Your application fee ({fee}) must be less than or equal to the amount ({amount}).")
        }
        _ => return Ok(()),
    };
    Err(Failure::parameter("parameter_invalid_integer", "application_fee_amount", message))
}

/// The account that gets the money must be connected and able to take it.
fn check_destination(world: &World, call: &Call, params: &Params, amount: i64) -> Result<(), Failure> {
    if let Some(on_behalf_of) = params.text("on_behalf_of") {
        accounts::must_be_able(world, on_behalf_of, "card_payments", "on_behalf_of")?;
    }
    let Some(destination) = params.text("transfer_data.destination") else {
        if params.int("application_fee_amount").is_some() && call.account.is_none() {
            return Err(Failure::invalid(
                "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using \
                 an OAuth key or Stripe-Account header) or destination payment (using \
                 `transfer_data[destination]`).",
            )
            .param("application_fee_amount"));
        }
        return Ok(());
    };
    accounts::must_be_able(world, destination, "transfers", "transfer_data[destination]")?;
    match params.int("transfer_data.amount") {
        Some(_) if params.int("application_fee_amount").is_some() => Err(Failure::invalid(
            "You may only specify one of these parameters: application_fee_amount, transfer_data[amount].",
        )),
        Some(part) if part < 1 || part > amount => {
            let message = format!("transfer_data[amount] must be between 1 and the amount ({amount}).");
            Err(Failure::parameter("parameter_invalid_integer", "transfer_data[amount]", message))
        }
        _ => Ok(()),
    }
}

/// What an intent was made for can be an account that left or was restricted since.
///
/// # Errors
/// As when it was made.
pub(super) fn check_accounts(world: &World, intent: &Value) -> Result<(), Failure> {
    if let Some(on_behalf_of) = intent["on_behalf_of"].as_str() {
        accounts::must_be_able(world, on_behalf_of, "card_payments", "on_behalf_of")?;
    }
    match intent["transfer_data"]["destination"].as_str() {
        Some(destination) => {
            accounts::must_be_able(world, destination, "transfers", "transfer_data[destination]")
        }
        None => Ok(()),
    }
}

/// A method that is tied to a customer pays for that customer only.
///
/// # Errors
/// It is tied to another.
pub(super) fn check_method_owner(world: &World, method: &str, customer: Option<&str>) -> Result<(), Failure> {
    let owner = world.body(method)["customer"].clone();
    match (owner.as_str(), customer) {
        (None, _) => Ok(()),
        (Some(owner), Some(customer)) if owner == customer => Ok(()),
        (Some(_), Some(_)) => Err(Failure::invalid(format!(
            "The customer does not have a payment method with the ID {method}. The payment method must be attached to \
             the customer."
        ))
        .code("resource_missing")
        .param("payment_method")),
        (Some(_), None) => Err(Failure::invalid(
            "The payment method supplied belongs to a Customer. Please include the Customer in the `customer` \
             parameter on the PaymentIntent.",
        )
        .param("payment_method")),
    }
}
