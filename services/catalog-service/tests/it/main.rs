//! What the catalogue holds, through its public API.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod asking_once;
mod books;
mod caching;
mod calls;
mod desk;
mod editing;
mod finding;
mod generations;
mod import;
mod products;
mod rating;
mod remembering;
mod retail;
mod search;
mod shop;
mod stock;
mod stock_rows;
mod suggesting;
mod support;
mod topics;
