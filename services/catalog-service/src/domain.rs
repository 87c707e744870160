//! Pure decisions and state: products, stock, reservations. No clock, no store, no calls.
//!
//! Kinds of streams: `product-{id}` ([`product`]), `stock-{productId}` ([`stock`]), `reservation-{sagaId}`
//! ([`reservation`]), `rating-{productId}~{customer}` ([`rating`]) and `request-{digest}` ([`request`]). A reservation's stream and the stock of its lines are always written in one append.

pub mod event;
pub mod ids;
pub mod product;
pub mod rating;
pub mod request;
pub mod reservation;
pub mod stock;

pub use event::UnreadableEvent;
pub use ids::{ProductId, SagaKey};
pub use product::{
    Attribute, Category, Details, Price, Product, ProductEvent, ProductPatch, ProductRefusal, ProductStatus,
};
pub use rating::{ProductRated, Ratings, Stars};
pub use request::{Request, RequestKey};
pub use reservation::{
    ConfirmDecision, ReleaseCause, Reservation, ReservationEvent, ReservationLine, ReserveDecision, Short, Standing,
    UndoDecision,
};
pub use stock::{BooksBroken, Stock, StockEvent, StockRefusal};
