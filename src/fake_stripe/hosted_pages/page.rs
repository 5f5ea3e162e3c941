//! How the pages look, and the rules that a browser holds them to.

use actix_web::http::{StatusCode, header};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};

use super::escape;

const STYLE: &str = include_str!("page/page.css");
/// What the page does to which a bank's step in a frame or a window of its own comes back.
pub(super) const TELL: &str = "<script src=\"/_fake/pages/assets/tell.js\"></script>";
const TELL_SCRIPT: &str = include_str!("page/tell.js");

/// They load their looks and one script from here and nothing else. Where forms may lead is left open: they end at the
/// shop's pages. So is who frames them: a bank's step stands in a frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'";

/// Registers what the pages load.
pub(super) fn configure(routes: &mut ServiceConfig) {
    let asset = |kind: &'static str, text: &'static str| {
        web::get().to(move || async move { HttpResponse::Ok().content_type(kind).body(text) })
    };
    routes
        .route("/_fake/pages/assets/page.css", asset("text/css; charset=utf-8", STYLE))
        .route("/_fake/pages/assets/tell.js", asset("text/javascript; charset=utf-8", TELL_SCRIPT));
}

/// A page.
pub(super) fn page(title: &str, body: &str) -> HttpResponse {
    refused(None, title, body)
}

/// A page as it is for somebody who only looks at it: whatever it says of the last try, looking went well.
pub(super) fn looked_at(mut page: HttpResponse) -> HttpResponse {
    page.head_mut().status = StatusCode::OK;
    page
}

/// A page that says why the try that was just made failed, if it did.
pub(super) fn refused(error: Option<&str>, title: &str, body: &str) -> HttpResponse {
    let status = if error.is_some() { StatusCode::PAYMENT_REQUIRED } else { StatusCode::OK };
    let error = error
        .map(|error| format!("<p id=\"error\" role=\"alert\">{}</p>", escape(error)))
        .unwrap_or_default();
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · local Stripe</title>\
             <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\
             <link rel=\"stylesheet\" href=\"/_fake/pages/assets/page.css\"></head>\
             <body><main><h1>{title}</h1>{error}{body}</main><footer>local Stripe: nothing real is charged</footer></body></html>"
        ))
}
