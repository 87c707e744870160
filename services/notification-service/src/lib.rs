//! notification-service: an outbox with exactly one mail per order and kind, delivered at least once.
//!
//! Rooms in reading order:
//!
//! * [`domain`]: a mail's key, its events, and what it looks like as a file;
//! * [`store`]: the streams `mail-{orderId}.{kind}`; [`commands`]: putting a mail into the outbox;
//! * [`sender`]: the port to whoever delivers; [`reactors`]: the way from the outbox to the sender;
//! * [`projections`], [`queries`]: the list of mails, and one mail with its content;
//! * [`http`]: the public routes; [`topics`]: what others may hear; [`config`], [`service`]: putting it together.
//!
//! What a mail says is sealed with its recipient's key before it comes here; it is opened only to be shown, exported or
//! sent, and where the key is gone the mail says so.

pub mod commands;
pub mod config;
pub mod domain;
pub mod http;
pub mod projections;
pub mod queries;
pub mod reactors;
pub mod sender;
pub mod service;
pub mod store;
pub mod topics;

pub use config::NotificationConfig;
pub use sender::{Delivery, Letter, MailSender, Showcase};
pub use service::{NotificationNeighbours, NotificationService};
