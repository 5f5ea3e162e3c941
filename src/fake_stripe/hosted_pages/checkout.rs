//! The page on which a Checkout Session is paid, and the addresses of Payment Links.

use std::collections::HashMap;

use actix_web::web::{Data, Form, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{
    Failure, card_fields, escape, is_web, looked_at, method_of, money, page, redirect, refused, text,
};
use crate::fake_stripe::resources::checkout::{self, Given};
use crate::fake_stripe::server::Shared;
use crate::fake_stripe::world::World;

/// Registers the pages.
pub(super) fn configure(routes: &mut ServiceConfig) {
    routes
        .route("/_fake/pages/checkout/{id}", web::get().to(show))
        .route("/_fake/pages/checkout/{id}", web::post().to(pay))
        .route("/_fake/pages/checkout/{id}/back", web::get().to(back))
        .route("/_fake/pages/links/{code}", web::get().to(open_link));
}

async fn show(shared: Data<Shared>, id: Path<String>) -> HttpResponse {
    shared.with(|world| render(world, &id, None))
}

/// What the customer sees of a session: the form, or where it ended.
fn render(world: &World, id: &str, error: Option<&str>) -> HttpResponse {
    let session = world.body(id);
    match session["status"].as_str() {
        Some("open") => {}
        Some("complete") => return page("Thank you", "<p>This purchase is complete.</p>"),
        Some(_) => return page("Too late", "<p>This page has expired. Nothing was charged.</p>"),
        None => return page("No such page", "<p>This link is not one of the local Stripe's.</p>"),
    }
    let currency = text(&session["currency"]);
    let rows: String = checkout::lines_of(world, id)
        .iter()
        .map(|line| {
            format!(
                "<tr><td>{} × {}</td><td>{}</td></tr>",
                escape(text(&line["description"])),
                line["quantity"],
                money(&line["amount_total"], currency)
            )
        })
        .collect();
    let total = money(&session["amount_total"], currency);
    let cancel = match session["cancel_url"].as_str().filter(|url| is_web(url)) {
        Some(url) => format!("<p><a id=\"cancel\" href=\"{}\">Back to the shop</a></p>", escape(url)),
        None => String::new(),
    };
    refused(
        error,
        "Checkout",
        &format!(
            "<table>{rows}<tr><th>Total</th><th id=\"total\">{total}</th></tr></table><form method=\"post\">{}{}{}</form>{cancel}",
            contact(&session),
            shipping(&session),
            ways_to_pay(&session)
        ),
    )
}

fn contact(session: &Value) -> String {
    let known = text(&session["customer_details"]["email"]);
    format!(
        "<p><label>E-mail <input name=\"email\" type=\"email\" value=\"{}\" required></label></p>\
         <p><label>Name <input name=\"name\"></label></p>",
        escape(known)
    )
}

fn shipping(session: &Value) -> String {
    if !session["shipping_address_collection"].is_object() {
        return String::new();
    }
    let fields =
        [("line1", "Street"), ("postal_code", "Postal code"), ("city", "City"), ("country", "Country")];
    let fields: String = fields
        .iter()
        .map(|(name, label)| {
            format!("<p><label>{label} <input name=\"shipping_{name}\" required></label></p>")
        })
        .collect();
    format!(
        "<h2>Shipping</h2><p><label>Recipient <input name=\"shipping_name\" required></label></p>{fields}"
    )
}

fn ways_to_pay(session: &Value) -> String {
    if session["amount_total"] == 0 && session["mode"] == "payment" {
        return "<button id=\"pay\" name=\"type\" value=\"none\">Complete order</button>".to_owned();
    }
    let takes = |kind: &str| {
        session["payment_method_types"].as_array().is_some_and(|types| types.contains(&json!(kind)))
    };
    let mut ways = String::new();
    if takes("card") {
        ways += &card_fields("Pay");
    }
    if takes("sepa_debit") {
        ways += "<h2>SEPA debit</h2><p><label>IBAN <input name=\"iban\"></label></p>\
                 <button id=\"pay-sepa\" name=\"type\" value=\"sepa_debit\">Pay by debit</button>";
    }
    if takes("us_bank_account") {
        ways += "<h2>US bank account</h2><p><label>Account number <input name=\"account_number\"></label></p>\
                 <button id=\"pay-ach\" name=\"type\" value=\"us_bank_account\">Pay by debit</button>";
    }
    ways
}

async fn pay(shared: Data<Shared>, id: Path<String>, form: Form<HashMap<String, String>>) -> HttpResponse {
    shared.with(|world| {
        let paid = given(world, &id, &form).and_then(|given| checkout::pay(world, &id, given));
        match paid {
            Ok(()) => onward(world, &id),
            Err(failure) => {
                let message = failure.error["message"].as_str().unwrap_or_default().to_owned();
                render(world, &id, Some(&message))
            }
        }
    })
}

fn given(world: &mut World, id: &str, form: &HashMap<String, String>) -> Result<Given, Failure> {
    let field = |name: &str| form.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    // What was not written must not unset what is known.
    let written =
        ["email", "name"].into_iter().filter_map(|name| Some((name.to_owned(), json!(field(name)?))));
    let account = world.owner(id);
    let shipping = field("shipping_name").map(|name| {
        json!({
            "address": {
                "city": field("shipping_city"), "country": field("shipping_country"), "line1": field("shipping_line1"),
                "line2": null, "postal_code": field("shipping_postal_code"), "state": null,
            },
            "name": name,
        })
    });
    Ok(Given {
        method: method_of(world, account.as_deref(), form)?,
        details: Value::Object(written.collect()),
        shipping: shipping.unwrap_or_default(),
    })
}

async fn back(shared: Data<Shared>, id: Path<String>) -> HttpResponse {
    shared.with(|world| match world.body(&id)["status"].as_str() {
        Some("open") => {
            let intent = world.body(text(&world.hidden(&id)["intent"]));
            let message = intent["last_payment_error"]["message"].as_str().map(str::to_owned);
            looked_at(render(world, &id, message.as_deref()))
        }
        _ => onward(world, &id),
    })
}

/// Where the customer goes after the button: to their bank, or back to the shop.
fn onward(world: &World, id: &str) -> HttpResponse {
    let session = world.body(id);
    let intent = world.body(text(&world.hidden(id)["intent"]));
    if let Some(bank) =
        intent["next_action"]["redirect_to_url"]["url"].as_str().filter(|_| session["status"] == "open")
    {
        return redirect(bank, &[]);
    }
    match session["success_url"].as_str().filter(|url| is_web(url)) {
        Some(url) if session["status"] == "complete" => {
            redirect(&url.replace("{CHECKOUT_SESSION_ID}", id), &[])
        }
        _ => render(world, id, None),
    }
}

async fn open_link(
    shared: Data<Shared>,
    code: Path<String>,
    query: Query<HashMap<String, String>>,
) -> HttpResponse {
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    match shared.with(|world| checkout::open_link(world, &code, &query)) {
        Ok(session) => redirect(text(&session["url"]), &[]),
        Err(message) => page("This link", &format!("<p>{}</p>", escape(&message))),
    }
}
