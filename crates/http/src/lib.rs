//! madrigal-http: being built.
