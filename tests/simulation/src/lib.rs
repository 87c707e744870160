//! The order path in a deterministic simulation: the services' own code on simulated disks, network and clock, with
//! crashes, lost, doubled and late messages, slow syncs and zombies; afterwards every book must balance.
//!
//! `docs/simulation.md` says how to run it. Modules in reading order:
//!
//! * [`mod@run`]: one seed from beginning to end; [`plan`]: what is drawn from it;
//! * [`shop`]: the services and their machines; [`customers`]: who orders; [`blows`]: what goes wrong;
//! * [`books`] and [`invariants`]: what must hold at rest; [`mutants`]: proof that the invariants see something;
//! * [`seeds`]: those that ever failed;
//! * [`kit`]: both sagas over their real participants, for the saga engine's test kit.

pub mod blows;
pub mod books;
pub mod customers;
pub mod invariants;
pub mod kit;
pub mod mutants;
pub mod plan;
pub mod run;
pub mod seeds;
pub mod shop;

pub use invariants::{Invariant, Violation};
pub use mutants::Mutant;
pub use run::{Outcome, run};
