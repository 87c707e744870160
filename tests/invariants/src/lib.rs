//! madrigal-invariants: being built.
