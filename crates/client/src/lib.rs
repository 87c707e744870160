//! A running shop asked over its public API: what the command line's commands and the tests that judge a shop from outside
//! have in common. It knows HTTP, JSON and problems, and no route.

mod answer;
mod error;
mod shop;

pub use answer::Answer;
pub use error::AskError;
pub use shop::Shop;
