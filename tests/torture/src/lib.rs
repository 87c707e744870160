//! `madrigal torture`: real processes on a real disk, killed with `kill -9` at random moments while customers order, and a
//! verdict on everything that must hold afterwards.
//!
//! The shop is judged from outside: its binary is started, its public API is asked, its directories are not opened. A run is
//! a [`plan`] of blows drawn from a seed; [`customers`] that order, cancel and ship, repeat with the same key what they got
//! no answer to, and remember in [`facts`] what they were told; [`clerks`] who register, change and erase persons and change
//! prices; a [`watch`]er who reads versions in every copy all the while; [`shop`] and [`process`], which start, kill and start
//! again; `rest`, in which everything comes to its end; [`findings`] and [`copies`], what the shop says then; [`verdict`], a
//! pure function of both; [`report`]. `docs/torture.md` describes it for its users.

mod asking;
pub mod clerks;
pub mod copies;
pub mod customers;
pub mod draw;
pub mod facts;
pub mod findings;
mod kills;
pub mod options;
pub mod plan;
pub mod process;
pub mod report;
mod rest;
mod run;
pub mod shop;
pub mod verdict;
pub mod watch;

pub use options::{Mode, Options};
pub use report::{Report, RunReport};
pub use run::{TortureError, torture};
