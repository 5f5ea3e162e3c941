//! OAuth: an account's owner agrees on a page, the platform exchanges the code for the account's id.

use serde_json::{Value, json};

use super::{Answer, accounts, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::world::{APPLICATION, World};

/// Seconds for which a code may be exchanged.
const CODE_LIVES: i64 = 5 * 60;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["oauth", "token"]) => token(world, call),
        ("post", ["oauth", "deauthorize"]) => deauthorize(world, call),
        _ => return None,
    })
}

/// The owner agreed: an account is made (able, if it is an Express one), and a code for it. An owner who has one already
/// connects that again.
pub(in crate::fake_stripe) fn agree(world: &mut World, scope: &str, known: Option<&str>) -> String {
    let known = known.filter(|account| world.body(account)["object"] == "account").map(str::to_owned);
    let account = match known {
        Some(account) => {
            world.hide(&account, "is_connected", json!(true));
            account
        }
        None => {
            let account = accounts::insert_express(world);
            world.hide(&account, "is_connected", json!(true));
            // The owner completed the account on the same pages.
            let _ = accounts::complete(world, &account);
            account
        }
    };
    let code = world.id("ac_");
    let body = json!({ "id": code, "object": "oauth_code", "created": world.now() });
    world.insert(None, body, json!({ "account": account, "scope": scope, "is_used": false }));
    accounts::tell_application(world, &account, "account.application.authorized");
    code
}

fn field<'a>(call: &'a Call, name: &str) -> Result<&'a str, Failure> {
    call.given
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Failure::oauth(400, "invalid_request", format!("No {name} specified")))
}

fn token(world: &mut World, call: &Call) -> Answer {
    let grant = field(call, "grant_type")?;
    if grant != "authorization_code" {
        let description = format!("Grant type {grant}: the local Stripe knows authorization_code only");
        return Err(Failure::oauth(400, "unsupported_grant_type", description));
    }
    let code = field(call, "code")?;
    let (body, hidden) = (world.body(code), world.hidden(code));
    let invalid = |description: String| Err(Failure::oauth(400, "invalid_grant", description));
    if body["object"] != "oauth_code" {
        return invalid(format!("Authorization code does not exist: {code}"));
    }
    if hidden["is_used"] == true {
        return invalid(
            "This authorization code has already been used. All tokens issued with this code have been revoked."
                .to_owned(),
        );
    }
    if body["created"].as_i64().unwrap_or_default() + CODE_LIVES <= world.now() {
        return invalid(format!("Authorization code expired: {code}"));
    }
    world.hide(code, "is_used", json!(true));
    let (access, refresh, publishable) = (world.id("sk_test_"), world.id("rt_"), world.id("pk_test_"));
    Ok(json!({
        "access_token": access, "livemode": false, "refresh_token": refresh, "scope": hidden["scope"],
        "stripe_publishable_key": publishable, "stripe_user_id": hidden["account"], "token_type": "bearer",
    }))
}

fn deauthorize(world: &mut World, call: &Call) -> Answer {
    let client = field(call, "client_id")?;
    let account = field(call, "stripe_user_id")?;
    if !client.starts_with("ca_") {
        return Err(Failure::oauth(401, "invalid_client", format!("No such application: '{client}'")));
    }
    if accounts::must_be_connected(world, account).is_err() {
        let description = format!(
            "This application ({APPLICATION}) is not connected to stripe account {account}, or that account does not \
             exist."
        );
        return Err(Failure::oauth(401, "invalid_client", description));
    }
    let account = account.to_owned();
    accounts::disconnect(world, &account);
    Ok(json!({ "stripe_user_id": account }))
}
