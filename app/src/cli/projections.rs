//! `madrigal projections …`.

use clap::{Args, Subcommand};

/// What can be done with projections.
#[derive(Debug, Subcommand)]
pub enum ProjectionsCommand {
    /// Lists the projections of all services.
    List,
    /// Shows a projection, with its candidate.
    Show(Named),
    /// Builds a projection anew from its log, beside what serves.
    Rebuild {
        /// Which.
        #[command(flatten)]
        named: Named,
        /// Waits until the candidate has caught up, and tells how far it is.
        #[arg(long)]
        wait: bool,
    },
    /// Compares the candidate with what serves, row by row; exits 3 where they differ.
    Compare(Named),
    /// Lets the candidate serve.
    Switch {
        /// Which.
        #[command(flatten)]
        named: Named,
        /// Although rows differ; needs --reason.
        #[arg(long, requires = "reason")]
        accept_differences: bool,
        /// Why that is right.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Drops the candidate.
    Discard(Named),
    /// Drops what served before the switch.
    Confirm(Named),
    /// Lists events that could not be applied, and those behind them.
    Parked {
        /// Which.
        #[command(flatten)]
        named: Named,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Tries a key's parked events again, in order.
    Retry {
        /// Which.
        #[command(flatten)]
        named: Named,
        /// The key, or the lane as `parked` lists it.
        key: String,
    },
    /// Leaves out a key's first parked event, and tries the others.
    Skip {
        /// Which.
        #[command(flatten)]
        named: Named,
        /// The key, or the lane as `parked` lists it.
        key: String,
        /// Why; stays on record.
        #[arg(long)]
        reason: String,
    },
    /// Says what holds a projection up, and what to do.
    WhyStalled(Named),
}

/// Which projection.
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// The projection, as in `order-view`.
    #[arg(value_name = "PROJECTION")]
    pub name: String,
}
