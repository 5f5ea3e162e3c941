//! Where an order stands when its parts stand where they stand.

use crate::orders::FulfilmentStatus;

/// A fulfilment of an order, as far as the order's axis depends on it.
#[derive(Clone, Debug)]
pub(in super::super) struct Part {
    /// The value of `fulfilments.state`.
    pub state: String,
    /// Where it was before it was recalled, while a recall is due or under way.
    pub recalls_from: Option<String>,
    /// Whether any piece of it left.
    pub has_shipped: bool,
}

/// Folds the parts of an order. What a person must look at comes first, then what left, then what goes on.
pub(in super::super) fn axis(parts: &[Part]) -> FulfilmentStatus {
    let stands = |part: &Part| match (part.state.as_str(), part.recalls_from.as_deref()) {
        // Until a recall has succeeded the parcel counts as it did.
        ("recalling" | "in_progress", Some("fulfilled")) => "fulfilled".to_owned(),
        ("recalling", _) => "accepted".to_owned(),
        (state, _) => state.to_owned(),
    };
    let states: Vec<String> = parts.iter().map(stands).collect();
    let any = |wanted: &[&str]| states.iter().any(|state| wanted.contains(&state.as_str()));
    let is_open = any(&["queued", "in_progress", "accepted"]);

    if parts.is_empty() {
        FulfilmentStatus::None
    } else if any(&["rejected", "failed"]) {
        FulfilmentStatus::Failed
    } else if is_open && (any(&["fulfilled"]) || parts.iter().any(|part| part.has_shipped)) {
        FulfilmentStatus::PartiallyFulfilled
    } else if any(&["in_progress", "accepted"]) {
        FulfilmentStatus::InProgress
    } else if is_open {
        FulfilmentStatus::Queued
    } else if any(&["fulfilled"]) {
        FulfilmentStatus::Fulfilled
    } else {
        FulfilmentStatus::Cancelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(parts: &[&str]) -> FulfilmentStatus {
        let part = |text: &&str| {
            let (text, has_shipped) = text.strip_suffix('+').map_or((*text, false), |text| (text, true));
            let (state, from) =
                text.split_once('<').map_or((text, None), |(state, from)| (state, Some(from.to_owned())));
            Part { state: state.to_owned(), recalls_from: from, has_shipped }
        };
        axis(&parts.iter().map(part).collect::<Vec<_>>())
    }

    #[test]
    fn an_order_stands_where_its_parts_stand_together() {
        for (parts, expected) in [
            (&[][..], FulfilmentStatus::None),
            (&["queued"], FulfilmentStatus::Queued),
            (&["in_progress"], FulfilmentStatus::InProgress),
            (&["accepted"], FulfilmentStatus::InProgress),
            (&["accepted+"], FulfilmentStatus::PartiallyFulfilled),
            (&["queued+"], FulfilmentStatus::PartiallyFulfilled),
            (&["fulfilled"], FulfilmentStatus::Fulfilled),
            (&["cancelled"], FulfilmentStatus::Cancelled),
            (&["rejected"], FulfilmentStatus::Failed),
            (&["queued", "in_progress"], FulfilmentStatus::InProgress),
            (&["queued", "fulfilled"], FulfilmentStatus::PartiallyFulfilled),
            (&["fulfilled", "cancelled"], FulfilmentStatus::Fulfilled),
            (&["fulfilled", "failed"], FulfilmentStatus::Failed),
            (&["recalling<fulfilled"], FulfilmentStatus::Fulfilled),
            (&["in_progress<fulfilled"], FulfilmentStatus::Fulfilled),
            (&["recalling<accepted"], FulfilmentStatus::InProgress),
            (&["recalling<accepted", "cancelled"], FulfilmentStatus::InProgress),
        ] {
            assert_eq!(order(parts), expected, "{parts:?}");
        }
    }
}
