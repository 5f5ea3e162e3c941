//! Files: passed on as they come, within bounds, and never taken for whole when they are not.

use futures_util::TryStreamExt;
use packline::stripe::{CallError, Client, UnknownCause};

use super::server::{Scripted, Step, error};

fn answer(head: &str, body: &[u8]) -> Step {
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {head}\r\n\r\n");
    Step::Bytes([head.as_bytes(), body].concat())
}

/// The file, or how it ended before it was whole.
async fn read(client: &Client) -> Result<Vec<u8>, String> {
    let file = client.quote_pdf("qt_1").await.map_err(|error| error.to_string())?;
    let chunks: Vec<_> = file.chunks.try_collect().await.map_err(|error| error.to_string())?;
    Ok(chunks.concat())
}

#[tokio::test]
async fn a_file_is_asked_for_with_our_key_at_the_host_of_files() {
    let (stripe, other) =
        (Scripted::start([answer("application/pdf", b"%PDF-1.4")]).await, Scripted::start([]).await);
    let mut config = other.config.clone();
    config.files_base = stripe.config.api_base.clone();
    let client = Client::new(&config).unwrap();

    assert_eq!(read(&client).await.unwrap(), b"%PDF-1.4");

    assert!(other.requests().is_empty());
    let asked = &stripe.requests()[0];
    assert_eq!(asked.line, "GET /v1/quotes/qt_1/pdf HTTP/1.1");
    assert_eq!(asked.header("authorization"), Some("Bearer sk_test_scripted"));
    assert!(asked.header("stripe-version").is_some());
}

#[tokio::test]
async fn what_is_no_pdf_or_too_large_is_not_passed_on() {
    for (step, words) in [
        (answer("text/html", b"<p>Hello"), "no PDF"),
        (answer("application/pdf\r\ncontent-length: 99999999", b"%PDF-1.4"), "larger than any"),
    ] {
        let stripe = Scripted::start([step]).await;
        let error = read(&stripe.client()).await.unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    // One that does not say how large it is ends where it is too large.
    let stripe = Scripted::start([answer("application/pdf", &vec![b'%'; 33 * 1024 * 1024])]).await;
    assert_eq!(read(&stripe.client()).await.unwrap_err(), "the file is too large");
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_taken_for_whole() {
    let stripe = Scripted::start([answer("application/pdf\r\ncontent-length: 4096", b"%PDF-1.4")]).await;

    assert_eq!(read(&stripe.client()).await.unwrap_err(), "the file broke off");
}

#[tokio::test]
async fn failures_are_asked_again_and_refusals_are_not() {
    let pdf = || answer("application/pdf", b"%PDF-1.4");
    let stripe = Scripted::start([error(500, "api_error", None), Step::Reset, pdf()]).await;
    assert!(read(&stripe.client()).await.is_ok());

    let stripe =
        Scripted::start([error(404, "invalid_request_error", Some("resource_missing")), pdf()]).await;
    assert!(matches!(stripe.client().quote_pdf("qt_1").await, Err(CallError::Refused(_))));
    assert_eq!(stripe.requests().len(), 1);

    let stripe = Scripted::start([error(500, "api_error", None)]).await;
    let Err(CallError::Unknown(unknown)) = stripe.client().quote_pdf("qt_1").await else { panic!() };
    assert_eq!((unknown.cause, unknown.attempts), (UnknownCause::ServerError, 3));
    assert!(stripe.client().quote_pdf("../qt_1").await.is_err());
}
