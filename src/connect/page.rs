//! The plain pages that owners of accounts see between Stripe and the platform.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::account::Requirements;

/// Nothing is loaded from anywhere, no looks but these, and nobody frames it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let looks = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{looks}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

const STYLE: &str = include_str!("page.css");

/// A page.
pub(super) struct Page<'p> {
    pub status: StatusCode,
    pub title: &'p str,
    /// What is so, and what to do about it.
    pub text: String,
    pub items: &'p [String],
    /// Where to go on, and what that is called.
    pub button: Option<(String, &'p str)>,
}

impl<'p> Page<'p> {
    pub fn new(status: StatusCode, title: &'p str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into(), items: &[], button: None }
    }

    pub fn into_response(self) -> HttpResponse {
        let items: String = self.items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect();
        let items = if items.is_empty() { items } else { format!("<ul>{items}</ul>") };
        let button = self.button.map(|(url, label)| {
            format!(
                "<a class=\"button\" rel=\"noreferrer\" href=\"{}\">{}</a>",
                escaped(&url),
                escaped(label)
            )
        });
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
             <p>{text}</p>{items}{button}</main></body></html>\n",
            title = escaped(self.title),
            text = escaped(&self.text),
            button = button.unwrap_or_default(),
        );
        HttpResponse::build(self.status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(html)
    }
}

/// Sends the browser on. The address is Stripe's or our own, never one that a request named.
pub(super) fn redirect(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// What Stripe wants to know now, for people, each thing once.
pub(super) fn wanted(requirements: &Requirements) -> Vec<String> {
    let mut items = Vec::new();
    for item in requirements.past_due.iter().chain(&requirements.currently_due).map(|name| asked(name)) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

/// One of Stripe's names, for people: they go into every field.
fn asked(requirement: &str) -> String {
    let subject = requirement.split('.').next().unwrap_or_default();
    match subject {
        "business_profile" => "what your business does".to_owned(),
        "business_type" => "whether you are a person or a company".to_owned(),
        "company" => "your company".to_owned(),
        "external_account" => "the bank account for your money".to_owned(),
        "individual" | "representative" => "who you are".to_owned(),
        "owners" | "directors" | "executives" => format!("your company's {subject}"),
        "tos_acceptance" => "that you agree to Stripe's terms".to_owned(),
        _ if subject.starts_with("person_") => "the people of your company".to_owned(),
        other => other.replace('_', " "),
    }
}
