//! What the cache promises: nothing stale after an invalidation, one load at a time, bounded failure, bounded memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod inspecting;
mod invalidating;
mod loading;
mod owner;
mod races;
mod second_level;
mod serving;
mod together;
