//! madrigal-catalog-service: being built.
