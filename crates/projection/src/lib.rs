//! Projections fold events into rows; reactors act on events. Both follow a log from a checkpoint, park what they cannot
//! handle without holding up the rest, and refuse to run on another history than the one they know.
//!
//! Modules in reading order:
//!
//! * [`view`]: rows, columns, checkpoints, batches, queries; [`store`]: the port [`ViewStore`]; [`memory`]: its reference;
//! * [`projection`]: the pure fold; [`runner`]: what keeps a view in step; [`reader`]: reads as fresh as a token asks;
//! * [`parking`] and [`control`]: what could not be handled, and the operator's verbs; [`managed`]: generations and what an
//!   operator does with them;
//! * [`offsets`], [`consumer`], [`reactor`]: consumers with effects, which are never rebuilt; [`settling`]: what they parked,
//!   told again;
//! * [`progress`]: status, lag, and why something does not go on; [`upcast`]: old events in their current form.

pub mod consumer;
pub mod control;
pub mod generations;
pub mod managed;
pub mod memory;
pub mod offsets;
pub mod parking;
pub mod progress;
pub mod projection;
pub mod reactor;
pub mod reader;
pub mod runner;
pub mod settling;
pub mod store;
pub mod upcast;
pub mod view;

pub use consumer::{ConsumerControl, ConsumerOptions, Delivery, HandleError};
pub use control::ProjectionControl;
pub use generations::{Candidate, Generation, Generations};
pub use managed::{
    Accepted, CandidateState, CandidateStatus, Compared, Comparison, Difference, DynManaged, ManagedProjection,
    OperateError, ParkedIn, PreviousStatus, ProjectionLag, ProjectionStatus, Refusal, ServingState, Verdict,
    WhyStalled,
};
pub use memory::MemoryViews;
pub use offsets::{DynOffsets, GroupBatch, GroupId, MemoryOffsets, Offsets};
pub use parking::{LaneReport, ParkedEvent, ParkedFilter, ParkedPayload, ParkingError, Skipped};
pub use progress::{Lag, RunError, Status};
pub use projection::{ApplyError, Interest, Projection};
pub use reactor::{Reactor, ReactorRunner};
pub use reader::{NotYet, ViewReader, Viewed};
pub use runner::{Mended, ProjectionRunner, RunnerOptions};
pub use settling::{Settling, TellAgain};
pub use store::{DynViewSnapshot, DynViewStore, ViewSnapshot, ViewStore};
pub use upcast::Upcaster;
pub use view::{Checkpoint, ColumnValue, Columns, Query, StoredRow, ViewBatch, ViewId};
