//! What can be said to `madrigal torture`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Kills a shop of its own again and again while customers order, and judges what is left.
#[derive(Debug, Clone, Args)]
pub struct Torture {
    /// How many processes are killed, in each mode.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub kills: u32,
    /// How many customers order at the same time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub clients: u32,
    /// Decides pauses, victims and what is ordered; drawn and told if it is not given. Real timing cannot be repeated.
    #[arg(long)]
    pub seed: Option<u64>,
    /// What is killed.
    #[arg(long, value_enum, default_value_t = TortureMode::Both)]
    pub mode: TortureMode,
    /// Keeps data and logs also where everything holds.
    #[arg(long)]
    pub keep: bool,
    /// The same as --output json.
    #[arg(long)]
    pub json: bool,
    /// Starts this binary instead of this one.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TortureMode {
    /// The whole shop in one process.
    Whole,
    /// One process per service: single ones, sometimes two at a time.
    Services,
    /// One after the other.
    Both,
}
