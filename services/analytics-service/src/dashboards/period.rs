//! Which days, in which time zone.

use std::fmt;

use madrigal_core::Timestamp;
use time::macros::{date, format_description};
use time::{Date, OffsetDateTime};

use crate::aggregators::share::{day_of_hour, hour_of};

/// A time zone as a fixed offset from UTC in whole hours: rollups are by hours of UTC, which whole hours move and parts of an
/// hour would cut. Names of zones (`Europe/Rome`) need the history of their rules, which this program does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Zone {
    hours: i64,
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self { hours: 0 };

    /// The zone of this text: `UTC`, `Z`, or an offset such as `+02:00` from -12:00 to +14:00.
    ///
    /// # Errors
    /// [`PeriodError::Zone`] with what is not supported about it.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        // A plus sign that was not encoded arrives as a space.
        let text = text.strip_prefix(' ').map_or_else(|| text.to_owned(), |rest| format!("+{rest}"));
        if matches!(text.as_str(), "UTC" | "Z" | "utc" | "z") {
            return Ok(Self::UTC);
        }
        let refuse = |why: &'static str| PeriodError::Zone(why);
        let (sign, offset) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(offset), _) => (1, offset),
            (_, Some(offset)) => (-1, offset),
            _ => return Err(refuse("names of zones are not supported: send an offset such as +02:00")),
        };
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
        if !digits(hours) || !digits(minutes) {
            return Err(refuse("expected UTC or an offset such as +02:00"));
        }
        let hours = sign * hours.parse::<i64>().unwrap_or(i64::MAX);
        match minutes {
            _ if !(-12..=14).contains(&hours) => Err(refuse("offsets go from -12:00 to +14:00")),
            "00" => Ok(Self { hours }),
            _ => Err(refuse("only whole hours are supported: figures are kept by hours of UTC")),
        }
    }

    /// Hours ahead of UTC.
    pub const fn hours(self) -> i64 {
        self.hours
    }

    /// The day here, in whole days since 1970, of an hour of UTC.
    pub const fn day_of(self, hour: i64) -> i64 {
        day_of_hour(hour + self.hours)
    }

    /// The hour of UTC with which a day begins here.
    pub const fn begins(self, day: i64) -> i64 {
        day * 24 - self.hours
    }

    /// The text of an hour of UTC as it is called here: `2026-11-23T10:00:00+02:00`.
    pub fn hour_text(self, hour: i64) -> String {
        let here = hour + self.hours;
        let (day, hour) = (day_text(day_of_hour(here)), here.rem_euclid(24));
        format!("{day}T{hour:02}:00:00{self}")
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hours {
            0 => f.write_str("Z"),
            hours => write!(f, "{}{:02}:00", if hours < 0 { '-' } else { '+' }, hours.abs()),
        }
    }
}

/// Why a period is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Not a date.
    #[error("expected a date such as 2026-11-23")]
    Date(&'static str),
    /// A date that no order can have.
    #[error("expected a date from {} to {}", FIRST_DATE, LAST_DATE)]
    Bounds(&'static str),
    /// Not a supported zone.
    #[error("{0}")]
    Zone(&'static str),
    /// It ends before it begins.
    #[error("must not be before from")]
    Backwards,
    /// It begins after today, and does not say where it ends.
    #[error("must not be after today, {}, where to is not given", day_text(*today))]
    Ahead {
        /// In days since 1970.
        today: i64,
    },
    /// Longer than is allowed.
    #[error("covers more than {most} days: ask for less at once")]
    TooLong {
        /// The most.
        most: i64,
        /// What to change.
        pointer: &'static str,
    },
    /// Longer than is allowed in its zone.
    #[error("covers more than {most} days, the most in another zone than UTC: ask for less at once")]
    TooLongHere {
        /// The most.
        most: i64,
        /// What to change.
        pointer: &'static str,
    },
}

impl PeriodError {
    /// The parameter that is wrong, as a pointer.
    pub const fn pointer(&self) -> &'static str {
        match self {
            Self::Date(pointer) | Self::Bounds(pointer) => pointer,
            Self::TooLong { pointer, .. } | Self::TooLongHere { pointer, .. } => pointer,
            Self::Zone(_) => "/tz",
            Self::Backwards => "/to",
            Self::Ahead { .. } => "/from",
        }
    }
}

/// How many days a period has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Where it does not say.
    pub usual: i64,
    /// The most.
    pub most: i64,
    /// The most in another zone than UTC.
    pub most_elsewhere: i64,
}

impl Lengths {
    /// So many where it does not say, and at most so many in any zone.
    pub const fn new(usual: i64, most: i64) -> Self {
        Self { usual, most, most_elsewhere: most }
    }
}

/// Whole days, from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first, in days since 1970.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// In this zone.
    pub zone: Zone,
}

impl Period {
    /// The days from `from` to `to`: where they are not stated, `to` is today and `from` makes it as long as is usual.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn of(
        from: Option<&str>,
        to: Option<&str>,
        zone: Option<&str>,
        now: Timestamp,
        lengths: Lengths,
    ) -> Result<Self, Vec<PeriodError>> {
        let zone = zone.map_or(Ok(Zone::UTC), Zone::parse);
        let today = zone.as_ref().map_or(0, |zone| zone.day_of(hour_of(now)));
        let ends = to.map_or(Ok(today), |text| day(text, "/to"));
        let begins =
            from.map_or_else(|| Ok(*ends.as_ref().unwrap_or(&today) - lengths.usual + 1), |text| day(text, "/from"));
        let (zone, first, last) = match (zone, begins, ends) {
            (Ok(zone), Ok(first), Ok(last)) => (zone, first, last),
            (zone, from, to) => return Err([zone.err(), from.err(), to.err()].into_iter().flatten().collect()),
        };
        if last < first {
            return Err(vec![if to.is_some() { PeriodError::Backwards } else { PeriodError::Ahead { today } }]);
        }
        let period = Self { first, last, zone };
        let (days, Lengths { most, most_elsewhere, .. }) = (period.days(), lengths);
        let pointer = if to.is_some() { "/to" } else { "/from" };
        match zone {
            _ if days > most => Err(vec![PeriodError::TooLong { most, pointer }]),
            Zone::UTC => Ok(period),
            _ if days > most_elsewhere => Err(vec![PeriodError::TooLongHere { most: most_elsewhere, pointer }]),
            _ => Ok(period),
        }
    }

    /// How many days.
    pub const fn days(&self) -> i64 {
        self.last - self.first + 1
    }

    /// The first hour of UTC, and the one after the last.
    pub const fn hours(&self) -> (i64, i64) {
        (self.zone.begins(self.first), self.zone.begins(self.last + 1))
    }
}

const DATE: &[time::format_description::BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// The dates that a period can be asked for: those that a time in RFC 3339 can have.
const FIRST_DATE: Date = date!(0000 - 01 - 01);
const LAST_DATE: Date = date!(9999 - 12 - 31);

/// The days since 1970 of a date.
fn day(text: &str, pointer: &'static str) -> Result<i64, PeriodError> {
    let date = Date::parse(text, DATE).map_err(|_| PeriodError::Date(pointer))?;
    if !(FIRST_DATE..=LAST_DATE).contains(&date) {
        return Err(PeriodError::Bounds(pointer));
    }
    Ok((date - OffsetDateTime::UNIX_EPOCH.date()).whole_days())
}

/// The date of so many days since 1970; `?` beyond what dates can say, where no order is.
pub fn day_text(day: i64) -> String {
    let julian = day.checked_add(i64::from(OffsetDateTime::UNIX_EPOCH.date().to_julian_day()));
    let date = julian.and_then(|day| Date::from_julian_day(i32::try_from(day).ok()?).ok());
    date.and_then(|date| date.format(DATE).ok()).unwrap_or_else(|| "?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T23:30:00Z".parse().unwrap()
    }

    #[test]
    fn whole_hours_are_taken_and_everything_else_is_refused_with_its_reason() {
        for (text, hours) in [("UTC", 0), ("Z", 0), ("+02:00", 2), (" 02:00", 2), ("-11:00", -11), ("+14", 14)] {
            assert_eq!(Zone::parse(text).map(Zone::hours), Ok(hours), "{text}");
        }
        for (text, why) in [
            ("Europe/Rome", "names of zones"),
            ("+05:30", "whole hours"),
            ("+15:00", "-12:00 to +14:00"),
            ("+2:00", "expected"),
            ("+02:0", "expected"),
            ("", "names of zones"),
        ] {
            let error = Zone::parse(text).unwrap_err();
            assert_eq!((error.pointer(), error.to_string().contains(why)), ("/tz", true), "{text}: {error}");
        }
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        let zone = Zone::parse("+02:00").unwrap();
        let period = Period::of(None, None, Some("+02:00"), now(), Lengths::new(1, 10)).unwrap();
        assert_eq!(day_text(period.last), "2026-11-24", "half past one in the night");
        let (first, end) = period.hours();
        assert_eq!((zone.hour_text(first), end - first), ("2026-11-24T00:00:00+02:00".to_owned(), 24));
        assert_eq!(Zone::UTC.hour_text(first), "2026-11-23T22:00:00Z");
        assert_eq!(zone.day_of(first), period.first);
        assert_eq!(zone.day_of(first - 1), period.first - 1);
    }

    const LENGTHS: Lengths = Lengths { usual: 30, most: 366, most_elsewhere: 92 };

    fn asked(from: Option<&str>, to: Option<&str>, zone: &str) -> Result<Period, Vec<PeriodError>> {
        Period::of(from, to, Some(zone), now(), LENGTHS)
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = asked(Some("2026-02-30"), Some("soon"), "CET").unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(PeriodError::pointer).collect();
        assert_eq!(pointers, ["/tz", "/from", "/to"]);
        let backwards = asked(Some("2026-11-23"), Some("2026-11-22"), "Z");
        assert_eq!(backwards, Err(vec![PeriodError::Backwards]));
        let long = |from| asked(Some(from), Some("2026-11-23"), "Z").is_ok();
        assert_eq!((long("2025-11-23"), long("2025-11-22")), (true, false));
        let elsewhere = |from| asked(Some(from), Some("2026-11-23"), "-01:00").is_ok();
        assert_eq!((elsewhere("2026-08-24"), elsewhere("2026-08-23")), (true, false));
    }

    #[test]
    fn a_period_is_told_as_it_was_asked_for_or_refused_with_the_bound() {
        for (from, to) in [("9999-12-31", "9999-12-31"), ("9999-01-01", "9999-12-31"), ("0000-01-01", "0000-12-31")] {
            for zone in ["Z", "+14:00", "-12:00"] {
                let Ok(period) = asked(Some(from), Some(to), zone) else {
                    assert!(zone != "Z" && from != to, "{from} {to} {zone}");
                    continue;
                };
                assert_eq!((day_text(period.first), day_text(period.last)), (from.to_owned(), to.to_owned()), "{zone}");
            }
        }
        let wrong = asked(Some("-0001-12-31"), Some("-9999-01-01"), "Z").unwrap_err();
        assert_eq!(wrong, [PeriodError::Bounds("/from"), PeriodError::Bounds("/to")]);
        assert_eq!(wrong[0].to_string(), "expected a date from 0000-01-01 to 9999-12-31");
        assert_eq!(day_text(i64::MAX), "?", "no date, and not another one");
    }

    #[test]
    fn where_the_end_is_not_given_the_beginning_is_what_is_wrong() {
        let ahead = asked(Some("9999-01-01"), None, "Z").unwrap_err();
        assert_eq!((ahead.len(), ahead[0].pointer()), (1, "/from"));
        assert_eq!(ahead[0].to_string(), "must not be after today, 2026-11-23, where to is not given");
        for (from, zone, most) in [("2020-01-01", "Z", "366 days"), ("2026-01-01", "+02:00", "92 days, the most")] {
            let long = asked(Some(from), None, zone).unwrap_err();
            assert_eq!((long.len(), long[0].pointer()), (1, "/from"), "{from}");
            assert!(long[0].to_string().contains(most), "{long:?}");
        }
    }
}
