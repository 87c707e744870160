//! madrigal-sqlite: being built.
