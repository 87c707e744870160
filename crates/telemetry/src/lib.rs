//! madrigal-telemetry: being built.
