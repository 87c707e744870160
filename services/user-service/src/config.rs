//! What can be set.

use std::path::PathBuf;
use std::time::Duration;

use madrigal_contracts::rows::Planting;
use madrigal_core::{Secret, environment};

use crate::passwords::PasswordCost;

/// How user-service is set up.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// The service's own directory: `users.sqlite`, and `keys/` with the keys of persons. Created if missing.
    pub dir: PathBuf,
    /// Where the master key comes from. Default: a file of the service's own.
    pub master_key: MasterKeySource,
    /// What hashing a password costs.
    pub passwords: PasswordCost,
    /// How long a token of a log-in is good. Default one hour.
    pub session_lifetime: Duration,
    /// Whether damage may be planted in the copy that it keeps. Default: it may not.
    pub planting: Planting,
}

impl UserConfig {
    /// The defaults, in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            master_key: MasterKeySource::Own,
            passwords: PasswordCost::default(),
            session_lifetime: Duration::from_secs(3_600),
            planting: Planting::Refused,
        }
    }
}

/// Where the key comes from that wraps the keys of persons: 32 bytes in base64 (`openssl rand -base64 32`).
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// `keys/master.key` (mode 0600) in the service's directory, made at the first start.
    Own,
    /// This text.
    Given(Secret<String>),
    /// The content of this file; it is never made.
    File(PathBuf),
}

impl MasterKeySource {
    /// As `MADRIGAL_MASTER_KEY` or `MADRIGAL_MASTER_KEY_FILE` say; without either the service's own file.
    ///
    /// # Errors
    /// If both are set.
    pub fn from_environment() -> Result<Self, MasterKeySetTwice> {
        let text = environment::variable("MADRIGAL_MASTER_KEY").map(Secret::new);
        let file = environment::variable("MADRIGAL_MASTER_KEY_FILE").map(PathBuf::from);
        match (text, file) {
            (Some(_), Some(_)) => Err(MasterKeySetTwice),
            (Some(text), None) => Ok(Self::Given(text)),
            (None, Some(file)) => Ok(Self::File(file)),
            (None, None) => Ok(Self::Own),
        }
    }
}

/// Two sources for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MADRIGAL_MASTER_KEY and MADRIGAL_MASTER_KEY_FILE are both set; unset one")]
pub struct MasterKeySetTwice;
