//! Rollups: what facts come to, by hour, by day, by product and by customer.
//!
//! Three rooms: [`share`] is what one order adds to the rollups (pure); [`changes`] gathers the differences that a batch makes
//! and writes them, in the batch's own transaction; [`refresh`] recomputes everything from the facts and compares.
//!
//! The rules, which both ways share:
//!
//! * An order counts from its placing, in the hour and on the day (UTC) of it; a draft counts nowhere. An order of the past
//!   counts when it was ordered.
//! * As in the brief's query `total_orders` and `total_revenue` are over **all** orders, cancelled ones included; what of it
//!   was cancelled stands beside it (`cancelled_orders`, `cancelled_revenue`), so that their difference is what was kept.
//!   Products and customers are ranked by what was kept.
//! * Revenue of an order is its final amount, tax included; of a line, the line after its discount, before tax.
//! * Completed is delivered.
//! * Amounts of two currencies never meet: each has rows of its own.
//! * Sums beyond 64 bits stay at the highest number.

pub mod changes;
pub mod refresh;
pub mod share;

pub use changes::Changes;
pub use refresh::{Refresh, RefreshReport};
pub use share::{Bucket, Share};
