//! madrigal-notification-service: being built.
