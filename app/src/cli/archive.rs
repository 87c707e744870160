//! `madrigal events archive`.

use std::path::PathBuf;

use clap::Args;

/// Moves whole old segments of a log to its archive; they are read from there from then on.
#[derive(Debug, Clone, Args)]
pub struct Archive {
    /// The log: `order`, `catalog`, `payment`, `provider`, `notification`.
    #[arg(long, default_value = "order")]
    pub log: String,
    /// Only segments whose events are all before this position; all but the one that is written if it is not given.
    #[arg(long, value_name = "POSITION")]
    pub before: Option<u64>,
    /// The archive; where it was before, else `archive` in the log's directory. An archive that was brought to another
    /// place is told so too: nothing is moved with `--before 0`.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
