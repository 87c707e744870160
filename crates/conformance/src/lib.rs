//! madrigal-conformance: being built.
