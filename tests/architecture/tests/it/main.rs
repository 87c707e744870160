//! The rules that a machine checks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dependencies;
mod licences;
mod manifests;
mod metadata;
mod sources;
