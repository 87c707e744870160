//! madrigal-user-service: being built.
