//! The stand-in for Stripe.js that pages load from the local Stripe instead of `https://js.stripe.com/v3/`.
//!
//! It takes cards in the page, asks in a dialog where 3-D Secure asks, and calls this server's API with the publishable
//! key and the client secret. A page's content security policy must let it load scripts from here and connect here.

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};

/// One script of parts that see each other and of which the page sees only `Stripe`.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\nif (window.Stripe) return;\n\n",
    include_str!("page.js"),
    include_str!("card_fields.js"),
    include_str!("elements.js"),
    include_str!("three_d_secure.js"),
    include_str!("api.js"),
    "})();\n",
);

/// Registers the routes.
pub(super) fn configure(routes: &mut ServiceConfig) {
    routes.route("/v3", web::get().to(script)).route("/v3/", web::get().to(script));
}

async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .body(SCRIPT)
}
