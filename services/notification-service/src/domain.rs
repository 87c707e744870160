//! The rules of one mail: its [`key`], what happens to it ([`event`]), and what it looks like when exported ([`eml`]).

pub mod eml;
pub mod event;
pub mod key;

pub use event::{EventDecodeError, MailEvent, MailRequested, MailState};
pub use key::{MailKey, MailKeyError};
