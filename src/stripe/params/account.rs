//! What is sent about connected accounts.

use serde::{Deserialize, Serialize};

use super::NewMetadata;

/// `POST /v1/accounts`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewAccount {
    /// Who runs its dashboard.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub account_type: Option<AccountType>,
    /// Two-letter ISO code; the platform's if absent. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Of its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What its owner is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_type: Option<BusinessType>,
    /// What it shall be able to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<NewCapabilities>,
    /// The merchant's own.
    #[serde(skip_serializing_if = "NewMetadata::is_empty")]
    pub metadata: NewMetadata,
    /// References that are answered as whole objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// Who runs an account's dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountType {
    /// Stripe, in the platform's name.
    Express,
    /// The account's owner, with Stripe.
    Standard,
}

/// What an account's owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusinessType {
    /// A person.
    Individual,
    /// A company.
    Company,
    /// A charity.
    NonProfit,
    /// A public body; in the US.
    GovernmentEntity,
}

/// What an account shall be able to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCapabilities {
    /// Take cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_payments: Option<CapabilityRequest>,
    /// Take its part of payments that the platform takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfers: Option<CapabilityRequest>,
}

/// Whether something is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapabilityRequest {
    /// Whether it is.
    pub requested: bool,
}

/// `POST /v1/account_links`: an address where an account's owner tells Stripe what it asks. Opens once, within minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccountLink {
    /// `acct_…`
    pub account: String,
    /// For what.
    #[serde(rename = "type")]
    pub link_type: AccountLinkType,
    /// Where the owner is sent when the link is used up: it makes another.
    pub refresh_url: String,
    /// Where the owner comes back to, finished or not.
    pub return_url: String,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountLinkType {
    /// To tell what is missing.
    AccountOnboarding,
    /// To change what was told; not for Express accounts.
    AccountUpdate,
}
