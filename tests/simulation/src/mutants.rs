//! Mutants: our own safety code, taken out. Each breaks one guarantee at the port that gives it, so that the code under
//! test needs no switches; each must be caught by the invariant that is named here.

mod disk;
mod provider;
mod stores;

use std::sync::Arc;

use clap::ValueEnum;
use madrigal_event_store::DynEventStore;
use madrigal_journal::{Disk, MemoryDisk};
use madrigal_payment_service::provider::PaymentProvider;
use madrigal_projection::DynViewStore;
use madrigal_sim::link::Guess;
use madrigal_sim::{Server, SlowViews};
use serde_json::json;

use self::disk::Lie;
use crate::invariants::Invariant;
use crate::shop::{Role, Shop};

/// A guarantee that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// Sagas' records are appended whatever the stream's version is: the epoch fences nobody.
    NoEpochCheck,
    /// The undo of something never seen leaves nothing behind, neither in the catalogue nor in payments nor at the provider.
    NoTombstone,
    /// A sync says that it is done before anything is on the device.
    AnswerBeforeSync,
    /// The lock of a log's directory is given to everybody.
    NoLock,
    /// A subscriber's checkpoint is durable before the effect of its messages.
    CheckpointBeforeEffect,
    /// A view's checkpoint is durable before its rows.
    ViewCheckpointFirst,
    /// Each request to the provider has a key of its own: it cannot recognise a repetition.
    DedupOff,
    /// A subscriber's effect does not recognise a message that came before.
    ConsumerDedupOff,
    /// A charge whose outcome nobody knows is taken for one that was not made.
    NotSeenAsNo,
    /// A pivot whose append has an unknown outcome is taken for refused, and the saga compensates without looking.
    PivotCompensatedBlindly,
}

impl Mutant {
    /// All of them.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// Its name on the command line, as in `no-epoch-check`.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(|| format!("{self:?}"), |value| value.get_name().to_owned())
    }

    /// The invariants that a run of this mutant may break; it is caught where one of them is.
    pub const fn caught_by(self) -> &'static [Invariant] {
        match self {
            Self::NoEpochCheck => &[Invariant::NoZombieWrites],
            Self::NoTombstone => &[Invariant::MoneyAgrees, Invariant::NothingReserved, Invariant::StockBalances],
            Self::NoLock => &[Invariant::LogsOpen],
            Self::AnswerBeforeSync => &[Invariant::NothingDurableLost],
            Self::CheckpointBeforeEffect | Self::ConsumerDedupOff => &[Invariant::HeardOnce],
            Self::ViewCheckpointFirst => &[Invariant::ViewEqualsFold],
            Self::DedupOff => &[Invariant::ChargedOnce],
            Self::NotSeenAsNo | Self::PivotCompensatedBlindly => &[Invariant::MoneyAgrees],
        }
    }

    /// The service whose store must be on another machine for the mutant to show.
    pub const fn needs_remote(self) -> Option<Role> {
        match self {
            Self::NoEpochCheck | Self::PivotCompensatedBlindly => Some(Role::Order),
            _ => None,
        }
    }

    /// What callers make of a call whose outcome they do not know.
    pub(crate) fn guess(self) -> Option<Guess> {
        (self == Self::NotSeenAsNo).then(|| {
            let guess = |name: &'static str| {
                (name == "payment.charge").then(|| json!({ "outcome": "declined", "reason": "not seen" }))
            };
            Arc::new(guess) as Guess
        })
    }
}

/// What a machine's processes see of its disk.
pub(crate) fn mount(mutant: Option<Mutant>, disk: MemoryDisk) -> Arc<dyn Disk> {
    // Slow and quick syncs, as devices have them.
    match mutant {
        Some(Mutant::AnswerBeforeSync) => Arc::new(disk::LyingDisk { disk, about: Lie::Syncs }),
        Some(Mutant::NoLock) => Arc::new(disk::LyingDisk { disk, about: Lie::Locks }),
        _ => Arc::new(disk),
    }
}

/// The store that a service works on.
pub(crate) fn wrap_store(mutant: Option<Mutant>, role: Role, store: DynEventStore) -> DynEventStore {
    match (mutant, role) {
        (Some(Mutant::NoEpochCheck), Role::Order) => stores::Broken::over(store, stores::Unfenced),
        (Some(Mutant::PivotCompensatedBlindly), Role::Order) => stores::Broken::over(store, stores::Blind::default()),
        (Some(Mutant::NoTombstone), Role::Catalog | Role::Payment | Role::Provider) => {
            stores::Broken::over(store, stores::Forgetful::default())
        }
        _ => store,
    }
}

/// The provider that payment-service asks.
pub(crate) fn wrap_provider(mutant: Option<Mutant>, provider: Arc<dyn PaymentProvider>) -> Arc<dyn PaymentProvider> {
    match mutant {
        Some(Mutant::DedupOff) => Arc::new(provider::NewKeys::new(provider)),
        _ => provider,
    }
}

/// The views that a service keeps.
pub(crate) fn slow_views(shop: &Shop, role: Role, server: &Server) -> DynViewStore {
    let dice = shop.world.dice(&format!("views of {} {}", role.log(), server.life));
    let views = SlowViews::new(shop.kept(role).views, dice);
    Arc::new(views.with_checkpoint_first(shop.mutant == Some(Mutant::ViewCheckpointFirst)))
}
