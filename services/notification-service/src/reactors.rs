//! What notification-service does when it hears something: [`delivery`] hands what is in the outbox to the sender.

pub mod delivery;

pub use delivery::{DeliveryReactor, DeliveryStatus};
