//! `madrigal sync …`.

use clap::{Subcommand, ValueEnum};

/// What can be asked about copies.
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// Lists connectors, declares one, or takes one out.
    Connectors {
        /// Declares the connector in this file, in the JSON that Debezium takes; `-` reads standard input.
        #[arg(long, value_name = "FILE", conflicts_with = "remove")]
        declare: Option<std::path::PathBuf>,
        /// Takes the connector of this name out; one that runs goes on until the next start.
        #[arg(long, value_name = "NAME")]
        remove: Option<String>,
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
    /// Lists what could not be told to copies or read for figures, and what stands behind it.
    Parked {
        /// At most so many of each service.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Tries this key again now that its cause is mended, as in `users:7`.
        #[arg(long, value_name = "ID", conflicts_with_all = ["skip", "retry_cause"])]
        retry: Option<String>,
        /// Tries all keys again that are listed with this cause.
        #[arg(long, value_name = "CAUSE", conflicts_with = "skip")]
        retry_cause: Option<String>,
        /// Leaves out this key's first parked item; needs --reason.
        #[arg(long, value_name = "ID", requires = "reason")]
        skip: Option<String>,
        /// Why that is right; stays listed with the item.
        #[arg(long)]
        reason: Option<String>,
        /// Whose parked keys; both unless stated.
        #[arg(long, value_enum)]
        of: Option<Parker>,
    },
}

/// A service that parks keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Parker {
    /// sync-service: changes that copies could not be told.
    Sync,
    /// analytics-service: messages that figures could not take in.
    Analytics,
}

impl Parker {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sync, Self::Analytics];

    /// As in its paths and in the list.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Analytics => "analytics",
        }
    }
}
