//! Connected accounts and the links by which their owners complete them.

use serde_json::{Value, json};

use super::{Answer, verb};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::{APPLICATION, World};

mod body;

const SHAPE: &str = "account_token business_profile{} business_type capabilities{} company{} controller{} country \
                     default_currency documents{} email external_account:any groups{} individual{} metadata:map \
                     settings{} tos_acceptance{} type";

/// Where Express accounts can be.
const COUNTRIES: &str = "AE AG AL AM AR AT AU BA BE BG BH BJ BN BO BS BW CA CH CI CL CO CR CY CZ DE DK DO EC EE EG ES ET \
                         FI FR GB GH GI GM GR GT GY HK HR HU ID IE IL IN IS IT JM JO JP KE KH KR KW LC LI LK LT LU LV MA \
                         MC MD MG MK MN MO MT MU MX MY NA NG NL NO NZ OM PA PE PH PK PL PT PY QA RO RS RW SA SE SG SI SK \
                         SN SV TH TN TR TT TW TZ US UY UZ VN ZA";

/// Seconds for which an account link may be opened.
const LINK_LIVES: i64 = 5 * 60;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["accounts"]) => create(world, call),
        ("get", ["accounts"]) => list(world, call),
        ("get", ["account"]) => own(world, call),
        ("get", ["accounts", id]) => retrieve(world, call, id),
        ("post", ["accounts", id]) => update(world, call, id),
        ("delete", ["accounts", id]) => delete(world, call, id),
        ("post", ["account_links"]) => create_link(world, call),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    if params.get("type").is_some() && params.get("controller").is_some() {
        return Err(Failure::invalid(
            "You may not provide the `type` parameter and `controller` parameters simultaneously. They are mutually \
             exclusive.",
        ));
    }
    if let Some(kind) = params.text("type").filter(|kind| !["standard", "express", "custom"].contains(kind)) {
        let message = format!("Invalid type: {kind}; must be one of standard, express, custom");
        return Err(Failure::parameter("parameter_invalid", "type", message));
    }
    if let Some(country) =
        params.text("country").filter(|wanted| !COUNTRIES.split(' ').any(|known| known == *wanted))
    {
        let message = format!("{country} is not currently supported by Stripe.");
        return Err(Failure::parameter("country_unsupported", "country", message));
    }
    let id = insert(world, &body::Wishes::of(&params));
    world.change(&id, |account| params.merge_metadata(&mut account["metadata"]));
    Ok(world.body(&id))
}

/// Makes an account that is not able to anything yet; its id.
pub(super) fn insert(world: &mut World, wishes: &body::Wishes) -> String {
    let id = world.id("acct_").chars().take(21).collect::<String>();
    let account = body::new(&id, world.now(), wishes);
    world.insert(None, account, json!({ "is_connected": true }));
    id
}

/// An Express account as OAuth makes it; its id.
pub(super) fn insert_express(world: &mut World) -> String {
    let wishes = body::Wishes::express();
    insert(world, &wishes)
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(pages::SHAPE)?;
    let mut accounts = world.all(None, "account");
    accounts.retain(|account| is_connected(world, account["id"].as_str().unwrap_or_default()));
    pages::page("/v1/accounts", &params, accounts)
}

fn own(world: &World, call: &Call) -> Answer {
    call.params("")?;
    match &call.account {
        Some(account) => Ok(world.body(account)),
        None => Ok(body::platform(&world.platform)),
    }
}

fn retrieve(world: &World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    if id == world.platform {
        return own(world, call);
    }
    must_be_connected(world, id)?;
    Ok(world.body(id))
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(SHAPE)?;
    must_be_connected(world, id)?;
    change(world, id, |account| {
        body::apply(account, &body::Wishes::of(&params));
        params.merge_metadata(&mut account["metadata"]);
    });
    Ok(world.body(id))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    must_be_connected(world, id)?;
    disconnect(world, id);
    world.remove(id);
    Ok(json!({ "id": id, "object": "account", "deleted": true }))
}

/// Changes an account and tells it as an event of that account.
fn change(world: &mut World, id: &str, work: impl FnOnce(&mut Value)) {
    world.update_in(Some(id.to_owned()), id, "account.updated", work);
}

fn is_connected(world: &World, id: &str) -> bool {
    world.hidden(id)["is_connected"] == true
}

/// Calls for an account, or about it, need that it is connected.
///
/// # Errors
/// 403 with `account_invalid`.
pub(super) fn must_be_connected(world: &World, id: &str) -> Result<(), Failure> {
    if is_connected(world, id) {
        return Ok(());
    }
    Err(Failure::forbidden(format!(
        "The provided key 'sk_test_***' does not have access to account '{id}' (or that account does not exist). \
         Application access may have been revoked."
    ))
    .code("account_invalid"))
}

/// An account that shall get money must be able to take it.
///
/// # Errors
/// It is not there, or lacks the capability.
pub(super) fn must_be_able(world: &World, id: &str, capability: &str, param: &str) -> Result<(), Failure> {
    if !is_connected(world, id) {
        let what = if param == "on_behalf_of" { "on_behalf_of" } else { "destination" };
        return Err(Failure::invalid(format!("No such {what}: '{id}'"))
            .code("resource_missing")
            .param(param));
    }
    if world.body(id)["capabilities"][capability] == "active" {
        return Ok(());
    }
    Err(match capability {
        "transfers" => Failure::invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, \
             crypto_transfers, legacy_payments",
        )
        .code("insufficient_capabilities_for_transfer"),
        _ => Failure::invalid(format!(
            "Your account cannot currently make live charges on behalf of {id}: it lacks the capability {capability}."
        ))
        .code("account_capability_missing")
        .param(param),
    })
}

/// The owner told all that Stripe wants to know: the account can take payments, transfers and payouts.
///
/// # Errors
/// There is no such account.
pub(in crate::fake_stripe) fn complete(world: &mut World, id: &str) -> Answer {
    must_be_connected(world, id)?;
    let now = world.now();
    change(world, id, |account| body::complete(account, now));
    Ok(world.body(id))
}

/// Stripe wants to know more, and stops payments until it does.
///
/// # Errors
/// There is no such account.
pub(in crate::fake_stripe) fn restrict(world: &mut World, id: &str) -> Answer {
    must_be_connected(world, id)?;
    change(world, id, body::restrict);
    Ok(world.body(id))
}

/// The owner takes back the connection, as in their Dashboard.
///
/// # Errors
/// There is no such account.
pub(in crate::fake_stripe) fn deauthorize(world: &mut World, id: &str) -> Answer {
    must_be_connected(world, id)?;
    disconnect(world, id);
    Ok(json!({ "stripe_user_id": id }))
}

/// The account is connected to the platform no more.
pub(super) fn disconnect(world: &mut World, id: &str) {
    world.hide(id, "is_connected", json!(false));
    tell_application(world, id, "account.application.deauthorized");
}

/// Tells the platform's application what an account did about it.
pub(super) fn tell_application(world: &mut World, id: &str, event_type: &str) {
    let application = json!({ "id": APPLICATION, "object": "application", "name": "Local platform" });
    world.tell(event_type, Some(id.to_owned()), application, None);
}

fn create_link(world: &mut World, call: &Call) -> Answer {
    let params = call.params("account! type! refresh_url return_url collect collection_options{}")?;
    let account = params.text("account").unwrap_or_default();
    if !is_connected(world, account) {
        return Err(Failure::invalid(format!("No such account: '{account}'"))
            .code("resource_missing")
            .param("account"));
    }
    if !["account_onboarding", "account_update"].contains(&params.text("type").unwrap_or_default()) {
        let message = "Invalid type: must be one of account_onboarding, account_update";
        return Err(Failure::parameter("parameter_invalid", "type", message));
    }
    for name in ["refresh_url", "return_url"] {
        let url = params.text(name).ok_or_else(|| Failure::missing(name))?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let message = "Not a valid URL";
            return Err(Failure::parameter("url_invalid", name, message));
        }
    }
    let token = world.letters(20);
    let now = world.now();
    let link = json!({
        "id": format!("link_{token}"), "object": "account_link", "created": now, "expires_at": now + LINK_LIVES,
        "url": format!("{}/_fake/pages/onboarding/{token}", world.base),
    });
    let hidden = json!({
        "account": account, "return_url": params.value("return_url"), "refresh_url": params.value("refresh_url"),
        "is_opened": false,
    });
    world.insert(None, link.clone(), hidden);
    let mut shown = link;
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("id");
    }
    Ok(shown)
}

/// Opens a link, which can be done once and in time; what it leads to, or where it sends otherwise.
pub(in crate::fake_stripe) fn open_link(world: &mut World, token: &str) -> Option<Result<Value, String>> {
    let id = format!("link_{token}");
    let (link, hidden) = (world.body(&id), world.hidden(&id));
    let refresh = hidden["refresh_url"].as_str()?.to_owned();
    if hidden["is_opened"] == true || link["expires_at"].as_i64().unwrap_or_default() <= world.now() {
        return Some(Err(refresh));
    }
    world.hide(&id, "is_opened", json!(true));
    Some(Ok(hidden))
}

/// What a link that was opened leads to.
pub(in crate::fake_stripe) fn opened_link(world: &World, token: &str) -> Option<Value> {
    let hidden = world.hidden(&format!("link_{token}"));
    (hidden["is_opened"] == true).then_some(hidden)
}
