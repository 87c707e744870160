//! madrigal-gateway: being built.
