//! Read models: pure folds of the orders' events.

pub mod order_sagas;
pub mod order_view;
