//! `GET /d/{code}`: where the links of digital goods lead.
//!
//! A link is `{public URL}/d/{code}.{signature}`. The signature, by the provider's secret, covers the code and the time
//! of its end: who guesses codes, or reads the table without the secrets, has no link. A good one is answered with a
//! redirect to the file, which is not to be kept.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use reqwest::Url;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::signature::Signer;
use super::store;
use crate::api::ApiError;
use crate::clock::Clock;
use crate::config::Secret;

/// Where this service is reached by whoever follows a link.
#[derive(Clone, Debug)]
pub struct Links {
    public_url: Url,
}

impl Links {
    /// Links to this address.
    pub fn new(public_url: Url) -> Self {
        Self { public_url }
    }

    /// A link; none where the secret is no secret.
    pub(super) fn link(
        &self,
        secret: &str,
        code: &str,
        expires_at: Option<OffsetDateTime>,
    ) -> Option<String> {
        let signer = Signer::new(&Secret::new(secret)).ok()?;
        let mut url = self.public_url.clone();
        let signature = signer.token(&signed_text(code, expires_at));
        url.path_segments_mut().ok()?.pop_if_empty().extend(["d", &format!("{code}.{signature}")]);
        Some(url.to_string())
    }
}

/// What the signature of a link covers. Seconds are as fine as a link's end is.
fn signed_text(code: &str, expires_at: Option<OffsetDateTime>) -> String {
    match expires_at {
        Some(at) => format!("{code}.{}", at.unix_timestamp()),
        None => format!("{code}."),
    }
}

/// A link as its row has it.
pub(super) struct LinkRow {
    pub url: String,
    pub secret: Option<String>,
    pub expires_at: Option<OffsetDateTime>,
    pub is_revoked: bool,
}

/// What to do for somebody with a link.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Lead(String),
    Unknown,
    Expired,
    Revoked,
}

fn answer(code: &str, signature: &str, row: Option<LinkRow>, now: OffsetDateTime) -> Answer {
    let Some(row) = row else {
        return Answer::Unknown;
    };
    let signer = row.secret.and_then(|secret| Signer::new(&Secret::new(&secret)).ok());
    let text = signed_text(code, row.expires_at);
    if !signer.is_some_and(|signer| signer.is_token(&text, signature)) {
        Answer::Unknown
    } else if row.is_revoked {
        Answer::Revoked
    } else if row.expires_at.is_some_and(|at| at <= now) {
        Answer::Expired
    } else {
        Answer::Lead(row.url)
    }
}

/// Leads whoever has a link to what was bought.
#[utoipa::path(
    get, path = "/d/{code}", tag = "browsers",
    params(("code" = String, Path, description = "The last part of a link, with its signature.")),
    responses(
        (status = 302, description = "Where the file is."),
        (status = 404, description = "The link is not whole, or never was.", content_type = "text/html", body = String),
        (status = 408, description = "The request came or was answered too slowly.", body = crate::api::ErrorBody),
        (status = 410, description = "The link is over or was taken back.", content_type = "text/html", body = String),
        (status = 503, description = "The database does not answer.", body = crate::api::ErrorBody),
    )
)]
pub(super) async fn follow_link(
    link: web::Path<String>,
    pool: web::Data<PgPool>,
    clock: web::Data<Clock>,
) -> Result<HttpResponse, ApiError> {
    let (code, signature) = link.split_once('.').unwrap_or((&link, ""));
    let is_code =
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let row = if is_code { store::find_link(&mut *pool.acquire().await?, code).await? } else { None };
    Ok(match answer(code, signature, row, clock.now()) {
        Answer::Lead(url) => unkept(StatusCode::FOUND).insert_header((header::LOCATION, url)).finish(),
        Answer::Unknown => page(
            StatusCode::NOT_FOUND,
            "This link does not work",
            "It is not complete, or was changed on its way. Open it again from the message that you got, or ask the \
             shop for a new one.",
        ),
        Answer::Expired => page(
            StatusCode::GONE,
            "This link is over",
            "It worked for a limited time. Ask the shop for a new one.",
        ),
        Answer::Revoked => page(
            StatusCode::GONE,
            "This link was taken back",
            "The purchase was refunded or called off. If that is not so, ask the shop.",
        ),
    })
}

/// An answer that nobody keeps, and that tells nobody where it came from.
fn unkept(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("x-robots-tag", "noindex"));
    response
}

fn page(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    unkept(status)
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>\n"
        ))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const END: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn row(expires_at: Option<OffsetDateTime>) -> Option<LinkRow> {
        let url = "https://files.example/book.pdf".to_owned();
        Some(LinkRow { url, secret: Some(SECRET.to_owned()), expires_at, is_revoked: false })
    }

    fn signature(expires_at: Option<OffsetDateTime>) -> String {
        let links = Links::new("https://shop.example/packline/".parse().unwrap());
        let link = links.link(SECRET, "ABC", expires_at).unwrap();
        let path = link.strip_prefix("https://shop.example/packline/d/ABC.").unwrap();
        path.to_owned()
    }

    #[test]
    fn a_link_leads_to_the_file_until_its_end() {
        let before = END - time::Duration::SECOND;
        let lead = Answer::Lead("https://files.example/book.pdf".to_owned());

        assert_eq!(answer("ABC", &signature(Some(END)), row(Some(END)), before), lead);
        assert_eq!(answer("ABC", &signature(Some(END)), row(Some(END)), END), Answer::Expired);
        assert_eq!(answer("ABC", &signature(None), row(None), END), lead);
        let revoked = row(None).map(|row| LinkRow { is_revoked: true, ..row });
        assert_eq!(answer("ABC", &signature(None), revoked, before), Answer::Revoked);
    }

    #[test]
    fn a_link_without_its_own_signature_is_none() {
        let mut changed = signature(Some(END));
        changed.pop();
        let without_secret = row(None).map(|row| LinkRow { secret: None, ..row });
        for (signature, row) in [
            (String::new(), row(Some(END))),
            (changed, row(Some(END))),
            (signature(None), row(Some(END))),
            (signature(Some(END)), row(None)),
            (signature(None), without_secret),
            (signature(None), None),
        ] {
            assert_eq!(answer("ABC", &signature, row, END), Answer::Unknown, "{signature}");
        }
    }
}
