//! The whole shop over HTTP, on embedded engines: what a customer, an operator and an attacker would see.

mod bad_input;
mod cancelling;
mod personal_data;
mod placing;
mod races;
mod restarts;
mod unknown_outcomes;
