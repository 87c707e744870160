//! The gateway from the outside.

#[cfg(test)]
mod pages;
#[cfg(test)]
mod routing;
