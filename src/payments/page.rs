//! `GET /checkout/{order}?token=`: the page that pays for one order, and the rules that a browser holds it to.
//!
//! The page is the same for every order and knows none: it asks for the order's state with the token from its own
//! address. It moves the token from there into the tab's own storage before it loads anything, since Stripe.js tells
//! Stripe the address of the page, and banks get it as the way back. The page sends no referrer, and may load and call
//! only this service and Stripe.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use reqwest::Url;

use super::Payments;
use crate::api::{ErrorBody, only};
use crate::config::StripeConfig;

const PAGE: &str = include_str!("page/checkout.html");
const SCRIPT: &str = include_str!("page/checkout.js");
const STYLE: &str = include_str!("page/checkout.css");

/// Its looks come from here, it sends no form, and nobody frames it. Stripe's pictures are inside of Stripe's frames.
const LOOKS: &str =
    "style-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// Where there is no Stripe, the page only says so.
const WITHOUT_STRIPE: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
     img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What the page may load and call, as a Content-Security-Policy.
#[derive(Clone, Debug)]
pub(super) struct PagePolicy(HeaderValue);

impl PagePolicy {
    /// The policy for a Stripe. Stripe's own hosts are those that its security guide lists for Stripe.js, less
    /// `maps.googleapis.com`, which only its address form loads; another Stripe is all at one origin.
    pub(super) fn new(stripe: &StripeConfig) -> Self {
        let api = origin(&stripe.api_base);
        let is_stripe = stripe.js_url.host_str() == Some("js.stripe.com");
        let (scripts, frames) = if is_stripe {
            let js = "https://js.stripe.com https://*.js.stripe.com";
            (js.to_owned(), format!("{js} https://hooks.stripe.com"))
        } else {
            let local = origin(&stripe.js_url);
            (local.clone(), local)
        };
        let policy = format!(
            "default-src 'none'; script-src 'self' {scripts}; frame-src {frames}; connect-src 'self' {api}; {LOOKS}"
        );
        Self(HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")))
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Adds the page and what it loads to a service.
pub(super) fn configure(service: &mut web::ServiceConfig) {
    let script = web::resource("/checkout/assets/checkout.js").get(script);
    let style = web::resource("/checkout/assets/checkout.css").get(style);
    let page = web::resource("/checkout/{name}").get(page);
    service
        .service(script.default_service(only("GET")))
        .service(style.default_service(only("GET")))
        .service(page.default_service(only("GET")));
}

/// The page that pays for an order.
#[utoipa::path(
    get, path = "/checkout/{name}", tag = "browsers",
    params(
        ("name" = String, Path, description = "The order's id or number."),
        ("token" = Option<String>, Query, description = "A checkout token of the order; the page's script reads it."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 408, description = "The request came too slowly.", body = ErrorBody<'static>),
        (status = 503, description = "The page, which says that no payments are taken: Packline has no key for Stripe.", body = String, content_type = "text/html"),
    )
)]
pub(super) async fn page(payments: web::Data<Payments>) -> HttpResponse {
    let (status, policy) = match payments.stripe() {
        Ok(stripe) => (StatusCode::OK, stripe.policy.0.clone()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, HeaderValue::from_static(WITHOUT_STRIPE)),
    };
    plain("text/html", HttpResponse::build(status))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .body(PAGE)
}

/// What the page does.
#[utoipa::path(
    get, path = "/checkout/assets/checkout.js", tag = "browsers",
    responses((status = 200, description = "The page's script.", body = String, content_type = "text/javascript"))
)]
pub(super) async fn script() -> HttpResponse {
    asset("text/javascript", SCRIPT)
}

/// How the page looks.
#[utoipa::path(
    get, path = "/checkout/assets/checkout.css", tag = "browsers",
    responses((status = 200, description = "The page's style.", body = String, content_type = "text/css"))
)]
pub(super) async fn style() -> HttpResponse {
    asset("text/css", STYLE)
}

fn asset(kind: &str, text: &'static str) -> HttpResponse {
    plain(kind, HttpResponse::Ok()).insert_header((header::CACHE_CONTROL, "max-age=300")).body(text)
}

fn plain(kind: &str, mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_TYPE, format!("{kind}; charset=utf-8")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}
