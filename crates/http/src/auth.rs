//! Who calls: bearer tokens, signed and verified, and what handlers ask of the caller.

mod caller;
mod service_token;
mod signer;
mod token;
mod verifier;

pub(crate) use caller::Presented;
pub use caller::{Caller, MaybeCaller};
pub use service_token::{FixedToken, MintedToken, ServiceToken};
pub use signer::{PublicKey, TokenSigner};
pub use token::{Claims, Role, TokenError};
pub use verifier::TokenVerifier;
