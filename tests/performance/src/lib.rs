//! What the figures of `docs/performance.md` are measured with: the shop as a process of its own, on a directory of its own,
//! loaded over HTTP by a client that costs little and whose cost is shown.
//!
//! * [`process`]: starts `madrigal up`, reads its CPU time and memory from `/proc`.
//! * [`wire`]: HTTP/1.1 over one kept connection, as little as is needed.
//! * [`workload`]: which order comes next; [`stock`]: the products and customers that orders are about.
//! * [`load`]: closed and open loops. [`settle`]: waiting for views and sagas afterwards.
//! * [`device`]: what the disk does by itself, in the same run. [`machine`]: where it was measured.

pub mod device;
pub mod load;
pub mod machine;
pub mod process;
pub mod settle;
pub mod stock;
pub mod wire;
pub mod workload;
