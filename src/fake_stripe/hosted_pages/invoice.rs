//! The page on which an invoice is shown and paid, and receipts.

use std::collections::HashMap;

use actix_web::web::{Data, Form, Path, ServiceConfig};
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::{card_fields, escape, looked_at, method_of, money, page, redirect, refused, text};
use crate::fake_stripe::delivery::Objects;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::calendar::day;
use crate::fake_stripe::resources::{invoices, quotes};
use crate::fake_stripe::server::Shared;
use crate::fake_stripe::world::World;

/// Registers the pages.
pub(super) fn configure(routes: &mut ServiceConfig) {
    routes
        .route("/_fake/pages/invoices/{id}", web::get().to(show))
        .route("/_fake/pages/invoices/{id}", web::post().to(pay))
        .route("/_fake/pages/invoices/{id}/pdf", web::get().to(pdf))
        .route("/_fake/pages/receipts/{secret}", web::get().to(receipt));
}

async fn show(shared: Data<Shared>, id: Path<String>) -> HttpResponse {
    shared.with(|world| looked_at(render(world, &id, None)))
}

fn render(world: &World, id: &str, error: Option<&str>) -> HttpResponse {
    let invoice = world.body(id);
    if invoice["object"] != "invoice" || invoice["status"] == "draft" {
        return page("No such invoice", "<p>This link is not one of the local Stripe's.</p>");
    }
    let currency = text(&invoice["currency"]);
    let is_asked_for = matches!(invoice["status"].as_str(), Some("open" | "uncollectible"));
    let due = match invoice["due_date"].as_i64() {
        Some(due) if is_asked_for => format!("<p>Due <span id=\"due\">{}</span></p>", day(due)),
        _ => String::new(),
    };
    let intent = world.body(&invoices::intent_of(world, id).unwrap_or_default());
    let error = error.map(str::to_owned).or_else(|| {
        intent["last_payment_error"]["message"]
            .as_str()
            .filter(|_| intent["status"] != "succeeded")
            .map(str::to_owned)
    });
    let form = match (invoice["status"].as_str(), intent["status"].as_str()) {
        (Some("open" | "uncollectible"), Some("processing")) => {
            "<p>Your payment is under way.</p>".to_owned()
        }
        (Some("open" | "uncollectible"), Some(_)) => {
            format!("<form method=\"post\">{}</form>", card_fields("Pay"))
        }
        (Some("paid"), _) => {
            format!("<p id=\"paid\">This invoice is paid. Thank you.</p>{}", link_to_receipt(world, &intent))
        }
        (status, _) => format!("<p>This invoice is {}.</p>", status.unwrap_or_default()),
    };
    let error = error.filter(|_| form.starts_with("<form"));
    refused(
        error.as_deref(),
        "Invoice",
        &format!(
            "<p>Number <span id=\"number\">{}</span>, for {}</p><table>{}<tr><th>Amount due</th><th id=\"total\">{}</th></tr>\
             </table>{due}<p><a id=\"pdf\" href=\"{}\">Download as PDF</a></p>{form}",
            escape(text(&invoice["number"])),
            escape(invoice["customer_name"].as_str().or(invoice["customer_email"].as_str()).unwrap_or("you")),
            rows(invoice["lines"]["data"].as_array().map_or(&[], Vec::as_slice), currency),
            money(&invoice["amount_remaining"], currency),
            escape(text(&invoice["invoice_pdf"]))
        ),
    )
}

/// Where there is one: what was paid elsewhere has none.
fn link_to_receipt(world: &World, intent: &Value) -> String {
    let charge = world.body(text(&intent["latest_charge"]));
    match charge["receipt_url"].as_str() {
        Some(url) => format!("<p><a id=\"receipt\" href=\"{}\">Receipt</a></p>", escape(url)),
        None => String::new(),
    }
}

fn rows(lines: &[Value], currency: &str) -> String {
    let row = |line: &Value| {
        format!(
            "<tr><td>{} ×\u{a0}{}</td><td>{}</td></tr>",
            escape(line["description"].as_str().unwrap_or("Item")),
            line["quantity"],
            money(&line["amount"], currency)
        )
    };
    lines.iter().map(row).collect()
}

async fn pay(shared: Data<Shared>, id: Path<String>, form: Form<HashMap<String, String>>) -> HttpResponse {
    shared.with(|world| {
        let tried = try_to_pay(world, &id, &form);
        let intent = world.body(&invoices::intent_of(world, &id).unwrap_or_default());
        let message =
            tried.err().map(|failure| failure.error["message"].as_str().unwrap_or_default().to_owned());
        match intent["next_action"]["redirect_to_url"]["url"].as_str() {
            Some(bank) if message.is_none() => redirect(bank, &[]),
            _ => render(world, &id, message.as_deref()),
        }
    })
}

fn try_to_pay(world: &mut World, id: &str, form: &HashMap<String, String>) -> Result<(), Failure> {
    let account = world.owner(id);
    match method_of(world, account.as_deref(), form)? {
        Some(method) => invoices::pay_on_page(world, id, &method),
        None => Ok(()),
    }
}

async fn pdf(shared: Data<Shared>, id: Path<String>) -> HttpResponse {
    let invoice = shared.with(|world| world.body(&id));
    if invoice["number"].is_null() {
        return page("No such invoice", "<p>This link is not one of the local Stripe's.</p>");
    }
    let currency = text(&invoice["currency"]);
    let mut rows = vec![
        format!("Invoice {}", text(&invoice["number"])),
        String::new(),
        "From: Local platform".to_owned(),
        format!(
            "To: {}",
            invoice["customer_name"].as_str().or(invoice["customer_email"].as_str()).unwrap_or("")
        ),
        String::new(),
    ];
    for line in invoice["lines"]["data"].as_array().into_iter().flatten() {
        let amount = money(&line["amount"], currency);
        rows.push(format!(
            "{} × {}   {amount}",
            line["quantity"],
            line["description"].as_str().unwrap_or("Item")
        ));
    }
    rows.extend([String::new(), format!("Amount due {}", money(&invoice["amount_due"], currency))]);
    rows.extend(invoice["due_date"].as_i64().map(|due| format!("Due {}", day(due))));
    rows.push(format!("Pay online: {}", text(&invoice["hosted_invoice_url"])));
    HttpResponse::Ok().content_type("application/pdf").body(quotes::document(&rows))
}

async fn receipt(shared: Data<Shared>, secret: Path<String>) -> HttpResponse {
    shared.with(|world| {
        let url = format!("{}/_fake/pages/receipts/{secret}", world.base);
        match world.objects("charge").into_iter().find(|charge| charge["receipt_url"] == url.as_str()) {
            Some(charge) => page("Receipt", &receipt_of(&charge)),
            None => page("No such receipt", "<p>This link is not one of the local Stripe's.</p>"),
        }
    })
}

fn receipt_of(charge: &Value) -> String {
    let currency = text(&charge["currency"]);
    let card = &charge["payment_method_details"]["card"];
    let with = match card["last4"].as_str() {
        Some(last4) => format!("{} ending in {last4}", text(&card["brand"])),
        None => text(&charge["payment_method_details"]["type"]).replace('_', " "),
    };
    let back = match charge["amount_refunded"].as_i64().unwrap_or_default() {
        0 => String::new(),
        _ => format!("<tr><td>Given back</td><td>{}</td></tr>", money(&charge["amount_refunded"], currency)),
    };
    format!(
        "<table><tr><td>{}</td><td id=\"total\">{}</td></tr>{back}</table><p>Paid on {} with {}.</p>",
        escape(charge["description"].as_str().unwrap_or("Payment")),
        money(&charge["amount_captured"], currency),
        day(charge["created"].as_i64().unwrap_or_default()),
        escape(&with)
    )
}
