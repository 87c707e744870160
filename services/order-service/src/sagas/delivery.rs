//! When an order should arrive.

use std::time::Duration;

use madrigal_core::Timestamp;
use time::Weekday;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The day that lies so many working days (Monday to Friday, no holidays) after `from`, at the same time of day in UTC.
pub fn after_working_days(from: Timestamp, working_days: u32) -> Timestamp {
    let mut date = from;
    let mut left = working_days;
    while left > 0 {
        date = date.plus(DAY);
        if !matches!(date.to_date_time().weekday(), Weekday::Saturday | Weekday::Sunday) {
            left -= 1;
        }
    }
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_do_not_count() {
        let friday: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        assert_eq!(after_working_days(friday, 3).to_string(), "2026-11-25T10:00:00Z");
        let sunday: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(after_working_days(sunday, 1).to_string(), "2026-11-23T10:00:00Z");
        assert_eq!(after_working_days(sunday, 0), sunday);
    }
}
