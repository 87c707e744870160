//! madrigal-saga: being built.
