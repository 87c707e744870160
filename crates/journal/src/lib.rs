//! madrigal-journal: being built.
