//! `madrigal consistency …`.

use clap::{Args, Subcommand};

/// What can be asked about copies.
#[derive(Debug, Subcommand)]
pub enum ConsistencyCommand {
    /// Compares copies with their owners now; exits 3 where one diverges, 4 where one could not be verified.
    Check(ConsistencyCheck),
    /// Shows what was last found.
    Report,
    /// Lists rows that diverge.
    Divergences,
    /// Looks at a row that diverges once more, and says what a repair would do.
    Repair {
        /// The row's id, as `divergences` lists it.
        id: String,
        /// Repairs it.
        #[arg(long)]
        apply: bool,
    },
    /// Lists what was repaired, the newest first.
    Repairs,
    /// Damages a row of a copy, to see whether that is found: only a shop with `consistency.allow_damage` lets it.
    Damage {
        /// The copy, as in `orders.view`.
        copy: String,
        /// The row's key.
        key: String,
        /// `change`, `delete`, `add`, `older` or `newer`.
        damage: String,
    },
}

/// How a check is made.
#[derive(Debug, Args)]
pub struct ConsistencyCheck {
    /// Contents too, not versions only.
    #[arg(long)]
    pub deep: bool,
    /// Repairs rows that diverge, at most 500, and checks once more.
    #[arg(long)]
    pub repair: bool,
    /// One pair or book only, as in `orders.view` or `books.money`.
    #[arg(long, value_name = "PAIR")]
    pub pair: Option<String>,
}
