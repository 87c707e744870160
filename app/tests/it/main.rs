//! The binary as its users meet it: its commands, its processes, and what is left of them after `kill -9`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod archive;
mod bench;
mod collector;
mod commands;
mod doctor;
mod help;
mod imports;
mod kills;
mod load;
mod measures;
mod openapi;
mod process;
mod scripts;
mod secrets;
mod several;
mod storage;
mod torture;
mod traces;
