//! Which provider carries out which lines of an order. Pure.
//!
//! The rules are read from the top for each line: the first whose every given condition matches names the provider.
//! Lines with the same provider are one part of the order, which is one fulfilment with a key of its own.

use super::provider::DEFAULT_PROVIDER;

/// The turn of what no rule speaks of.
const USUAL_PRIORITY: i16 = 1;

/// One row of `fulfilment_rules`; a condition that is not given matches all.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// The sku, where `*` stands for any characters.
    pub sku: Option<String>,
    /// The two-letter code of the address.
    pub country: Option<String>,
    /// The connected account.
    pub account: Option<String>,
    pub provider: String,
    pub priority: i16,
}

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub(super) struct ToSplit {
    pub country: Option<String>,
    pub account: Option<String>,
    /// Position and sku of the goods, in order.
    pub lines: Vec<(i32, String)>,
    /// Whether it has lines that are no goods.
    pub has_adjustments: bool,
}

/// A part of an order, for one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewPart {
    pub provider: String,
    /// That of its most urgent line.
    pub priority: i16,
    /// The lines that it carries out.
    pub positions: Vec<i32>,
}

/// Splits an order: one part for each provider, in the order of their first lines. An order of which it is not known what
/// was bought is one part; one with adjustments only, of which nothing is to be sent, is none.
pub(super) fn split(order: &ToSplit, rules: &[Rule]) -> Vec<NewPart> {
    let mut parts: Vec<NewPart> = Vec::new();
    for (position, sku) in &order.lines {
        let (provider, priority) = choose(order, Some(sku), rules);
        match parts.iter_mut().find(|part| part.provider == provider) {
            Some(part) => {
                part.priority = part.priority.min(priority);
                part.positions.push(*position);
            }
            None => {
                parts.push(NewPart { provider: provider.to_owned(), priority, positions: vec![*position] })
            }
        }
    }
    if parts.is_empty() && !order.has_adjustments {
        let (provider, priority) = choose(order, None, rules);
        parts.push(NewPart { provider: provider.to_owned(), priority, positions: Vec::new() });
    }
    parts
}

fn choose<'r>(order: &ToSplit, sku: Option<&str>, rules: &'r [Rule]) -> (&'r str, i16) {
    let fits = |rule: &&Rule| {
        rule.sku.as_ref().is_none_or(|pattern| sku.is_some_and(|sku| matches(pattern, sku)))
            && rule.country.as_ref().is_none_or(|country| {
                order.country.as_ref().is_some_and(|given| given.eq_ignore_ascii_case(country))
            })
            && rule.account.as_ref().is_none_or(|account| order.account.as_ref() == Some(account))
    };
    rules
        .iter()
        .find(fits)
        .map_or((DEFAULT_PROVIDER, USUAL_PRIORITY), |rule| (rule.provider.as_str(), rule.priority))
}

/// Whether a text is what a pattern says, where `*` stands for any characters, none included.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or_default();
    // The leftmost place of each piece leaves the most for those that follow.
    for piece in pieces {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(sku: &str, country: &str, account: &str, provider: &str, priority: i16) -> Rule {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Rule {
            sku: given(sku),
            country: given(country),
            account: given(account),
            provider: provider.to_owned(),
            priority,
        }
    }

    fn order(country: &str, account: &str, skus: &[&str]) -> ToSplit {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let lines = (1..).zip(skus).map(|(position, sku)| (position, (*sku).to_owned())).collect();
        ToSplit { country: given(country), account: given(account), lines, has_adjustments: false }
    }

    fn parts(order: &ToSplit, rules: &[Rule]) -> Vec<(String, i16, Vec<i32>)> {
        split(order, rules).into_iter().map(|part| (part.provider, part.priority, part.positions)).collect()
    }

    #[test]
    fn without_rules_all_goes_to_the_default_in_one_part() {
        assert_eq!(parts(&order("DE", "", &["A", "B"]), &[]), [("default".to_owned(), 1, vec![1, 2])]);
        assert_eq!(parts(&order("", "", &[]), &[]), [("default".to_owned(), 1, vec![])]);
    }

    #[test]
    fn the_first_rule_whose_conditions_all_match_names_the_provider() {
        let rules = [
            rule("EBOOK-*", "", "", "digital", 0),
            rule("", "DE", "acct_1", "berlin", 2),
            rule("TEA-*", "GB", "", "leeds", 1),
            rule("", "DE", "", "hamburg", 1),
        ];

        for (country, account, sku, provider) in [
            ("DE", "acct_1", "EBOOK-7", "digital"),
            ("DE", "acct_1", "TEA-2", "berlin"),
            ("de", "acct_2", "TEA-2", "hamburg"),
            ("GB", "", "TEA-2", "leeds"),
            ("GB", "", "CUP", "default"),
            ("", "acct_1", "CUP", "default"),
        ] {
            assert_eq!(
                split(&order(country, account, &[sku]), &rules)[0].provider,
                provider,
                "{country} {sku}"
            );
        }
    }

    #[test]
    fn an_order_is_split_by_provider_in_the_order_of_its_lines_and_each_part_takes_its_most_urgent_turn() {
        let rules = [
            rule("EBOOK-*", "", "", "digital", 1),
            rule("FRESH-*", "", "", "default", 0),
            rule("SLOW-*", "", "", "default", 2),
        ];

        let split = parts(&order("", "", &["SLOW-1", "EBOOK-1", "FRESH-1", "EBOOK-2"]), &rules);

        assert_eq!(split, [("default".to_owned(), 0, vec![1, 3]), ("digital".to_owned(), 1, vec![2, 4])]);
    }

    #[test]
    fn an_order_of_adjustments_only_has_no_part() {
        let adjusted = |skus| ToSplit { has_adjustments: true, ..order("", "", skus) };

        assert_eq!(parts(&adjusted(&[]), &[]), []);
        assert_eq!(parts(&adjusted(&["A"]), &[]), [("default".to_owned(), 1, vec![1])]);
    }

    #[test]
    fn an_order_without_lines_heeds_the_rules_that_do_not_ask_for_a_sku() {
        let rules = [rule("*", "", "", "digital", 1), rule("", "GB", "", "leeds", 0)];

        assert_eq!(parts(&order("GB", "", &[]), &rules), [("leeds".to_owned(), 0, vec![])]);
        assert_eq!(parts(&order("FR", "", &[]), &rules), [("default".to_owned(), 1, vec![])]);
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("TEA", "TEA", true),
            ("TEA", "TEA-2", false),
            ("TEA-*", "TEA-", true),
            ("TEA-*", "TEA-2", true),
            ("*-EU", "TEA-EU", true),
            ("*-EU", "TEA-EU-2", false),
            ("T*A*2", "TEA-A2", true),
            ("T*A*2", "T2", false),
            ("AB*B", "AB", false),
            ("*", "", true),
            ("**", "ü", true),
            ("tea", "TEA", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
