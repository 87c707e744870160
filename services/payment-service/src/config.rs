//! What payment-service is told.

use std::path::PathBuf;

use crate::sandbox::SandboxOptions;

/// Where payment-service lives and how its provider behaves.
#[derive(Debug, Clone)]
pub struct PaymentConfig {
    /// The service's own directory. The payments' log is in `payment` below it, the sandbox provider's in `provider`:
    /// two owners who never open each other's.
    pub dir: PathBuf,
    /// How the sandbox provider behaves.
    pub sandbox: SandboxOptions,
}

impl PaymentConfig {
    /// The defaults, in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), sandbox: SandboxOptions::default() }
    }
}
