//! The rules that a machine checks.

mod dependencies;
mod licences;
mod manifests;
mod metadata;
mod sources;
