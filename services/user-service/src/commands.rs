//! What changes users, and logging in.

mod change;
mod choose;
mod erase;
mod log_in;
mod merge;
mod password;
mod register;
mod save;

pub(crate) use change::{ChangeError, ChangeUser, Changed, change};
pub(crate) use choose::{ChooseError, ChooseValue, choose};
pub(crate) use erase::{EraseError, erase, finish as finish_erasures};
pub(crate) use log_in::{LogInError, log_in};
pub(crate) use merge::rules as merge_rules;
pub(crate) use password::{ChangePasswordError, change_password};
pub(crate) use register::{RegisterError, RegisterUser, register};
