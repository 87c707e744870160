//! Orders by day or by hour: two rows of bars on one axis of time, and the table that says all of it.

use maud::{Markup, html};
use serde_json::Value;
use time::macros::format_description;
use time::{Date, PrimitiveDateTime};

use super::super::words::{money, number, plural};
use super::asked::{Asked, By};
use super::words;

/// The rows that stand open; older ones are folded away.
const OPEN: usize = 10;
/// The most bars: more would be thinner than a pixel on a phone.
const MOST_BARS: i64 = 800;

/// A day or an hour in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    date: String,
    pub(super) currency: String,
    orders: i64,
    revenue: i64,
    average: i64,
    customers: i64,
    completed: i64,
    cancelled: i64,
}

/// Reads the answer of `GET /v1/analytics/orders/…`.
pub(super) fn rows(body: &Value) -> Vec<Row> {
    let items = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(row).collect()
}

fn row(item: &Value) -> Row {
    let (text, count) = (
        |field: &str| item[field].as_str().unwrap_or_default().to_owned(),
        |field: &str| item[field].as_i64().unwrap_or(0),
    );
    Row {
        date: text("date"),
        currency: text("currency"),
        orders: count("totalOrders"),
        revenue: count("totalRevenue"),
        average: count("avgOrderValue"),
        customers: count("uniqueCustomers"),
        completed: count("completedOrders"),
        cancelled: count("cancelledOrders"),
    }
}

impl Row {
    /// Where it stands in a period that begins with this day, counted in days or hours; `None` where the date is none.
    fn place(&self, first: Date, by: By) -> Option<i64> {
        let days = |date: Date| (date - first).whole_days();
        match by {
            By::Day => Some(days(day(&self.date)?)),
            By::Hour => {
                // The hour as it is called in its zone: the offset at the end is the period's own.
                let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
                let at = PrimitiveDateTime::parse(self.date.get(..19)?, form).ok()?;
                Some(days(at.date()) * 24 + i64::from(at.hour()))
            }
        }
    }

    /// `2026-11-23`, or `2026-11-23 10:00`.
    fn words(&self) -> String {
        match (self.date.get(..10), self.date.get(11..16)) {
            (Some(day), Some(hour)) => format!("{day} {hour}"),
            _ => self.date.clone(),
        }
    }
}

/// The date of this text, if it is one.
pub(super) fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// The bars and the table.
pub(super) fn panel(rows: &[&Row], asked: &Asked, from: &str, to: &str, currency: &str) -> Markup {
    let (one, many) = words(asked.by);
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    html! {
        section.panel #series aria-labelledby="h-series" {
            header {
                h2 #h-series { "Orders by " (one) }
                small { (plural(count, one, many)) " with orders, in " (currency) ", " (many) " of " (asked.zone_words()) }
            }
            div.pad {
                (bars("Orders", "v-order", rows, asked.by, from, to, |row| (row.orders, plural(row.orders, "order", "orders"))))
                (bars("Revenue", "v-analytics", rows, asked.by, from, to, |row| (row.revenue, money(row.revenue, currency))))
            }
            @let newest: Vec<&Row> = rows.iter().rev().copied().collect();
            @let (open, folded) = newest.split_at(newest.len().min(OPEN));
            (table(open, one, currency))
            @if !folded.is_empty() {
                details.pad {
                    summary { (plural(i64::try_from(folded.len()).unwrap_or(0), &format!("earlier {one}"), &format!("earlier {many}"))) }
                    (table(folded, one, currency))
                }
            }
        }
    }
}

/// One row of bars. The numbers stand in the table, so that the picture is one to those who cannot see it.
fn bars(
    name: &str,
    voice: &str,
    rows: &[&Row],
    by: By,
    from: &str,
    to: &str,
    told: impl Fn(&Row) -> (i64, String),
) -> Markup {
    let Some((first, last)) = day(from).zip(day(to)) else { return html! {} };
    let slots = ((last - first).whole_days() + 1).max(1) * if by == By::Hour { 24 } else { 1 };
    let most = rows.iter().max_by_key(|row| told(row).0);
    let highest = most.map_or(1, |row| told(row).0.max(1));
    let (one, _) = words(by);
    html! {
        figure class={ "bars " (voice) } {
            figcaption.row.apart {
                b { (name) }
                @if let Some(row) = most { span.small.dim { "most in one " (one) ": " (told(row).1) ", " (row.words()) } }
            }
            @if slots <= MOST_BARS {
                svg role="img" aria-label={ (name) " by " (one) " from " (from) " to " (to) "; the numbers stand in the table" } {
                    line.base x1="0" x2="100%" y1="100%" y2="100%" {}
                    @for row in rows {
                        @if let Some(place) = row.place(first, by).filter(|place| (0..slots).contains(place)) {
                            @let high = share(told(row).0, highest);
                            rect x=(percent(share(place, slots) + 0.1 * share(1, slots))) width=(percent(0.8 * share(1, slots)))
                                y=(percent(100.0 - high)) height=(percent(high)) { title { (row.words()) ": " (told(row).1) } }
                        }
                    }
                }
                div.row.apart.tiny.dim { span { (from) } span { (to) } }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a length on the screen")]
pub(super) fn share(part: i64, whole: i64) -> f64 {
    if whole <= 0 { 0.0 } else { (part as f64 / whole as f64 * 100.0).clamp(0.0, 100.0) }
}

/// A share as an attribute of a picture.
pub(super) fn percent(share: f64) -> String {
    format!("{share:.2}%")
}

fn table(rows: &[&Row], one: &str, currency: &str) -> Markup {
    html! {
        table.data.fold {
            caption.visually-hidden { "Orders by " (one) ", newest first" }
            thead { tr {
                th scope="col" { (one.get(..1).unwrap_or_default().to_uppercase()) (one.get(1..).unwrap_or_default()) }
                th.num scope="col" { "Orders" } th.num scope="col" { "Revenue" } th.num scope="col" { "Average" }
                th.num scope="col" { "Customers" } th.num scope="col" { "Delivered" } th.num scope="col" { "Cancelled" }
            } }
            tbody {
                @for row in rows {
                    tr {
                        th.nowrap scope="row" { (row.words()) }
                        td.num data-l="Orders" { (number(row.orders)) }
                        td.num data-l="Revenue" { (money(row.revenue, currency)) }
                        td.num data-l="Average" { (money(row.average, currency)) }
                        td.num data-l="Customers" { (number(row.customers)) }
                        td.num data-l="Delivered" { (number(row.completed)) }
                        td.num data-l="Cancelled" { (number(row.cancelled)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::forms::Sent;
    use super::*;

    fn told(dates: &[&str]) -> Vec<Row> {
        let item = |date: &&str| {
            json!({"date": date, "currency": "EUR", "totalOrders": 3, "totalRevenue": 4_812, "avgOrderValue": 1_604,
            "uniqueCustomers": 2, "completedOrders": 1, "cancelledOrders": 1})
        };
        rows(&json!({"items": dates.iter().map(item).collect::<Vec<_>>()}))
    }

    fn page(dates: &[&str], query: &str, from: &str, to: &str) -> String {
        let rows = told(dates);
        let rows: Vec<&Row> = rows.iter().collect();
        panel(&rows, &Asked::of(&Sent::parse(query).unwrap()), from, to, "EUR").into_string()
    }

    #[test]
    fn a_day_without_orders_leaves_its_place_empty() {
        let page = page(&["2026-11-20", "2026-11-22"], "", "2026-11-20", "2026-11-23");
        assert_eq!(page.matches("<rect").count(), 4, "two days, orders and revenue: {page}");
        assert!(page.contains("x=\"2.50%\" width=\"20.00%\"") && page.contains("x=\"52.50%\""), "{page}");
        assert!(page.contains("2026-11-22: €48.12"), "{page}");
    }

    #[test]
    fn hours_stand_where_their_zone_says() {
        let page = page(&["2026-11-23T06:00:00+02:00"], "by=hour&tz=%2B02:00", "2026-11-23", "2026-11-23");
        assert!(page.contains("x=\"25.42%\""), "{page}");
        assert!(page.contains("2026-11-23 06:00") && page.contains("hours of UTC+02:00"), "{page}");
    }

    #[test]
    fn dates_that_are_none_and_too_many_hours_draw_nothing_and_break_nothing() {
        assert!(!page(&["<b>"], "", "2026-11-20", "2026-11-23").contains("<rect"));
        assert!(page(&["<b>"], "", "x", "y").contains("&lt;b&gt;"));
        assert!(!page(&[], "by=hour", "2026-01-01", "2026-12-31").contains("<svg"));
    }

    #[test]
    fn the_newest_stand_open_and_the_others_are_folded() {
        let dates: Vec<String> =
            (1..=30).flat_map(|day| [format!("2026-09-{day:02}"), format!("2026-11-{day:02}")]).collect();
        let mut dates: Vec<&str> = dates.iter().map(String::as_str).collect();
        dates.sort_unstable();
        let page = page(&dates, "", "2026-09-01", "2026-11-30");
        assert!(page.contains("50 earlier days"), "{page}");
    }
}
