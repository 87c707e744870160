//! What spans services: placing an order and cancelling one.

pub mod cancel_order;
pub mod delivery;
mod mailer;
pub mod mails;
pub mod place_order;
pub mod standing;
pub mod step;
