//! Dashboards: what is read from the rollups, each in one function on one connection.
//!
//! [`period`] is which days are meant, in which time zone; [`series`] is the brief's `order_analytics` by day and by hour;
//! [`tops`] is who and what is on top; [`board`] is the dashboard.

pub mod board;
mod bounded;
pub mod period;
pub mod series;
pub mod tops;

pub use board::{Board, CategoryRevenue, CurrencyTotals, Funnel};
pub use period::{Lengths, Period, PeriodError, Zone};
pub use series::AnalyticsRow;
pub use tops::{ProductRank, TopCustomer, TopProduct};
