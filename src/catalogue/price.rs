//! Prices: what one of a product costs, once or each period.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::thing::{Making, metadata};
use crate::api::{Faults, FieldError, MOST_MONEY, Placed};
use crate::money::Currency;
use crate::stripe::params::{NewPrice, NewRecurring, RecurringInterval};

/// The body of `POST /v1/prices`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePrice {
    /// Our id of the product, or Stripe's, `prod_…`.
    pub product: String,
    /// Three-letter ISO code.
    #[schema(pattern = "^[A-Za-z]{3}$", example = "usd")]
    pub currency: String,
    /// What one costs, in minor units of the currency: 1500 is 15.00 USD and 1500 JPY.
    #[schema(minimum = 0)]
    pub unit_amount: i64,
    /// The merchant's name for what a line of this price sends; the product's where it is absent.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub sku: Option<String>,
    /// For people in the shop; customers do not see it.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub nickname: Option<String>,
    /// How often it is to be paid; once where it is absent.
    #[serde(default)]
    pub recurring: Option<Recurring>,
    /// The merchant's own notes, texts; Stripe keeps them too.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
}

/// How often a price is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recurring {
    /// What the period is counted in.
    pub interval: Interval,
    /// How many of them make a period, such as 2 for every two weeks; three years at most.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub interval_count: i32,
}

fn one() -> i32 {
    1
}

/// What a period is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl Interval {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// As the table and Stripe have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text)
    }

    /// How many make three years, the longest period that Stripe takes.
    fn most(self) -> i32 {
        match self {
            Self::Day => 1095,
            Self::Week => 156,
            Self::Month => 36,
            Self::Year => 3,
        }
    }

    fn param(self) -> RecurringInterval {
        match self {
            Self::Day => RecurringInterval::Day,
            Self::Week => RecurringInterval::Week,
            Self::Month => RecurringInterval::Month,
            Self::Year => RecurringInterval::Year,
        }
    }
}

/// A price that was made through Packline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Price {
    /// Ours.
    pub id: Uuid,
    /// `price_…`, once it is made.
    pub stripe_id: Option<String>,
    /// How far its making is.
    pub state: Making,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Our id of the product; none where that was made elsewhere.
    pub product_id: Option<Uuid>,
    /// `prod_…`
    pub product: String,
    /// What a line of this price sends: its own sku, else its product's.
    pub sku: Option<String>,
    /// For people in the shop.
    pub nickname: Option<String>,
    /// Lower case.
    pub currency: String,
    /// Minor units, for one.
    pub unit_amount: i64,
    /// How often it is to be paid; null for once.
    pub recurring: Option<Recurring>,
    /// The merchant's own notes.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed here.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Placed for Price {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}

impl CreatePrice {
    pub(super) fn check(&self) -> Result<Currency, Vec<FieldError>> {
        let mut faults = Faults::default();
        let currency = Currency::parse(&self.currency);
        if let Err(error) = &currency {
            faults.add("currency", error.to_string());
        }
        if !(0..=MOST_MONEY).contains(&self.unit_amount) {
            faults.add("unit_amount", format!("give minor units from 0 to {MOST_MONEY}"));
        }
        faults.text("sku", self.sku.as_deref(), 200);
        faults.text("nickname", self.nickname.as_deref(), 250);
        if let Some(recurring) = &self.recurring {
            let most = recurring.interval.most();
            if !(1..=most).contains(&recurring.interval_count) {
                let unit = recurring.interval.as_str();
                faults.add(
                    "recurring.interval_count",
                    format!("give 1 to {most} of a {unit}: three years at most"),
                );
            }
        }
        faults.metadata(&self.metadata);
        faults.finish(currency.ok())
    }

    /// For a product of Stripe's, with what its lines send.
    pub(super) fn params(&self, product: &str, currency: Currency, sku: Option<&str>) -> NewPrice {
        NewPrice {
            product: product.to_owned(),
            currency: currency.as_str().to_owned(),
            unit_amount: self.unit_amount,
            recurring: self.recurring.map(|recurring| NewRecurring {
                interval: recurring.interval.param(),
                interval_count: recurring.interval_count.into(),
            }),
            nickname: self.nickname.clone(),
            metadata: metadata(&self.metadata, sku),
        }
    }
}
