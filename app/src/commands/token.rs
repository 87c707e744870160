//! `madrigal token issue`.

use std::io::Write;
use std::time::Duration;

use anyhow::anyhow;
use madrigal_core::Host;
use madrigal_http::{Role, TokenSigner};
use serde_json::json;

use crate::cli::{TokenCommand, TokenRole};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit::Ended;
use crate::output::{self, Format, Out};

/// Prints the token alone on standard output, so that it can be assigned; as JSON, with its end.
pub(super) fn issue(config: &Config, format: Format, command: &TokenCommand) -> anyhow::Result<()> {
    let TokenCommand::Issue { subject, role, minutes } = command;
    if subject.is_empty() || subject.len() > 100 || !subject.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Ended::Usage("--subject has 1 to 100 visible ASCII characters".to_owned()).into());
    }
    if *role == TokenRole::Customer && subject.parse::<i64>().is_err() {
        return Err(Ended::Usage("--subject of a customer is the user's id, a number".to_owned()).into());
    }
    let data = DataDir::open(&config.data)?;
    let host = Host::system();
    let signer = TokenSigner::load_or_create(&data.signing_key(), &host).map_err(|fault| anyhow!(fault.chain()))?;
    let role = match role {
        TokenRole::Customer => Role::Customer,
        TokenRole::Operator => Role::Operator,
        TokenRole::Service => Role::Service,
    };
    let lifetime = Duration::from_secs(u64::from(*minutes) * 60);
    let (token, expires_at) = signer.issue(&host, subject, role, lifetime);
    if format == Format::Table {
        writeln!(Out::lock(), "{token}")?;
        output::message(&format!("valid until {expires_at}"));
    } else {
        output::document(format, &json!({ "token": token, "expiresAt": expires_at }))?;
    }
    Ok(())
}
