//! What the figures of `docs/performance.md` are measured with; behind `madrigal bench`.
//!
//! Every benchmark measures the disk by itself in the same run, counts failures apart, and writes where, how and with which
//! durability it was measured. Modules in reading order:
//!
//! * [`report`]: what every benchmark takes and writes; [`machine`]: where it ran; [`device`]: what the disk does by itself;
//!   [`latency`]: how long calls took; [`cold`]: files that are not in memory; [`reopen`]: opening in a process of its own;
//! * [`journal`]: appends beside the raw device and SQLite, and opening a long journal;
//! * [`store`]: streams, snapshots, the whole log, and opening a large store;
//! * [`projection`]: folding orders into the order view, in memory and into SQLite, while it is read;
//! * [`cache`]: hits, loads and invalidations on one core; [`consistency`]: sweeps over a pair;
//! * [`orders`]: the whole shop as a process of its own, loaded over HTTP; [`footprint`]: the same, idle;
//!   [`process`]: how it is started, and what `/proc` says of it;
//! * [`search`]: queries of a whole catalogue, over HTTP; [`sync`]: how long a change takes to every copy;
//! * [`year`]: a year of baskets that changes while all copies are checked, again and again.

pub mod cache;
pub mod cold;
pub mod consistency;
pub mod device;
pub mod footprint;
mod imports;
pub mod journal;
pub mod latency;
pub mod machine;
pub mod orders;
pub mod process;
pub mod projection;
pub mod reopen;
pub mod report;
pub mod search;
pub mod store;
pub mod sync;
pub mod year;

pub use report::{Common, Interrupted, Report, Tell, interruptible, on_one_thread};
