//! analytics-service from its topics to its routes.

#[cfg(test)]
mod collecting;
#[cfg(test)]
mod parking;
#[cfg(test)]
mod property;
#[cfg(test)]
mod refreshing;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod support;
