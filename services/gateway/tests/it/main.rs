//! The gateway from the outside.

mod pages;
