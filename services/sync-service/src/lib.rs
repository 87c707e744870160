//! sync-service: keeps the copies of other services' rows in step, and looks whether they are.
//!
//! Rooms in reading order:
//!
//! * [`monitor`]: compares owners and copies and repairs what diverges.

pub mod monitor;
