//! madrigal-harness: being built.
