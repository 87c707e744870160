//! The verdict can fail: for every rule something is planted that breaks it, and it is named with whom it is about; and
//! customers notice a shop that lies to them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod liar;
mod planted;
mod world;
