//! Looking what became of a call whose key is too old to ask again. Looking changes nothing, so nothing is known by a
//! look that failed.

use futures_util::StreamExt;
use serde_json::{Value, json};
use time::Duration;

use super::call::StoredCall;
use super::state::KEYS_LAST;
use super::{Outcome, PACKLINE_ID};
use crate::stripe::{CallError, Client};

/// How far what a call made may lie outside of the time in which it was tried: Stripe's clock may be a little off ours.
const AROUND: Duration = Duration::hours(1);

/// Lists that cannot be asked for a time; they are walked from the newest back.
const WITHOUT_TIMES: [&str; 1] = ["/v1/quotes"];

/// Looks at the object that a call was to make or move.
pub(super) async fn look(client: &Client, call: &StoredCall) -> Result<Outcome, CallError> {
    let account = call.account.as_deref();
    if let Some(object) = call.object() {
        let expand = call.params.get("expand").map_or(json!({}), |expand| json!({ "expand": expand }));
        return Ok(Outcome::Seen(client.get_value(&object, &expand, account).await?));
    }
    let from = (call.opened_at - AROUND).unix_timestamp();
    let until = (call.opened_at + KEYS_LAST + AROUND).unix_timestamp();
    let has_times = !WITHOUT_TIMES.contains(&call.path.as_str());
    let mut filter = json!({});
    if has_times {
        filter["created"] = json!({ "gte": from, "lt": until });
    }
    if call.path == "/v1/subscriptions" {
        // Else those that ended are not told.
        filter["status"] = json!("all");
    }
    let subject = call.subject.to_string();
    let mut made = client.list_values(&call.path, filter, account);
    while let Some(object) = made.next().await {
        let object = object?;
        if object["metadata"][PACKLINE_ID] == subject.as_str() {
            return Ok(Outcome::Seen(object));
        }
        if object["created"].as_i64().is_some_and(|created| created < from) {
            break;
        }
    }
    let why = "Stripe never made it, and the request is too old to be made now; ask for it again";
    Ok(Outcome::NotDone { why: why.to_owned() })
}

/// What of an answer is noted with the call.
pub(super) fn id(object: &Value) -> Option<&str> {
    object["id"].as_str()
}
