//! The plain pages that owners of accounts see between Stripe and the platform.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

/// Nothing is loaded from anywhere, and nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem;color:#1c1c1e;\
background:#fafafa}h1{font-size:1.4rem}li{font-family:ui-monospace,monospace;font-size:.9rem}\
a.button{display:inline-block;margin-top:1rem;padding:.6rem 1.2rem;border-radius:.5rem;background:#1c1c1e;color:#fff;\
text-decoration:none}@media(prefers-color-scheme:dark){body{background:#1c1c1e;color:#f2f2f7}a.button{background:#f2f2f7;\
color:#1c1c1e}}";

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
             content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
             <p>{text}</p>{items}{button}</main></body></html>\n",
            title = escaped(self.title),
            text = escaped(&self.text),
            button = button.unwrap_or_default(),
        );
        HttpResponse::build(self.status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
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
