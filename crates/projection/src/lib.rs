//! madrigal-projection: being built.
