//! Merging two changes of one document that were made from the same version of it.
//!
//! First avoid it: one owner per field, and changes that name the version that they are based on. Where a writer *wants*
//! merging, it names its base, and each field is merged from that base by a rule that is declared with the schema:
//!
//! | rule | a field that both changed differently |
//! | --- | --- |
//! | `owner(NAME)` | the owner's value; also where only somebody else changed it |
//! | `last writer` | the later one |
//! | `max`, `min` | the greater, the smaller |
//! | `sum of deltas` | both changes are added to the base |
//! | `set union` | what either added, without what either removed |
//! | `three-way` | objects member by member, texts word by word, arrays element by element; a conflict where they meet |
//! | `ask a person` | a conflict |
//!
//! A field that one side left as it was in the base is the other side's. Every value that was given and does not stand
//! afterwards is a [`Loser`]: recorded, shown, and a person can choose it later. A merge never guesses: where a rule cannot
//! decide (two types, an overflow) the answer is a list of [`Conflict`]s, and nothing is merged.
//!
//! No I/O and no clock: the same input gives the same answer, whoever merges and in whatever process.
//!
//! Modules in reading order: [`path`] (fields), [`rules`] (what is declared, and its checks), [`merge()`] (the merge),
//! [`record`] (losers and conflicts).

pub mod merge;
pub mod path;
pub mod record;
pub mod rules;

mod decide;
mod three_way;

pub use merge::{MergeError, Merged, Merging, Side, merge};
pub use path::{BadPath, FieldPath};
pub use record::{Conflict, ConflictCause, Loser, Origin, Taken};
pub use rules::{Rule, Rules, RulesError, UnknownRule};
