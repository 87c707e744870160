//! How commands ask a running shop: over its public API, like everybody else.

use std::time::Duration;

use madrigal_core::Host;
use madrigal_http::{Role, TokenSigner};

use crate::cli::Settings;
use crate::config::Config;
use crate::data_dir::DataDir;

pub use madrigal_client::{Answer, AskError, Shop};

/// How long a token that a command makes for itself counts.
const OWN_TOKEN: Duration = Duration::from_secs(12 * 60 * 60);

/// The shop of the settings, with the token of the settings or one made from the data directory's key.
///
/// # Errors
/// Where the client cannot be built.
pub fn connect(settings: &Settings, config: &Config) -> Result<Shop, AskError> {
    let token = settings.token.clone().or_else(|| own_token(config));
    Shop::at(&config.url, token)
}

/// An operator's token, for whoever may read the data directory's key.
fn own_token(config: &Config) -> Option<String> {
    let data = config.data.is_dir().then(|| DataDir::open(&config.data).ok()).flatten()?;
    let text = std::fs::read_to_string(data.signing_key()).ok()?;
    let signer = TokenSigner::from_text(text.trim())?;
    Some(signer.issue(&Host::system(), "cli", Role::Operator, OWN_TOKEN).0)
}
