//! Copies and their owners in a whole shop: they converge, damage is found and repaired, and nothing is alarmed about that
//! only takes its time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod checks;
mod converging;
mod damage;
mod damage_files;
mod orders;
mod poison;
mod rebuilds;
mod stalled;
mod world;
