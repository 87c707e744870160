//! madrigal-payment-service: being built.
