//! Lists, a page at a time: newest first, each page with a cursor for the next.

use actix_web::{HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ApiError, Faults};

const DEFAULT_PAGE: i64 = 20;
const LARGEST_PAGE: i64 = 100;

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Paging {
    /// The last row of the page before: when it was made, and its id.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// Rows on the page.
    limit: i64,
}

impl Paging {
    /// Reads a query's `cursor` and `limit`; what is wrong with them is added to `faults`.
    pub fn read(cursor: Option<&str>, limit: Option<&str>, faults: &mut Faults) -> Self {
        let limit = limit.map_or(Ok(DEFAULT_PAGE), str::parse);
        let limit = limit.ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
        if limit.is_none() {
            faults.add("limit", format!("give 1 to {LARGEST_PAGE}"));
        }
        let after = cursor.map(read_cursor);
        if after == Some(None) {
            faults.add("cursor", "give the next_cursor of an earlier page");
        }
        Self { after: after.flatten(), limit: limit.unwrap_or(DEFAULT_PAGE) }
    }

    /// How many rows to look for: one more than are shown tells that there is a next page.
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// The page: loads what is shown of the rows that were found.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn show<T: Placed, E>(
        self,
        mut found: Vec<Uuid>,
        load: impl AsyncFnOnce(&[Uuid]) -> Result<Vec<T>, E>,
    ) -> Result<Page<T>, E> {
        let limit = usize::try_from(self.limit).unwrap_or_default();
        let has_more = found.len() > limit;
        found.truncate(limit);
        let data = load(&found).await?;
        let last = data.last().filter(|_| has_more).map(Placed::place);
        let next_cursor = last.map(|(created_at, id)| cursor(created_at, id));
        Ok(Page { data, next_cursor })
    }
}

/// A page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Give it as `cursor` for the next page; absent on the last one.
    pub next_cursor: Option<String>,
}

/// What has its place in a list.
pub trait Placed {
    /// When it was made, and its id.
    fn place(&self) -> (OffsetDateTime, Uuid);
}

fn cursor(created_at: OffsetDateTime, id: Uuid) -> String {
    let micros = created_at.unix_timestamp_nanos() / 1_000;
    URL_SAFE_NO_PAD.encode(format!("{micros}.{id}"))
}

fn read_cursor(text: &str) -> Option<(OffsetDateTime, Uuid)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (micros, id) = text.split_once('.')?;
    let nanos = micros.parse::<i128>().ok()?.checked_mul(1_000)?;
    Some((OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?, id.parse().ok()?))
}

/// Reads a request's query.
///
/// # Errors
/// 400 where it has a field that is not known, or one twice.
pub fn read_query<Q: DeserializeOwned>(request: &HttpRequest) -> Result<Q, ApiError> {
    let query = web::Query::from_query(request.query_string());
    query
        .map(web::Query::into_inner)
        .map_err(|error| ApiError::bad_request("bad_query", format!("the query cannot be read: {error}")))
}
