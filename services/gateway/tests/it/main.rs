//! The gateway from the outside.

#[cfg(test)]
mod console;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod routing;
