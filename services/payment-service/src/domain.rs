//! The rules of one payment: pure state, pure decisions.
//!
//! [`event`] is what can happen to it, [`payment`] what it is and what may happen next, [`terms`] what was agreed.

pub mod event;
pub mod payment;
pub mod terms;

pub use event::{EventDecodeError, PaymentEvent};
pub use payment::{ChargeDecision, Payment, PaymentState, RefundDecision};
pub use terms::{Terms, TermsError};
