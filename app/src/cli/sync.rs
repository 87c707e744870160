//! `madrigal sync …`.

use clap::Subcommand;

/// What can be asked about copies.
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// Lists connectors, or declares one.
    Connectors {
        /// Declares the connector in this file, in the JSON that Debezium takes; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        declare: Option<std::path::PathBuf>,
    },
    /// Tells how far every copy is behind its owner.
    Lag,
    /// Tells a copy every row of its owner once more and takes away what the owner does not have, while it serves.
    Rebuild {
        /// The copy, as in `users.key-value`, or the name of any pair that is compared.
        copy: String,
        /// Waits until it is done; exits 1 where rows are left.
        #[arg(long)]
        wait: bool,
    },
    /// Lists changes that could not be told to the copies, and those behind them.
    Parked {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Tells the copies this key's rows as their owner has them now, as in `users:7`.
        #[arg(long, value_name = "ID", conflicts_with = "skip")]
        retry: Option<String>,
        /// Leaves out this key's first parked change; needs --reason.
        #[arg(long, value_name = "ID", requires = "reason")]
        skip: Option<String>,
        /// Why that is right; stays listed with the change.
        #[arg(long)]
        reason: Option<String>,
    },
}
