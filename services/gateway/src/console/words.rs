//! Numbers, money, times and ids as the pages say them.

use std::time::Duration;

use madrigal_core::Timestamp;
use maud::{Markup, Render, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

/// What stands for itself in a segment of a path and in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A whole number with thousands separators: `12,345`.
pub(crate) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate or a ratio: one digit after the point below 100, none above.
pub(crate) fn rate(value: f64) -> String {
    if value.is_finite() && value.abs() < 99.95 {
        format!("{value:.1}")
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "as saturates, and no rate is that high")]
        number(value.round() as i64)
    }
}

/// Money: `€48.12`, `$1,299.00`, `48.12 CHF`; `amount` in minor units, two digits of them but for the currencies that have none.
pub(crate) fn money(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "−" } else { "" };
    let minor = amount.unsigned_abs();
    let figure = if matches!(currency, "JPY" | "KRW" | "ISK" | "CLP" | "VND") {
        number(i64::try_from(minor).unwrap_or(i64::MAX))
    } else {
        format!("{}.{:02}", number(i64::try_from(minor / 100).unwrap_or(i64::MAX)), minor % 100)
    };
    match currency {
        "EUR" => format!("{sign}€{figure}"),
        "USD" => format!("{sign}${figure}"),
        "GBP" => format!("{sign}£{figure}"),
        "JPY" => format!("{sign}¥{figure}"),
        other => format!("{sign}{figure} {other}"),
    }
}

/// `1 order`, `12 orders`.
pub(crate) fn plural(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A span: `8 ms`, `1.9 s`, `6 min 12 s`, `3 h 5 min`, `4 d 2 h`.
pub(crate) fn span(span: Duration) -> String {
    let millis = span.as_millis();
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => {
            format!("{} d {} h", number(i64::try_from(seconds / 86_400).unwrap_or(i64::MAX)), seconds % 86_400 / 3_600)
        }
    }
}

/// A span of so many seconds; nonsense is none.
pub(crate) fn seconds(value: f64) -> String {
    span(Duration::try_from_secs_f64(value).unwrap_or_default())
}

/// An id: first eight … last four, if it is longer than that.
pub(crate) fn short_id(id: &str) -> String {
    let count = id.chars().count();
    if count <= 14 {
        return id.to_owned();
    }
    let (first, last): (String, String) = (id.chars().take(8).collect(), id.chars().skip(count - 4).collect());
    format!("{first}…{last}")
}

/// An id that can be read whole by pointing at it.
pub(crate) fn id(id: &str) -> Markup {
    html! { code.mono title=(id) { (short_id(id)) } }
}

/// One segment of a path, or a value of a query.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// `10:42:18`.
pub(crate) fn clock(at: Timestamp) -> String {
    let at = at.to_date_time();
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// `10:42:18.402`.
pub(crate) fn clock_millis(at: Timestamp) -> String {
    format!("{}.{:03}", clock(at), at.to_date_time().millisecond())
}

/// `2026-11-22 10:42:18`.
pub(crate) fn day_and_clock(at: Timestamp) -> String {
    let date: OffsetDateTime = at.to_date_time();
    format!("{:04}-{:02}-{:02} {}", date.year(), u8::from(date.month()), date.day(), clock(at))
}

/// A moment with its day, in UTC, as an element.
pub(crate) fn moment(at: Timestamp) -> Markup {
    html! { time.nowrap datetime=(at.to_string()) { (day_and_clock(at)) } }
}

/// A moment of an answer (RFC 3339), with its day; a text that is none stays as it is.
pub(crate) fn told_moment(text: &str) -> Markup {
    match text.parse::<Timestamp>() {
        Ok(at) => moment(at),
        Err(_) => text.render(),
    }
}

/// The time of day of an answer's moment, with its day for those who point at it.
pub(crate) fn told_clock(text: &str) -> Markup {
    match text.parse::<Timestamp>() {
        Ok(at) => html! { time.nowrap datetime=(at.to_string()) title=(day_and_clock(at)) { (clock(at)) } },
        Err(_) => text.render(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_numbers_and_spans_read_as_the_guide_says() {
        assert_eq!(
            [money(4_812, "EUR"), money(-5, "USD"), money(129_900, "CHF"), money(1_200, "JPY")],
            ["€48.12", "−$0.05", "1,299.00 CHF", "¥1,200"]
        );
        assert_eq!([number(0), number(999), number(1_000), number(-3_421_083)], ["0", "999", "1,000", "−3,421,083"]);
        assert_eq!(
            [8, 1_900, 59_000, 372_000, 11_100_000, 360_000_000].map(|millis| span(Duration::from_millis(millis))),
            ["8 ms", "1.9 s", "59 s", "6 min 12 s", "3 h 5 min", "4 d 4 h"]
        );
        assert_eq!([short_id("019a202c-9f3a-7000-8000-00000004c1e"), short_id("lute")], ["019a202c…4c1e", "lute"]);
        assert_eq!([rate(41.63), rate(236.2), rate(f64::NAN)], ["41.6", "236", "0"]);
        assert_eq!(segment("a/b c&d=é"), "a%2Fb%20c%26d%3D%C3%A9");
    }
}
