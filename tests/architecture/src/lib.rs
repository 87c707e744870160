//! madrigal-architecture: being built.
