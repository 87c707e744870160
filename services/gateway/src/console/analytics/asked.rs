//! Which period, whose days, by day or by hour, and in which currency.

use madrigal_core::Timestamp;
use maud::{Markup, html};
use time::Duration;

use super::super::forms::Sent;
use super::super::words::segment;
use super::series::day;

/// The offsets that figures can be told in: whole hours.
const OFFSETS: std::ops::RangeInclusive<i32> = -12..=14;
/// Periods that one press chooses, in days that end today.
const PERIODS: [(i64, &str); 4] = [(1, "today"), (7, "7 days"), (30, "30 days"), (365, "a year")];

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A row for each day.
    Day,
    /// A row for each hour.
    Hour,
}

/// What the page was asked for. Nothing of it is checked here: the API says what is wrong, all at once.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) by: By,
    zone: String,
    currency: String,
}

impl Asked {
    pub(super) fn of(query: &Sent) -> Self {
        let text = |name: &str| query.get(name).to_owned();
        let by = if query.get("by") == "hour" { By::Hour } else { By::Day };
        Self { from: text("from"), to: text("to"), by, zone: text("tz"), currency: text("currency") }
    }

    /// Where the rows are asked for.
    pub(super) fn series(&self) -> String {
        let rows = if self.by == By::Hour { "hourly" } else { "daily" };
        let given = [("from", &self.from), ("to", &self.to), ("tz", &self.zone)];
        let given: Vec<_> = given
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", segment(value)))
            .collect();
        format!("/v1/analytics/orders/{rows}?{}", given.join("&"))
    }

    /// The currency that is shown: the one that was asked for where there is such, else the first.
    pub(super) fn currency_of(&self, there: &[String]) -> String {
        there.iter().find(|code| **code == self.currency).or(there.first()).cloned().unwrap_or_default()
    }

    /// Whether days are not those of UTC.
    pub(super) fn shifted(&self) -> bool {
        !matches!(self.zone.as_str(), "" | "UTC" | "Z")
    }

    /// The zone in words.
    pub(super) fn zone_words(&self) -> String {
        if self.shifted() { format!("UTC{}", self.zone.replace('-', "−")) } else { "UTC".to_owned() }
    }

    /// The same page for other days.
    fn address(&self, from: &str, to: &str) -> String {
        let by = if self.by == By::Hour { "hour" } else { "day" };
        let (zone, currency) = (segment(&self.zone), segment(&self.currency));
        format!("/analytics?from={from}&to={to}&by={by}&tz={zone}&currency={currency}")
    }

    /// The form, with the days that are shown; `there` are the currencies that can be chosen.
    pub(super) fn form(&self, from: &str, to: &str, there: &[String], currency: &str, now: Timestamp) -> Markup {
        let today = now.to_date_time().date();
        // A field of dates shows nothing else, and complains of it.
        let date = |text: &str| day(text).map(|_| text.to_owned()).unwrap_or_default();
        html! {
            form.filters aria-label="Period" action="/analytics" method="get" {
                label.field { "First day" input type="date" name="from" value=(date(from)); }
                label.field { "Last day" input type="date" name="to" value=(date(to)); }
                label.field { "Rows"
                    select name="by" {
                        option value="day" selected[self.by == By::Day] { "by day" }
                        option value="hour" selected[self.by == By::Hour] { "by hour" }
                    }
                }
                label.field { "Time zone"
                    select name="tz" {
                        @for hours in OFFSETS {
                            @let (value, words) = offset(hours);
                            option value=(value) selected[value == self.zone || hours == 0 && !self.shifted()] { (words) }
                        }
                    }
                }
                @if there.len() > 1 {
                    label.field { "Currency"
                        select name="currency" { @for code in there { option value=(code) selected[code == currency] { (code) } } }
                    }
                }
                button.btn.primary type="submit" { "Show" }
                nav.row.small aria-label="Periods" {
                    @for (days, name) in PERIODS {
                        @let first = today.checked_sub(Duration::days(days - 1)).unwrap_or(today);
                        a href=(self.address(&first.to_string(), &today.to_string())) { (name) }
                    }
                }
            }
        }
    }
}

/// An offset as the API takes it, and in words.
fn offset(hours: i32) -> (String, String) {
    let text = |sign: &str| format!("{sign}{:02}:00", hours.abs());
    match hours {
        0 => ("UTC".to_owned(), "UTC".to_owned()),
        1.. => (text("+"), format!("UTC{}", text("+"))),
        _ => (text("-"), format!("UTC{}", text("−"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of(&Sent::parse(query).unwrap())
    }

    #[test]
    fn what_was_asked_for_is_passed_on_encoded_and_unchecked() {
        assert_eq!(asked("").series(), "/v1/analytics/orders/daily?");
        let odd = asked("by=hour&from=2026-11-01&to=%22%26x&tz=%2B02:00");
        assert_eq!(odd.series(), "/v1/analytics/orders/hourly?from=2026-11-01&to=%22%26x&tz=%2B02%3A00");
        assert_eq!((odd.shifted(), odd.zone_words()), (true, "UTC+02:00".to_owned()));
        assert!(!asked("tz=UTC").shifted());
    }

    #[test]
    fn a_currency_that_is_not_there_is_not_chosen() {
        let there = ["EUR".to_owned(), "CHF".to_owned()];
        assert_eq!(asked("currency=CHF").currency_of(&there), "CHF");
        assert_eq!(asked("currency=%3Cb%3E").currency_of(&there), "EUR");
        assert_eq!(asked("").currency_of(&[]), "");
    }

    #[test]
    fn every_whole_hour_can_be_chosen_and_the_chosen_one_is_marked() {
        let form = asked("tz=-05:00").form("2026-11-01", "2026-11-23", &[], "", Timestamp::default()).into_string();
        assert!(form.contains("<option value=\"-05:00\" selected>UTC−05:00"), "{form}");
        assert_eq!(form.matches(":00\"").count(), 26, "{form}");
        assert_eq!(form.matches(" selected").count(), 2, "{form}");
    }
}
