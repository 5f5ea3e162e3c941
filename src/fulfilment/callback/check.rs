//! Whether a call-back can be right, and if not, what to mend. Pure.

use super::super::fulfilment::PartLine;
use super::super::progress::{DIGEST, EventKind, Pieces};
use super::{CallBack, CallBackLine};
use crate::api::FieldError;

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 600;
/// The longest address, in characters.
const LONGEST_URL: usize = 2_000;
/// The most pieces of a line.
const MOST_PIECES: i64 = 1_000_000_000;
/// The most lines.
const MOST_LINES: usize = 1_000;

/// Which round a key is of: the present one, where none is given. Keys are `ful_…` for the first round, `ful_…_2` for
/// the second.
pub(super) fn round(present_key: &str, present: i32, given: Option<&str>) -> Result<i32, FieldError> {
    let Some(given) = given.filter(|given| *given != present_key) else {
        return Ok(present);
    };
    let first = match present {
        1 => present_key,
        _ => present_key.strip_suffix(&format!("_{present}")).unwrap_or(present_key),
    };
    let named = given.strip_prefix(first).and_then(|rest| match rest {
        "" => Some(1),
        rest => rest.strip_prefix('_')?.parse().ok().filter(|round| (2..present).contains(round)),
    });
    named.ok_or_else(|| {
        let message =
            format!("this fulfilment was handed over with {present_key:?}; give that key, or leave it out");
        FieldError::new("idempotency_key", message)
    })
}

/// Returns the round that it is about and its pieces by position; none means all.
pub(super) fn check(
    said: &CallBack,
    round: Result<i32, FieldError>,
    lines: &[PartLine],
) -> Result<(i32, Option<Pieces>), Vec<FieldError>> {
    let mut faults = Vec::new();
    let names = [("id", &said.id), ("shipment", &said.shipment), ("reference", &said.reference)];
    for (field, value) in names {
        check_text(field, value.as_deref(), LONGEST_NAME, &mut faults);
    }
    check_text("reason", said.reason.as_deref(), LONGEST_REASON, &mut faults);
    if said.id.as_ref().is_some_and(|id| id.starts_with(DIGEST)) {
        faults.push(FieldError::new("id", format!("must not begin with {DIGEST}; give your own id")));
    }
    if let Some(tracking) = &said.tracking {
        check_text("tracking.carrier", tracking.carrier.as_deref(), LONGEST_NAME, &mut faults);
        check_text("tracking.number", tracking.number.as_deref(), LONGEST_NAME, &mut faults);
        check_text("tracking.url", tracking.url.as_deref(), LONGEST_URL, &mut faults);
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if tracking.url.as_deref().is_some_and(|url| !is_web(url)) {
            faults.push(FieldError::new("tracking.url", "give an address that begins with https://"));
        }
    }
    if said.occurred_at.is_some_and(|at| !(1970..=2999).contains(&at.year())) {
        faults.push(FieldError::new(
            "occurred_at",
            "give the time when it happened, such as 2026-01-31T12:00:00Z",
        ));
    }
    if matches!(said.kind, EventKind::Accepted | EventKind::Failed) {
        let kind = said.kind.as_str();
        for (field, is_given) in [("lines", said.lines.is_some()), ("shipment", said.shipment.is_some())] {
            if is_given {
                let message = format!("{kind} is about all of the fulfilment; leave it out");
                faults.push(FieldError::new(field, message));
            }
        }
    }
    let pieces = said.lines.as_ref().and_then(|given| check_lines(given, lines, &mut faults));
    match round {
        Ok(round) if faults.is_empty() => Ok((round, pieces)),
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

fn check_text(field: &str, value: Option<&str>, longest: usize, faults: &mut Vec<FieldError>) {
    let is_good = |text: &str| {
        !text.trim().is_empty()
            && text.chars().count() <= longest
            && !text.contains(|c: char| c.is_control() && c != '\n')
    };
    if value.is_some_and(|text| !is_good(text)) {
        let message = format!("give 1 to {longest} characters without control characters, or leave it out");
        faults.push(FieldError::new(field, message));
    }
}

fn check_lines(given: &[CallBackLine], lines: &[PartLine], faults: &mut Vec<FieldError>) -> Option<Pieces> {
    let before = faults.len();
    if given.is_empty() || given.len() > MOST_LINES {
        let message = format!("give 1 to {MOST_LINES} lines, or leave it out, which means all");
        faults.push(FieldError::new("lines", message));
    }
    let mut pieces = Pieces::new();
    for (at, line) in given.iter().enumerate().take(MOST_LINES) {
        if !(1..=MOST_PIECES).contains(&line.quantity) {
            let message = format!("give 1 to {MOST_PIECES} pieces");
            faults.push(FieldError::new(format!("lines[{at}].quantity"), message));
        }
        match position(line, lines) {
            Ok(position) => {
                let known = pieces.entry(position).or_default();
                *known = i64::saturating_add(*known, line.quantity);
            }
            Err((field, message)) => faults.push(FieldError::new(format!("lines[{at}]{field}"), message)),
        }
    }
    (faults.len() == before).then_some(pieces)
}

/// The position of the one line that is meant.
fn position(given: &CallBackLine, lines: &[PartLine]) -> Result<i32, (&'static str, String)> {
    let all = || {
        let all: Vec<String> = lines.iter().map(|line| format!("{} ({})", line.position, line.sku)).collect();
        if all.is_empty() { "none: leave lines out".to_owned() } else { all.join(", ") }
    };
    let fits = |line: &&PartLine| {
        given.position.is_none_or(|position| position == line.position)
            && given.sku.as_ref().is_none_or(|sku| *sku == line.sku)
    };
    let mut fitting = lines.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        _ if given.position.is_none() && given.sku.is_none() => Err((
            "",
            format!("give the position or the sku of a line; those of this fulfilment are {}", all()),
        )),
        (Some(line), None) => Ok(line.position),
        (Some(_), Some(_)) => Err((".sku", format!("several lines have it; give the position: {}", all()))),
        (None, _) => {
            let field = if given.position.is_some() { ".position" } else { ".sku" };
            Err((field, format!("this fulfilment has no such line; its lines are {}", all())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_the_round_that_it_was_of() {
        for (key, present, given, expected) in [
            ("ful_a", 1, None, Some(1)),
            ("ful_a", 1, Some("ful_a"), Some(1)),
            ("ful_a_3", 3, None, Some(3)),
            ("ful_a_3", 3, Some("ful_a_3"), Some(3)),
            ("ful_a_3", 3, Some("ful_a_2"), Some(2)),
            ("ful_a_3", 3, Some("ful_a"), Some(1)),
            ("ful_a_3", 3, Some("ful_a_4"), None),
            ("ful_a_3", 3, Some("ful_a_1"), None),
            ("ful_a", 1, Some("ful_b"), None),
            ("ful_a", 1, Some(""), None),
        ] {
            assert_eq!(round(key, present, given).ok(), expected, "{given:?} of {key}");
        }
    }
}
