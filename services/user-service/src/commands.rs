//! What changes users, and logging in.

mod change;
mod log_in;
mod register;

pub(crate) use change::{ChangeError, ChangeUser, change};
pub(crate) use log_in::{LogInError, log_in};
pub(crate) use register::{RegisterError, RegisterUser, register};
