//! What the CLI sends.

use serde::Deserialize;

/// A frame of the CLI.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientFrame {
    /// It has an event, whether or not it forwards it.
    EventAck {
        /// `wh_…`
        webhook_id: String,
    },
    /// Its endpoint answered.
    WebhookResponse {
        /// `wh_…`
        webhook_id: String,
        /// The status that was answered.
        status: u16,
    },
    /// Something else.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::ClientFrame;

    #[test]
    fn frames_are_read_and_unknown_ones_let_pass() {
        for (text, frame) in [
            (
                r#"{"type":"event_ack","webhook_conversation_id":"wc_1","event_id":"evt_1","webhook_id":"wh_1"}"#,
                ClientFrame::EventAck { webhook_id: "wh_1".to_owned() },
            ),
            (
                r#"{"type":"webhook_response","status":200,"body":"","webhook_id":"wh_2","forward_url":"http://127.0.0.1/"}"#,
                ClientFrame::WebhookResponse { webhook_id: "wh_2".to_owned(), status: 200 },
            ),
            (r#"{"type":"of_tomorrow","x":1}"#, ClientFrame::Other),
        ] {
            assert_eq!(serde_json::from_str::<ClientFrame>(text).unwrap(), frame);
        }
    }
}
