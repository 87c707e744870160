//! Which days, in which time zone.

use std::fmt;

use madrigal_core::Timestamp;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

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
    /// Not a supported zone.
    #[error("{0}")]
    Zone(&'static str),
    /// It ends before it begins.
    #[error("must not be before from")]
    Backwards,
    /// Longer than is allowed.
    #[error("covers more than {most} days: ask for less at once")]
    TooLong {
        /// The most.
        most: i64,
    },
}

impl PeriodError {
    /// The parameter that is wrong, as a pointer.
    pub const fn pointer(&self) -> &'static str {
        match self {
            Self::Date(pointer) => pointer,
            Self::Zone(_) => "/tz",
            Self::Backwards | Self::TooLong { .. } => "/to",
        }
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
    /// The days from `from` to `to`: where they are not stated, `to` is today and `from` makes `days` days of it.
    ///
    /// # Errors
    /// All that is wrong with it, where it covers more than `most` days included.
    pub fn of(
        from: Option<&str>,
        to: Option<&str>,
        zone: Option<&str>,
        now: Timestamp,
        (days, most): (i64, i64),
    ) -> Result<Self, Vec<PeriodError>> {
        let zone = zone.map_or(Ok(Zone::UTC), Zone::parse);
        let today = zone.as_ref().map_or(0, |zone| zone.day_of(hour_of(now)));
        let to = to.map_or(Ok(today), |text| day(text).ok_or(PeriodError::Date("/to")));
        let last = *to.as_ref().unwrap_or(&today);
        let from = from.map_or(Ok(last - days + 1), |text| day(text).ok_or(PeriodError::Date("/from")));
        match (zone, from, to) {
            (Ok(_), Ok(first), Ok(last)) if last < first => Err(vec![PeriodError::Backwards]),
            (Ok(zone), Ok(first), Ok(last)) if last - first < most => Ok(Self { first, last, zone }),
            (Ok(_), Ok(_), Ok(_)) => Err(vec![PeriodError::TooLong { most }]),
            (zone, from, to) => Err([zone.err(), from.err(), to.err()].into_iter().flatten().collect()),
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

/// The days since 1970 of a date; `None` for other texts and for dates that no order can have.
fn day(text: &str) -> Option<i64> {
    let date = Date::parse(text, DATE).ok()?;
    Some((date - OffsetDateTime::UNIX_EPOCH.date()).whole_days())
}

/// The date of so many days since 1970.
pub fn day_text(day: i64) -> String {
    // Days beyond what dates can say come from no order that was accepted.
    let date = OffsetDateTime::UNIX_EPOCH.date().checked_add(Duration::days(day.clamp(-3_000_000, 2_900_000)));
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
        let period = Period::of(None, None, Some("+02:00"), now(), (1, 10)).unwrap();
        assert_eq!(day_text(period.last), "2026-11-24", "half past one in the night");
        let (first, end) = period.hours();
        assert_eq!((zone.hour_text(first), end - first), ("2026-11-24T00:00:00+02:00".to_owned(), 24));
        assert_eq!(Zone::UTC.hour_text(first), "2026-11-23T22:00:00Z");
        assert_eq!(zone.day_of(first), period.first);
        assert_eq!(zone.day_of(first - 1), period.first - 1);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = Period::of(Some("2026-02-30"), Some("soon"), Some("CET"), now(), (30, 366)).unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(PeriodError::pointer).collect();
        assert_eq!(pointers, ["/tz", "/from", "/to"]);
        let backwards = Period::of(Some("2026-11-23"), Some("2026-11-22"), None, now(), (30, 366));
        assert_eq!(backwards, Err(vec![PeriodError::Backwards]));
        let long = |from| Period::of(Some(from), Some("2026-11-23"), None, now(), (30, 366)).is_ok();
        assert_eq!((long("2025-11-23"), long("2025-11-22")), (true, false));
    }
}
