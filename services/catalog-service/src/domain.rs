//! Pure decisions and state: products, stock, reservations. No clock, no store, no calls.
//!
//! Three kinds of streams: `product-{id}` ([`product`]), `stock-{productId}` ([`stock`]) and `reservation-{sagaId}`
//! ([`reservation`]). A reservation's stream and the stock of its lines are always written in one append.

pub mod event;
pub mod ids;
pub mod product;
pub mod reservation;
pub mod stock;

pub use event::UnreadableEvent;
pub use ids::{ProductId, SagaKey};
pub use product::{
    Attribute, Category, Details, Price, Product, ProductEvent, ProductPatch, ProductRefusal, ProductStatus,
};
pub use reservation::{
    ConfirmDecision, ReleaseCause, Reservation, ReservationEvent, ReservationLine, ReserveDecision, Short, Standing,
    UndoDecision,
};
pub use stock::{BooksBroken, Stock, StockEvent, StockRefusal};
