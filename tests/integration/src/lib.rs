//! madrigal-integration: being built.
