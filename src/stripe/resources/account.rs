//! The connected account, and the ways to connect one.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Metadata, null_as_default};

/// A connected account.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// Whether it can take payments of its own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub charges_enabled: bool,
    /// Whether Stripe pays it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub payouts_enabled: bool,
    /// Whether its owner has told what was asked first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub details_submitted: bool,
    /// Such as `express`; none where the platform's settings stand in `controller`.
    #[serde(default, rename = "type")]
    pub account_type: Option<String>,
    /// Two-letter ISO code.
    #[serde(default)]
    pub country: Option<String>,
    /// Three letters, lower case.
    #[serde(default)]
    pub default_currency: Option<String>,
    /// `transfers` and others: `active`, `inactive` or `pending`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub capabilities: HashMap<String, String>,
    /// What Stripe still asks.
    #[serde(default, deserialize_with = "null_as_default")]
    pub requirements: Requirements,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

impl Account {
    /// Whether it can take its part of payments that the platform takes.
    pub fn takes_transfers(&self) -> bool {
        self.capabilities.get("transfers").is_some_and(|state| state == "active")
    }
}

/// What Stripe still asks of an account's owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// What is due now.
    #[serde(deserialize_with = "null_as_default")]
    pub currently_due: Vec<String>,
    /// What is overdue.
    #[serde(deserialize_with = "null_as_default")]
    pub past_due: Vec<String>,
    /// Why it is held, such as `requirements.past_due`.
    pub disabled_reason: Option<String>,
    /// Until when, Unix seconds.
    pub current_deadline: Option<i64>,
}

/// An address where an account's owner tells Stripe what it asks. Whoever has it can act for the owner: it is not
/// logged.
#[derive(Deserialize)]
pub struct AccountLink {
    /// Opens once.
    pub url: String,
    /// Unix seconds.
    pub expires_at: i64,
}

impl std::fmt::Debug for AccountLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountLink").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What OAuth granted or took. The tokens in the answer are not read: the account's id with our own key does the same.
#[derive(Clone, Debug, Deserialize)]
pub struct OAuthGrant {
    /// `acct_…`
    pub stripe_user_id: String,
    /// Live or test mode; absent when an account is disconnected.
    #[serde(default)]
    pub livemode: Option<bool>,
    /// Such as `express` or `read_write`.
    #[serde(default)]
    pub scope: Option<String>,
}
