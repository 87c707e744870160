//! What the catalogue holds, through its public API.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod books;
mod desk;
mod support;
