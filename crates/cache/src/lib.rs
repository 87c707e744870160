//! A cache in two levels that an invalidation always wins against.
//!
//! The first level lies in the process ([`Cache`]); a second one behind a port ([`SecondLevel`]) may be shared by many.
//! Every entry carries its owner's version, and both levels take a value only if no invalidation that they know of is newer
//! than it: neither a load that was under way, nor an owner's copy that answers late, brings an old value back.
//!
//! * **Loading**: one load per key at a time in a process, whose result is shared; a loader that is cancelled hands over to
//!   one that waits. Beyond a soft limit an expired value is served while the load goes on; beyond a hard one it is given up.
//! * **Invalidating**: by key, with the commit's version where it is known, by tag, and by pattern over keys. The writer does
//!   it right after its commit, before it answers; whoever follows the events does it again. After a gap in the events
//!   [`Cache::age_all`] makes every entry prove itself anew.
//! * **What is served**: fresh values; expired ones only where the owner fails, for as long as [`Ttl`] says, counted; never
//!   an invalidated one. A read that must see its own write says so ([`Cache::get_since`]).
//! * **What is not promised**: a read that began before an invalidation may still be answered with what it then read. It is
//!   just not kept.
//!
//! Everything is bounded: the first level by weight, remembered invalidations and keys by number ([`CacheOptions`]).
//!
//! Modules in reading order:
//!
//! * [`entry`]: what fetchers return and readers get; [`change`]: what an invalidation says; [`pattern`]: globs over keys;
//! * [`marks`]: the rule itself: which values an invalidation lets in, without time, tasks or engines;
//! * [`options`], [`builder`], [`cache`]: the first level; `turn`, `load`: who loads, and loading; `index`: keys by prefix and tag;
//!   `measure`: what is counted;
//! * [`second`]: the port of the second level; [`memory`]: one in the process; `shared`: how a cache uses it;
//! * [`inspect`]: whether what is cached is right.

pub mod builder;
pub mod cache;
pub mod change;
pub mod entry;
mod index;
pub mod inspect;
mod load;
pub mod marks;
mod measure;
pub mod memory;
pub mod options;
pub mod pattern;
pub mod second;
mod shared;
mod turn;

pub use builder::CacheBuilder;
pub use cache::Cache;
pub use change::{Change, Which};
pub use entry::{Cached, Loaded, Source, Ttl};
pub use inspect::{Inspection, Listed, Wrong};
pub use measure::CacheStats;
pub use memory::MemoryLevel;
pub use options::CacheOptions;
pub use pattern::Pattern;
pub use second::{SecondLevel, Seen, Stored};
