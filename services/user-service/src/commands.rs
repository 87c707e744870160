//! What changes users, and logging in.

mod change;
mod erase;
mod log_in;
mod password;
mod register;

pub(crate) use change::{ChangeError, ChangeUser, change};
pub(crate) use erase::{EraseError, erase, finish as finish_erasures};
pub(crate) use log_in::{LogInError, log_in};
pub(crate) use password::{ChangePasswordError, change_password};
pub(crate) use register::{RegisterError, RegisterUser, register};
