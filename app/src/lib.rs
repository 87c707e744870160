//! The shop put together, and the operator's commands: everything behind the binary `madrigal`.
//!
//! Rooms in reading order: [`cli`] (what can be said), [`config`] (what is set, and where it came from), [`data_dir`]
//! (what lies on the disk), [`compose`] (services and their neighbours, in one process or one alone), [`client`] and
//! [`output`] (how commands ask a running shop and print), [`commands`], [`demo`].

pub mod cli;
pub mod client;
pub mod commands;
pub mod compose;
pub mod config;
pub mod data_dir;
pub mod demo;
pub mod exit;
pub mod logs;
pub mod output;
