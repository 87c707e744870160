//! What a run is told.

use std::path::PathBuf;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The whole shop in one process, `madrigal up`.
    Whole,
    /// One process per service, `madrigal serve …`: single ones, sometimes two at a time.
    Services,
}

impl Mode {
    /// As in `whole`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Services => "services",
        }
    }
}

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is killed; each mode is a run of its own, on a directory of its own.
    pub modes: Vec<Mode>,
    /// How many processes are killed in each run, at least 1.
    pub kills: usize,
    /// How many customers order at the same time, at least 1.
    pub clients: usize,
    /// Decides pauses, victims and what is ordered. What happens in between is decided by the machine: the same seed makes
    /// the same plan, not the same run.
    pub seed: u64,
    /// Where everything lies; absent or empty.
    pub dir: PathBuf,
    /// Whether the directory stays after a run without violations.
    pub keep: bool,
    /// What is started.
    pub binary: PathBuf,
}
