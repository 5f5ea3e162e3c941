//! Lists, page after page, as one stream.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::{Stream, stream};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Base, Client, Request};
use super::error::{CallError, Unknown, UnknownCause};
use super::form;

/// Stripe's most.
const PAGE: u8 = 100;

/// The objects of a list. It ends at the first error: what came before it is right, what would come after is unknown.
pub type Listing<'a, T> = Pin<Box<dyn Stream<Item = Result<T, CallError>> + Send + 'a>>;

/// The way through a list that Stripe keeps newest first.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// From the newest to the oldest.
    Back,
    /// From the one after this id to the newest.
    ForthFrom(String),
}

#[derive(Serialize)]
struct Query<'a, P> {
    #[serde(flatten)]
    filter: &'a P,
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_before: Option<&'a str>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Item {
    id: String,
}

/// What is known between two objects.
struct Position<P> {
    filter: P,
    way: Way,
    /// The last object of the last page.
    cursor: Option<String>,
    read: VecDeque<Box<RawValue>>,
    has_more: bool,
}

/// Walks through a list.
pub(super) fn list<'a, P, T>(
    client: &'a Client,
    path: &'a str,
    filter: P,
    way: Way,
    account: Option<&'a str>,
) -> Listing<'a, T>
where
    P: Serialize + Send + Sync + 'a,
    T: DeserializeOwned + 'a,
{
    let cursor = match &way {
        Way::Back => None,
        Way::ForthFrom(id) => Some(id.clone()),
    };
    let start = Position { filter, way, cursor, read: VecDeque::new(), has_more: true };
    Box::pin(stream::try_unfold(start, move |mut position| async move {
        while position.read.is_empty() {
            if !position.has_more {
                return Ok(None);
            }
            position.turn_page(client, path, account).await?;
        }
        let Some(next) = position.read.pop_front() else { return Ok(None) };
        let object =
            serde_json::from_str(next.get()).map_err(|_| strange("an object of the list cannot be read"))?;
        Ok(Some((object, position)))
    }))
}

impl<P: Serialize> Position<P> {
    async fn turn_page(
        &mut self,
        client: &Client,
        path: &str,
        account: Option<&str>,
    ) -> Result<(), CallError> {
        let cursor = self.cursor.as_deref();
        let (starting_after, ending_before) = match self.way {
            Way::Back => (cursor, None),
            Way::ForthFrom(_) => (None, cursor),
        };
        let query = Query { filter: &self.filter, limit: PAGE, starting_after, ending_before };
        let request = Request {
            method: Method::GET,
            base: Base::Api,
            path,
            id: None,
            form: form::encode(&query).map_err(|error| super::client::unsendable(error.to_string()))?,
            account,
            idempotency_key: None,
            is_repeatable: true,
            object: Some("list"),
        };
        let mut page: Page = client.send(&request).await?;
        if matches!(self.way, Way::ForthFrom(_)) {
            page.data.reverse();
        }
        let last = match page.data.last() {
            Some(last) => {
                let item: Item = serde_json::from_str(last.get())
                    .map_err(|_| strange("an object of the list has no id"))?;
                Some(item.id)
            }
            None => None,
        };
        // A list that says there is more but does not go on would be asked for ever.
        if page.has_more && (last.is_none() || last == self.cursor) {
            return Err(strange("the list says that it goes on, but does not"));
        }
        self.has_more = page.has_more;
        self.cursor = last.or_else(|| self.cursor.take());
        self.read = page.data.into();
        Ok(())
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
