//! What can be listed: [`mail_list`].

pub mod mail_list;

pub use mail_list::{MailList, MailRow};
