//! Everything that writes: one task, the [`StockDesk`], decides all commands in order and makes them durable in groups.
//!
//! * [`command`]: what may be asked, and the answers;
//! * `working`: the state that one group of commands works on, and the events that it gathers;
//! * `memory`: what the desk remembers of the log between groups;
//! * `decide`: one command against that state;
//! * [`desk`]: the queue, the task, the group's append;
//! * [`edit`]: edits that were made elsewhere, merged; [`rate`]: ratings, beside the desk;
//! * [`answers`]: other services' calls; [`expiry`]: what nobody needs any more.

pub mod answers;
pub mod command;
mod decide;
pub mod desk;
pub mod edit;
pub mod expiry;
mod memory;
pub mod rate;
mod working;

pub use answers::CatalogAnswers;
pub use command::{Command, Effect, ProductChange, ProductSaved, Reply};
pub use desk::{DeskOptions, ProductListener, StockDesk};
pub use edit::{EditError, EditMerger, MergedEdit, ProductEdit, ProductVersions};
pub use expiry::Expiry;
pub use rate::RatingDesk;
pub use working::{Fulfilled, Shelf, Slip};
