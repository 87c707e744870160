//! The gateway from the outside.

#[cfg(test)]
mod console;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod routing;
