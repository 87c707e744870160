//! What the catalogue holds, through its public API.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod books;
mod calls;
mod desk;
mod import;
mod products;
mod search;
mod shop;
mod stock;
mod support;
