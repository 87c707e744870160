//! Views over the catalogue's log: [`products`] with their stock, [`open_reservations`].

pub mod open_reservations;
pub mod products;

pub use open_reservations::{OpenReservation, OpenReservations};
pub use products::{ProductRow, ProductView};
