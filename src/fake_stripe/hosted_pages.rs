//! The few pages that a person visits at Stripe's: a bank's 3-D Secure step, an account's onboarding, OAuth, and those
//! on which sessions and invoices are paid.

use std::collections::HashMap;

use actix_web::http::header;
use actix_web::web::{Data, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::frame::failure::Failure;
use super::frame::form::encode;
use super::resources::{accounts, calendar, oauth, payment_intents, payment_methods};
use super::server::Shared;
use super::world::World;

mod checkout;
mod invoice;
mod page;

use page::{looked_at, page, refused};

/// Registers the pages.
pub(super) fn configure(routes: &mut ServiceConfig) {
    checkout::configure(routes);
    invoice::configure(routes);
    page::configure(routes);
    routes
        .route("/_fake/pages/3ds/{id}", web::get().to(bank))
        .route("/_fake/pages/3ds/{id}", web::post().to(bank_decides))
        .route("/_fake/pages/onboarding/{token}", web::get().to(onboarding))
        .route("/_fake/pages/onboarding/{token}", web::post().to(onboarding_ends))
        .route("/oauth/authorize", web::get().to(authorize))
        .route("/express/oauth/authorize", web::get().to(authorize_express))
        .route("/_fake/pages/oauth", web::post().to(owner_decides));
}

#[derive(Deserialize)]
struct ClientSecret {
    client_secret: String,
}

#[derive(Deserialize)]
struct Decision {
    decision: String,
}

async fn bank(shared: Data<Shared>, id: Path<String>, query: Query<ClientSecret>) -> HttpResponse {
    let intent = shared.with(|world| world.body(&id));
    if intent["client_secret"] != query.client_secret.as_str() {
        return page("No such payment", "<p>This link is not one of the local Stripe's.</p>");
    }
    if intent["status"] != "requires_action" {
        return page("Nothing to do", "<p>This payment waits for no authentication.</p>");
    }
    let amount = money(&intent["amount"], text(&intent["currency"]));
    page(
        "3-D Secure",
        &format!(
            "<p>Your bank asks: do you pay <strong>{}</strong>?</p>{}",
            escape(&amount),
            choices(&[("succeeded", "Complete authentication"), ("failed", "Fail authentication")], &[])
        ),
    )
}

async fn bank_decides(
    shared: Data<Shared>,
    id: Path<String>,
    query: Query<ClientSecret>,
    form: web::Form<Decision>,
) -> HttpResponse {
    let is_passed = form.decision == "succeeded";
    let (intent, return_url) = shared.with(|world| {
        let before = world.body(&id);
        if before["client_secret"] != query.client_secret.as_str() {
            return (Value::Null, Value::Null);
        }
        let return_url = before["next_action"]["redirect_to_url"]["return_url"].clone();
        // If it was decided already, the page leads on all the same.
        let _ = payment_intents::authenticate(world, &id, is_passed);
        (world.body(&id), return_url)
    });
    let Some(return_url) = return_url.as_str() else {
        return page("Thank you", &format!("<p>You can close this page.</p>{}", page::TELL));
    };
    let status = if intent["status"] == "requires_payment_method" { "failed" } else { "succeeded" };
    redirect(
        return_url,
        &[
            ("payment_intent", &id),
            ("payment_intent_client_secret", text(&intent["client_secret"])),
            ("redirect_status", status),
        ],
    )
}

async fn onboarding(shared: Data<Shared>, token: Path<String>) -> HttpResponse {
    match shared.with(|world| accounts::open_link(world, &token)) {
        None => page("No such link", "<p>This link is not one of the local Stripe's.</p>"),
        Some(Err(refresh_url)) => redirect(&refresh_url, &[]),
        Some(Ok(link)) => page(
            "Onboarding",
            &format!(
                "<p>Account <code>{}</code> wants to take payments.</p>{}",
                escape(text(&link["account"])),
                choices(&[("complete", "Complete onboarding"), ("later", "Save for later")], &[])
            ),
        ),
    }
}

async fn onboarding_ends(
    shared: Data<Shared>,
    token: Path<String>,
    form: web::Form<Decision>,
) -> HttpResponse {
    let link = shared.with(|world| {
        let link = accounts::opened_link(world, &token)?;
        if form.decision == "complete" {
            // Disconnected meanwhile: the way back is the same.
            let _ = accounts::complete(world, text(&link["account"]));
        }
        Some(link)
    });
    match link {
        Some(link) => redirect(text(&link["return_url"]), &[]),
        None => page("No such link", "<p>This link is not one of the local Stripe's.</p>"),
    }
}

#[derive(Deserialize)]
struct Authorize {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    state: Option<String>,
    scope: Option<String>,
    response_type: Option<String>,
}

async fn authorize(query: Query<Authorize>) -> HttpResponse {
    ask_owner(&query, query.scope.as_deref().unwrap_or("read_only"))
}

async fn authorize_express(query: Query<Authorize>) -> HttpResponse {
    ask_owner(&query, "express")
}

fn ask_owner(query: &Authorize, scope: &str) -> HttpResponse {
    let client = query.client_id.as_deref().unwrap_or_default();
    if !client.starts_with("ca_") {
        return page("Unknown application", "<p>No application matches the supplied client identifier.</p>");
    }
    if query.response_type.as_deref().is_some_and(|wanted| wanted != "code") {
        return page("Wrong response type", "<p>The response_type must be <code>code</code>.</p>");
    }
    let Some(redirect_uri) = query.redirect_uri.as_deref().filter(|uri| is_web(uri)) else {
        return page(
            "No way back",
            "<p>The local Stripe knows no redirect URI of this application: name one as \
             <code>redirect_uri</code>.</p>",
        );
    };
    let state = query.state.as_deref().unwrap_or_default();
    page(
        "Connect",
        &format!(
            "<p><code>{}</code> asks to be connected to your account ({}).</p>{}",
            escape(client),
            escape(scope),
            choices(
                &[("accept", "Accept"), ("deny", "Deny")],
                &[("redirect_uri", redirect_uri), ("state", state), ("scope", scope)]
            )
            .replace(
                "<form method=\"post\">",
                "<form method=\"post\" action=\"/_fake/pages/oauth\"><p><label>An account that you have \
                 already: <input name=\"account\" placeholder=\"none: a new one\"></label></p>"
            )
        ),
    )
}

#[derive(Deserialize)]
struct OwnerDecides {
    decision: String,
    redirect_uri: String,
    state: String,
    scope: String,
    /// An account that the owner has already.
    account: Option<String>,
}

async fn owner_decides(shared: Data<Shared>, form: web::Form<OwnerDecides>) -> HttpResponse {
    if !is_web(&form.redirect_uri) {
        return page("No way back", "<p>The redirect URI is no address of the web.</p>");
    }
    if form.decision != "accept" {
        return redirect(
            &form.redirect_uri,
            &[
                ("error", "access_denied"),
                ("error_description", "The user denied your request"),
                ("state", &form.state),
            ],
        );
    }
    let code = shared.with(|world| oauth::agree(world, &form.scope, form.account.as_deref()));
    redirect(&form.redirect_uri, &[("code", &code), ("scope", &form.scope), ("state", &form.state)])
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn redirect(to: &str, fields: &[(&str, &str)]) -> HttpResponse {
    let query: Vec<String> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let mark = if to.contains('?') { "&" } else { "?" };
    let url = if query.is_empty() { to.to_owned() } else { format!("{to}{mark}{}", query.join("&")) };
    HttpResponse::SeeOther().insert_header((header::LOCATION, url)).finish()
}

/// A form of buttons; the hidden fields go along.
fn choices(buttons: &[(&str, &str)], hidden: &[(&str, &str)]) -> String {
    let mut form = String::from("<form method=\"post\">");
    for (name, value) in hidden {
        form += &format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value));
    }
    for (value, label) in buttons {
        form += &format!(
            "<button name=\"decision\" value=\"{value}\" id=\"{value}\">{}</button> ",
            escape(label)
        );
    }
    form + "</form>"
}

/// The fields of a card, and the button.
fn card_fields(button: &str) -> String {
    format!(
        "<h2>Card</h2><p><label>Number <input name=\"card_number\" inputmode=\"numeric\" autocomplete=\"cc-number\" \
         placeholder=\"4242 4242 4242 4242\"></label></p><p class=\"pair\"><label>Expires <input name=\"card_expiry\" \
         autocomplete=\"cc-exp\" placeholder=\"12 / 34\"></label> <label>CVC <input name=\"card_cvc\" \
         inputmode=\"numeric\" autocomplete=\"cc-csc\" placeholder=\"123\"></label></p>\
         <button id=\"pay\" name=\"type\" value=\"card\">{button}</button>"
    )
}

/// The payment method that a form describes: by its fields, or by the button that was pressed; none for nothing.
///
/// # Errors
/// It is no test card or test account.
fn method_of(
    world: &mut World,
    account: Option<&str>,
    form: &HashMap<String, String>,
) -> Result<Option<String>, Failure> {
    let field = |name: &str| form.get(name).map(|value| value.trim()).unwrap_or_default();
    let billing: serde_json::Map<String, Value> = ["email", "name"]
        .iter()
        .filter(|name| !field(name).is_empty())
        .map(|name| ((*name).to_owned(), json!(field(name))))
        .collect();
    let mut data = json!({ "billing_details": billing });
    match field("type") {
        "none" => return Ok(None),
        "sepa_debit" => data["sepa_debit"] = json!({ "iban": field("iban") }),
        "us_bank_account" => {
            data["us_bank_account"] =
                json!({ "account_holder_type": "individual", "account_number": field("account_number") });
        }
        _ => {
            let (month, year) = field("card_expiry").split_once('/').unwrap_or_default();
            data["card"] = json!({
                "cvc": field("card_cvc"), "exp_month": month.trim(), "exp_year": year.trim(),
                "number": field("card_number"),
            });
        }
    }
    let kind = ["sepa_debit", "us_bank_account"].into_iter().find(|kind| field("type") == *kind);
    data["type"] = json!(kind.unwrap_or("card"));
    payment_methods::make_of_data(world, account, &data).map(Some)
}

/// An amount as people write it.
fn money(amount: &Value, currency: &str) -> String {
    calendar::money(amount.as_i64().unwrap_or_default(), currency)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
