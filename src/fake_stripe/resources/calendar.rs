//! Periods: so many days, weeks, months or years on, reckoned from an anchor so that the 31st stays the 31st.

use time::{Date, Month, OffsetDateTime};

/// Seconds.
pub(super) const HOUR: i64 = 60 * 60;
/// Seconds.
pub(super) const DAY: i64 = 24 * HOUR;

/// The anchor and so many intervals; a day that a month lacks is its last one.
pub(super) fn after(anchor: i64, interval: &str, count: i64, times: i64) -> i64 {
    let number = count * times;
    match interval {
        "day" => anchor + number * DAY,
        "week" => anchor + number * 7 * DAY,
        "year" => add_months(anchor, number * 12),
        _ => add_months(anchor, number),
    }
}

/// The first boundary of the periods of this anchor that lies after a time.
pub(super) fn next(anchor: i64, interval: &str, count: i64, now: i64) -> i64 {
    let shortest = match interval {
        "day" => DAY,
        "week" => 7 * DAY,
        "year" => 366 * DAY,
        _ => 31 * DAY,
    };
    let mut times = ((now - anchor) / (shortest * count)).max(0);
    loop {
        let at = after(anchor, interval, count, times);
        if at > now {
            return at;
        }
        times += 1;
    }
}

fn add_months(at: i64, months: i64) -> i64 {
    let start = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let counted = i64::from(start.year()) * 12 + i64::from(u8::from(start.month())) - 1 + months;
    let year = i32::try_from(counted.div_euclid(12)).unwrap_or(start.year());
    let month = u8::try_from(counted.rem_euclid(12) + 1)
        .ok()
        .and_then(|month| Month::try_from(month).ok())
        .unwrap_or(Month::January);
    let day = start.day().min(month.length(year));
    match Date::from_calendar_date(year, month, day) {
        Ok(date) => start.replace_date(date).unix_timestamp(),
        Err(_) => at,
    }
}

/// As invoices have it: `22 Nov 2026`.
pub(in crate::fake_stripe) fn day(at: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = date.month().to_string();
    format!("{} {} {}", date.day(), month.get(..3).unwrap_or(&month), date.year())
}

const NO_DECIMALS: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const THREE_DECIMALS: &str = "bhd jod kwd omr tnd";

/// An amount for people: `$1,500.00`, `1,500 JPY`.
pub(in crate::fake_stripe) fn money(amount: i64, currency: &str) -> String {
    let is_of = |list: &str| list.split(' ').any(|known| known == currency);
    let decimals = match currency {
        _ if is_of(NO_DECIMALS) => 0,
        _ if is_of(THREE_DECIMALS) => 3,
        _ => 2,
    };
    let unit = 10_u64.pow(decimals);
    let (sign, size) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    let number = match decimals {
        0 => grouped(size),
        _ => format!("{}.{:0width$}", grouped(size / unit), size % unit, width = decimals as usize),
    };
    match currency {
        "usd" => format!("{sign}${number}"),
        other => format!("{sign}{number} {}", other.to_uppercase()),
    }
}

/// A number with a comma between each three digits.
fn grouped(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    format!("{},{:03}", grouped(number / 1000), number % 1000)
}

#[cfg(test)]
mod tests {
    use super::{after, day, money, next};

    /// 31 January 2027, 10:00.
    const ANCHOR: i64 = 1_801_389_600;

    #[test]
    fn a_month_without_the_day_ends_on_its_last_and_the_day_comes_back() {
        let days: Vec<String> = (0..4).map(|times| day(after(ANCHOR, "month", 1, times))).collect();

        assert_eq!(days, ["31 Jan 2027", "28 Feb 2027", "31 Mar 2027", "30 Apr 2027"]);
        assert_eq!(day(after(ANCHOR, "year", 1, 1)), "31 Jan 2028");
    }

    #[test]
    fn the_next_boundary_lies_after_the_time() {
        for (interval, count) in [("day", 1), ("week", 2), ("month", 1), ("month", 3), ("year", 1)] {
            for times in 0..5 {
                let at = after(ANCHOR, interval, count, times);
                let following = after(ANCHOR, interval, count, times + 1);
                assert_eq!(next(ANCHOR, interval, count, at), following, "{interval} {count} {times}");
                assert_eq!(next(ANCHOR, interval, count, following - 1), following);
            }
        }
    }

    #[test]
    fn amounts_are_written_in_the_units_of_their_currency() {
        for (amount, currency, text) in [
            (1500, "usd", "$15.00"),
            (-5, "usd", "-$0.05"),
            (99_999, "usd", "$999.99"),
            (123_456_700, "usd", "$1,234,567.00"),
            (1500, "jpy", "1,500 JPY"),
            (1_000_004, "jpy", "1,000,004 JPY"),
            (1500, "kwd", "1.500 KWD"),
        ] {
            assert_eq!(money(amount, currency), text);
        }
    }
}
