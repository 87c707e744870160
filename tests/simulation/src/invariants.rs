//! What must hold at rest. Each invariant is one function with a name.

mod answers;
mod logs;
mod money;
mod sagas;
mod stock;

use std::fmt;

use crate::books::Books;

/// A rule that must hold at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// Every log can be opened after every crash.
    LogsOpen,
    /// Positions of a log and versions of a stream count from 1 without gaps.
    PositionsDense,
    /// Every event that a store acknowledged is in its log, at its place.
    NothingDurableLost,
    /// Every saga ends by itself, or after it was resumed, and can be read.
    SagasEnd,
    /// After a runner took a saga over, nothing of an earlier runner is in its stream.
    NoZombieWrites,
    /// What customers were told stays true: orders that were acknowledged are there, once, with their lines; those that
    /// were refused are not; cancelled ones are cancelled, shipped ones shipped.
    AnswersStayTrue,
    /// Nothing is reserved.
    NothingReserved,
    /// What came in is on the shelf or sold, and sold is what the orders that stand have.
    StockBalances,
    /// The provider never charged twice for one saga.
    ChargedOnce,
    /// What is charged and not given back is what the orders that stand come to, order by order, and payments say the same.
    MoneyAgrees,
    /// Every placed order has one confirmation in the outbox, every cancelled one one cancellation; nothing else has any;
    /// each was delivered.
    OneMailEach,
    /// The order view is what the log folds to.
    ViewEqualsFold,
    /// The subscriber heard every message of the topic once.
    HeardOnce,
}

impl Invariant {
    /// Its name in reports and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogsOpen => "logs-open",
            Self::PositionsDense => "positions-dense",
            Self::NothingDurableLost => "nothing-durable-lost",
            Self::SagasEnd => "sagas-end",
            Self::NoZombieWrites => "no-zombie-writes",
            Self::AnswersStayTrue => "answers-stay-true",
            Self::NothingReserved => "nothing-reserved",
            Self::StockBalances => "stock-balances",
            Self::ChargedOnce => "charged-once",
            Self::MoneyAgrees => "money-agrees",
            Self::OneMailEach => "one-mail-each",
            Self::ViewEqualsFold => "view-equals-fold",
            Self::HeardOnce => "heard-once",
        }
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub found: String,
}

impl Violation {
    /// A violation.
    pub fn new(invariant: Invariant, found: impl Into<String>) -> Self {
        Self { invariant, found: found.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.found)
    }
}

type Check = fn(&Books) -> Vec<String>;

/// Everything that does not hold.
pub fn violations(books: &Books) -> Vec<Violation> {
    let checks: [(Invariant, Check); 11] = [
        (Invariant::PositionsDense, logs::positions_dense),
        (Invariant::NothingDurableLost, logs::nothing_durable_lost),
        (Invariant::NoZombieWrites, sagas::no_zombie_writes),
        (Invariant::AnswersStayTrue, answers::answers_stay_true),
        (Invariant::NothingReserved, stock::nothing_reserved),
        (Invariant::StockBalances, stock::stock_balances),
        (Invariant::ChargedOnce, money::charged_once),
        (Invariant::MoneyAgrees, money::money_agrees),
        (Invariant::OneMailEach, answers::one_mail_each),
        (Invariant::ViewEqualsFold, logs::view_equals_fold),
        (Invariant::HeardOnce, logs::heard_once),
    ];
    let found = checks
        .into_iter()
        .flat_map(|(invariant, check)| check(books).into_iter().map(move |found| Violation { invariant, found }));
    let mut all: Vec<Violation> = found.collect();
    all.extend(sagas::sagas_end(books).into_iter().map(|found| Violation::new(Invariant::SagasEnd, found)));
    all
}
