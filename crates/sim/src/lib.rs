//! Deterministic simulation: several processes with their disks, the network between them and the time they live in, in
//! one thread, all of it a function of a seed.
//!
//! What runs in it is the real code; only what [`madrigal_core::Host`], [`madrigal_core::tasks`] and the ports reach is
//! simulated. A seed that broke something breaks it again, with the same trace, byte by byte. Modules in reading order:
//!
//! * [`world`]: the thread, the clock, the seed; [`dice`]: chance; [`trace`]: what happened;
//! * [`network`]: messages that are lost, doubled and late; [`link`]: typed calls over it;
//! * [`machine`]: a process and its disk: started, killed, left as a zombie, started again;
//! * [`remote`]: an event store behind the network; [`witness`]: what stores acknowledged;
//! * [`keepers`]: views and offsets that outlive a process.

pub mod dice;
pub mod keepers;
pub mod link;
pub mod machine;
pub mod network;
pub mod remote;
pub mod trace;
pub mod witness;
pub mod world;

pub use dice::Dice;
pub use keepers::{SlowOffsets, SlowViews};
pub use link::{Link, Place};
pub use machine::{Machine, Server};
pub use network::{Cut, Fate, Network, Weather};
pub use remote::{RemoteStore, StoreServer};
pub use trace::Trace;
pub use witness::{Acknowledged, Witness};
pub use world::World;
