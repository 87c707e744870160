//! What may be asked of the desk, and what it answers.

use std::sync::Arc;

use madrigal_core::{Position, StreamVersion};

use crate::domain::{
    Details, Price, Product, ProductId, ProductPatch, ProductRefusal, ReleaseCause, RequestKey, ReservationLine,
    SagaKey, Short, Stock, StockRefusal,
};

/// A command; each touches a bounded number of streams.
#[derive(Debug, Clone)]
pub enum Command {
    /// Hold all lines for a saga, or none.
    Reserve {
        /// The saga.
        saga: SagaKey,
        /// The order that it is for.
        order_id: String,
        /// Each product once, each quantity at least 1.
        lines: Vec<(String, u32)>,
    },
    /// Give back what a saga holds.
    Release {
        /// The saga.
        saga: SagaKey,
        /// Why.
        cause: ReleaseCause,
    },
    /// Sell what a saga holds.
    Confirm {
        /// The saga.
        saga: SagaKey,
    },
    /// Take back what a saga sold or holds.
    TakeBack {
        /// The saga.
        saga: SagaKey,
    },
    /// Receive (positive) or correct (negative) a stock.
    ChangeStock {
        /// The product.
        product: ProductId,
        /// By how many.
        change: i64,
        /// Why.
        reason: String,
    },
    /// Something about a product itself.
    ChangeProduct {
        /// The product.
        product: ProductId,
        /// What.
        change: ProductChange,
    },
    /// Something about a product or its stock, once: asked again under its key it has no further effect and the same answer.
    Once {
        /// The key.
        key: RequestKey,
        /// What; [`Command::ChangeStock`] or [`Command::ChangeProduct`].
        command: Box<Command>,
    },
}

/// A command about a product itself.
#[derive(Debug, Clone)]
pub enum ProductChange {
    /// Create it.
    Create {
        /// What it is.
        details: Details,
        /// What it costs.
        price: Price,
        /// How many are received at once; 0 is none.
        initial_stock: i64,
    },
    /// Create it, or make it look like this.
    Import {
        /// What it is.
        details: Details,
        /// What it costs.
        price: Price,
        /// How many are received at once where it is new; ignored elsewhere.
        initial_stock: i64,
    },
    /// Change some fields.
    Patch {
        /// The version that the caller knows.
        expected: StreamVersion,
        /// Which.
        patch: Box<ProductPatch>,
    },
    /// Take it out of the catalogue.
    Withdraw {
        /// The version that the caller knows.
        expected: StreamVersion,
    },
}

impl Command {
    /// How many events it may have, as far as that is known before its state is loaded.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Reserve { lines, .. } => lines.len() + 1,
            Self::Once { command, .. } => command.weight() + 1,
            _ => 2,
        }
    }
}

/// An answer; positions are those of the catalogue's log, durable when the answer is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The lines are held (now, or since an earlier call).
    Reserved {
        /// In the order asked.
        lines: Vec<ReservationLine>,
        /// Where it is recorded.
        position: Position,
    },
    /// Nothing is held.
    OutOfStock {
        /// The lines that cannot be served.
        lines: Vec<Short>,
    },
    /// Nothing is held: it was undone before.
    ReservationGone,
    /// The saga holds something else under this key.
    OtherContent,
    /// Undone.
    Undone {
        /// Whether this call found nothing to undo.
        nothing_to_undo: bool,
        /// Where it is recorded.
        position: Position,
    },
    /// Cannot be released: it is sold.
    AlreadySold,
    /// Sold.
    Sold {
        /// Where it is recorded.
        position: Position,
    },
    /// Confirmed after its release.
    SoldAfterRelease {
        /// Where that is recorded.
        position: Position,
    },
    /// There is no such reservation.
    NoReservation,
    /// The stock was changed.
    StockChanged {
        /// The stock now.
        stock: Stock,
        /// The version of its stream.
        version: StreamVersion,
        /// Where it is recorded.
        position: Position,
    },
    /// The stock was not changed.
    StockRefused(StockRefusal),
    /// The product is as asked.
    ProductSaved(ProductSaved),
    /// The product was not changed.
    ProductRefused(ProductRefusal),
    /// The key was used for something else before.
    OtherRequest,
    /// The product is at another version.
    OtherVersion {
        /// Where it is.
        current: StreamVersion,
    },
}

/// A product after a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductSaved {
    /// The product.
    pub id: ProductId,
    /// Its state.
    pub product: Arc<Product>,
    /// The version of its stream.
    pub version: StreamVersion,
    /// Its stock.
    pub stock: Stock,
    /// Whether it is new, changed, or was like this already.
    pub effect: Effect,
    /// Where it is recorded; [`Position::START`] where nothing was written.
    pub position: Position,
}

/// What a command did to a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is new.
    Created,
    /// It changed.
    Changed,
    /// It was like this already.
    Unchanged,
}

impl Reply {
    /// Fills in the position of the group that made it durable, where the answer has none of its own yet.
    pub(super) fn recorded_at(mut self, group: Position) -> Self {
        match &mut self {
            Self::Reserved { position, .. }
            | Self::Undone { position, .. }
            | Self::Sold { position }
            | Self::SoldAfterRelease { position }
            | Self::StockChanged { position, .. }
            | Self::ProductSaved(ProductSaved { position, .. })
                if *position == IN_THIS_GROUP =>
            {
                *position = group;
            }
            _ => {}
        }
        self
    }
}

/// Stands for "the position of the group that is being decided", which is known only when it is durable.
pub(super) const IN_THIS_GROUP: Position = Position(u64::MAX);
