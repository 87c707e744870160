//! madrigal-bus: being built.
