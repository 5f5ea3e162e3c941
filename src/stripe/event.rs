//! The event around an object: what the inbox needs to file it, and the object itself for those who apply it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Stripe's ids are far shorter; this bounds what a signed but strange body can put into the ledger.
const LONGEST_NAME: usize = 255;
/// Times before 1970 or after 2999 are no times of Stripe's; Postgres and sums of times have their bounds further out.
const LATEST_TIME: i64 = 32_503_680_000;

/// The face of an event, read without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `evt_…`
    pub id: String,
    /// Such as `payment_intent.succeeded`.
    pub event_type: String,
    /// `data.object.id`, or the related object of a thin event.
    pub object_id: Option<String>,
    /// The connected account of a Connect event.
    pub account: Option<String>,
    /// In whose shape the object is; for people only.
    pub api_version: Option<String>,
    /// Live or test mode.
    pub livemode: bool,
    /// Stripe's time, whole seconds.
    pub created_at: Option<OffsetDateTime>,
    /// A thin event (API v2) carries no object.
    pub is_thin: bool,
}

/// A body that was signed but is no event.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, or not the JSON of an event.
    #[error("the body is not the JSON of a Stripe event: {0}")]
    Json(#[from] serde_json::Error),
    /// `id` or `type` is not a name.
    #[error("the event's {0} is not a name of 1 to {LONGEST_NAME} visible ASCII characters")]
    Name(&'static str),
}

#[derive(Deserialize)]
struct Wire<'b> {
    #[serde(borrow)]
    id: Cow<'b, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'b, str>,
    #[serde(default, deserialize_with = "lenient")]
    object: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    account: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    context: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    api_version: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    livemode: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    created: Option<Created>,
    #[serde(borrow, default)]
    data: Option<&'b RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    related_object: Option<WireObject>,
}

/// Reads a field that filing does not depend on: what is not of its type counts as absent, so that nothing that Stripe
/// changes about it makes us refuse an event.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Field<T> {
        Read(T),
        Other(IgnoredAny),
    }
    Ok(match Field::deserialize(deserializer)? {
        Field::Read(value) => Some(value),
        Field::Other(_) => None,
    })
}

#[derive(Deserialize)]
struct WireData {
    #[serde(default, deserialize_with = "lenient")]
    object: Option<WireObject>,
}

#[derive(Deserialize)]
struct WireObject {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
}

/// Unix seconds, or an RFC 3339 text in thin events.
#[derive(Deserialize)]
#[serde(untagged)]
enum Created {
    Unix(i64),
    Text(String),
}

impl Created {
    fn time(self) -> Option<OffsetDateTime> {
        let time = match self {
            Self::Unix(seconds) => OffsetDateTime::from_unix_timestamp(seconds).ok(),
            Self::Text(text) => OffsetDateTime::parse(&text, &Rfc3339).ok(),
        };
        time.filter(|time| (0..=LATEST_TIME).contains(&time.unix_timestamp()))
    }
}

impl Envelope {
    /// Reads the face of an event.
    ///
    /// # Errors
    /// The body is no event: see [`Malformed`].
    pub fn read(body: &str) -> Result<Self, Malformed> {
        let wire: Wire<'_> = serde_json::from_str(body)?;
        let name = |text: Cow<'_, str>, field| {
            Some(text.into_owned()).filter(|text| is_name(text)).ok_or(Malformed::Name(field))
        };
        let is_thin = wire.object.as_deref() == Some("v2.core.event");
        let data: Option<WireData> = wire.data.and_then(|data| serde_json::from_str(data.get()).ok());
        let object = data.and_then(|data| data.object).or(wire.related_object);
        Ok(Self {
            id: name(wire.id, "id")?,
            event_type: name(wire.event_type, "type")?,
            object_id: object.and_then(|object| object.id).filter(|id| is_name(id)),
            account: wire.account.or(wire.context.filter(|_| is_thin)).filter(|id| is_name(id)),
            api_version: wire.api_version.filter(|version| is_name(version)),
            livemode: wire.livemode.unwrap_or_default(),
            created_at: wire.created.and_then(Created::time),
            is_thin,
        })
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An event as it was filed, with its body still unread.
#[derive(Debug)]
pub struct Event<'b> {
    /// `evt_…`
    pub id: &'b str,
    /// Such as `payment_intent.succeeded`.
    pub event_type: &'b str,
    /// The connected account of a Connect event.
    pub account: Option<&'b str>,
    /// Stripe's time, whole seconds.
    pub created_at: Option<OffsetDateTime>,
    /// The bytes that Stripe signed.
    pub body: &'b str,
}

#[derive(Deserialize)]
struct WithObject<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

#[derive(Deserialize)]
struct WithObjectAndRequest<T> {
    data: Data<T>,
    /// Before 2017-05-25 a text, which names no key.
    #[serde(default, deserialize_with = "lenient")]
    request: Option<WireRequest>,
}

#[derive(Deserialize)]
struct WireRequest {
    #[serde(default, deserialize_with = "lenient")]
    idempotency_key: Option<String>,
}

impl<'b> Event<'b> {
    /// Reads the object, in one pass over the whole body.
    ///
    /// # Errors
    /// There is none, or it is not of the shape that the event's type promises.
    pub fn object<T: Deserialize<'b>>(&self) -> Result<T, serde_json::Error> {
        Ok(serde_json::from_str::<WithObject<T>>(self.body)?.data.object)
    }

    /// The same, with the idempotency key of the call that caused the event, where a call did and Stripe tells.
    ///
    /// # Errors
    /// As [`Self::object`]'s.
    pub fn object_and_key<T: Deserialize<'b>>(&self) -> Result<(T, Option<String>), serde_json::Error> {
        let read: WithObjectAndRequest<T> = serde_json::from_str(self.body)?;
        Ok((read.data.object, read.request.and_then(|request| request.idempotency_key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_of_a_snapshot_event_is_read() {
        let body = r#"{"id":"evt_1","object":"event","api_version":"2020-08-27","created":1648320033,
            "data":{"object":{"id":"pi_1","object":"payment_intent"}},"livemode":true,"pending_webhooks":1,
            "request":"req_1","type":"payment_intent.succeeded","account":"acct_1"}"#;

        let envelope = Envelope::read(body).unwrap();

        assert_eq!(envelope.id, "evt_1");
        assert_eq!(envelope.event_type, "payment_intent.succeeded");
        assert_eq!(envelope.object_id.as_deref(), Some("pi_1"));
        assert_eq!(envelope.account.as_deref(), Some("acct_1"));
        assert_eq!(envelope.created_at.unwrap().unix_timestamp(), 1_648_320_033);
        assert!(envelope.livemode && !envelope.is_thin);
    }

    #[test]
    fn a_thin_event_is_told_apart() {
        let body = r#"{"id":"evt_test_65","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",
            "livemode":false,"created":"2026-01-01T00:00:00.000Z","context":"acct_1",
            "related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/billing/meters/mtr_1"}}"#;

        let envelope = Envelope::read(body).unwrap();

        assert!(envelope.is_thin);
        assert_eq!(envelope.object_id.as_deref(), Some("mtr_1"));
        assert_eq!(envelope.created_at.unwrap().unix_timestamp(), 1_767_225_600);
    }

    #[test]
    fn only_id_and_type_must_be_there() {
        let envelope = Envelope::read(r#"{"id":"evt_1","type":"x","api_version":null,"data":{}}"#).unwrap();

        assert_eq!((envelope.object_id, envelope.livemode), (None, false));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in ["", "null", "[]", "{}", r#"{"id":"evt_1"}"#, r#"{"id":7,"type":"x"}"#, "\u{feff}{}"] {
            assert!(matches!(Envelope::read(body), Err(Malformed::Json(_))), "{body}");
        }
        for body in
            [r#"{"id":"","type":"x"}"#, r#"{"id":"evt\u0000","type":"x"}"#, r#"{"id":"é","type":"x"}"#]
        {
            assert!(matches!(Envelope::read(body), Err(Malformed::Name("id"))), "{body}");
        }
        assert!(matches!(Envelope::read(r#"{"id":"evt_1","type":"a b"}"#), Err(Malformed::Name("type"))));
    }
}
