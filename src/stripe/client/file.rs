//! Files: from a host of their own, as a stream, never whole in memory.

use std::io;
use std::pin::Pin;
use std::time::Instant;

use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::{Method, Response};
use serde_json::Value;

use super::retry::{self, Meaning};
use super::{Base, Client, Request, answer, log, our_limit, unsendable};
use crate::stripe::error::{CallError, Unknown, UnknownCause};

/// The largest file that is passed on, in bytes.
const MOST: u64 = 32 * 1024 * 1024;

/// The rest of a file, as it comes. An error is its end: what came before is not whole.
pub type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

/// A file that begins to arrive.
pub struct FileStream {
    /// In bytes, where the host says it.
    pub length: Option<u64>,
    /// What it holds.
    pub chunks: Chunks,
}

impl Client {
    /// The PDF of a quote that is finalised. The whole of it arrives within the time of one attempt, or breaks off.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn quote_pdf(&self, id: &str) -> Result<FileStream, CallError> {
        let request = Request {
            method: Method::GET,
            base: Base::Files,
            path: "/v1/quotes/{}/pdf",
            id: Some(id),
            form: String::new(),
            account: None,
            idempotency_key: None,
            is_repeatable: true,
            object: None,
        };
        let response = self.open(&request).await?;
        let is_pdf = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/pdf")));
        if !is_pdf {
            return Err(strange("what the host of files answered is no PDF"));
        }
        let length = response.content_length();
        if length.is_some_and(|length| length > MOST) {
            return Err(strange("the file is larger than any that is passed on"));
        }
        Ok(FileStream { length, chunks: chunks(response) })
    }

    /// Asks for a file: as many attempts as the setbacks are worth, until it begins to arrive.
    async fn open(&self, request: &Request<'_>) -> Result<Response, CallError> {
        let prepared = self.prepare(request)?;
        let patience = &self.0.patience;
        let mut attempt = 1;
        loop {
            if !self.is_let_through().await {
                return Err(our_limit(attempt - 1));
            }
            let Some(attempted) = prepared.try_clone() else {
                return Err(unsendable("the request cannot be sent twice".to_owned()));
            };
            let started = Instant::now();
            let sent = match attempted.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                sent => sent,
            };
            let answer = answer::receive(sent).await;
            log(request, attempt, started.elapsed(), &answer);
            let Err(failed) = answer::read::<Value>(answer, None) else {
                return Err(strange("an answer that is none"));
            };
            let setback = failed.setback();
            if attempt >= patience.attempts || !setback.is_retried(request.is_repeatable) {
                return Err(match setback.meaning() {
                    Meaning::Refused => failed.into_refused(),
                    Meaning::NotDone => failed.into_not_done(attempt),
                    Meaning::Unknown => CallError::Unknown(failed.into_unknown(attempt)),
                });
            }
            tokio::time::sleep(retry::delay(patience, attempt, rand::random())).await;
            attempt += 1;
        }
    }
}

fn strange(why: &str) -> CallError {
    CallError::Unknown(Unknown {
        cause: UnknownCause::Garbage,
        why: why.to_owned(),
        request_id: None,
        attempts: 1,
    })
}

/// What arrives, up to the most that is passed on.
fn chunks(response: Response) -> Chunks {
    let mut left = MOST;
    let chunks = stream::unfold(Some(response), |response| async {
        let mut response = response?;
        match response.chunk().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(response))),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a file of Stripe's broke off");
                Some((Err(io::Error::other("the file broke off")), None))
            }
        }
    });
    Box::pin(chunks.map(move |chunk| {
        let chunk = chunk?;
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        left = left.checked_sub(size).ok_or_else(|| io::Error::other("the file is too large"))?;
        Ok(chunk)
    }))
}
