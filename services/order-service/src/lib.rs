//! madrigal-order-service: being built.
