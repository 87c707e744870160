//! Whether copies say what their owners say: fences, digests, verdicts, repair.
//!
//! An owner and its copies are [`RowSet`]s: rows under keys, each with a version, read in the order of their keys. Where a
//! set was read is a position token, so that a copy that is behind is never taken for one that is wrong, and one that is
//! wrong never for one that is behind. Modules in reading order:
//!
//! * [`canonical`]: one form of content, whatever the engine; [`digest`]: many rows in one small value;
//! * [`row`]: rows, keys, ranges; [`row_set`]: the port that an owner and a copy answer;
//! * [`verdict`]: what is said; inside: `judge`, the rule for one row; [`pair`], [`options`], [`pace`];
//! * [`check`]: the sweep; [`verify`]: rows one by one; [`repair`]: the owner's row once more;
//! * [`memory`]: an owner and a copy in memory, for tests and for measuring.

pub mod canonical;
pub mod check;
pub mod digest;
mod judge;
pub mod memory;
pub mod options;
pub mod pace;
pub mod pair;
pub mod repair;
pub mod row;
pub mod row_set;
pub mod verdict;
pub mod verify;

pub use canonical::Content;
pub use digest::Digest;
pub use options::CheckOptions;
pub use pace::Pace;
pub use pair::{Pair, PairError};
pub use repair::{Budget, Outcome, Policy, RepairEntry};
pub use row::{Detail, KeyRange, Row, number_key};
pub use row_set::{
    Changed, ChunkDigest, Cut, Damage, DigestAsk, Digests, DynRowSet, PageRead, Planted, Reached, RepairRow, Repaired,
    RowSet, RowsRead, Seen, SetDescription, SetKind, reach,
};
pub use verdict::{Behind, Cost, Divergence, Issue, PairReport, Verdict};
