//! What the console is told: by which names it is reached, when its streams end, who operates a demonstration.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::Host;
use madrigal_core::tasks::StopSignal;
use madrigal_gateway::{ConsoleParts, DemoHints};
use madrigal_http::{Role, TokenSigner};

use super::{Background, Demo};
use crate::config::Config;

/// How long the token of a demonstration's operator counts.
const DEMO_LIFETIME: Duration = Duration::from_secs(8 * 3_600);

/// The console's part of the gateway, and what ends its streams when the process stops.
pub(super) fn console(config: &Config) -> (ConsoleParts, (&'static str, Background)) {
    let closing = StopSignal::new();
    let mut hosts = config.console.hosts.clone();
    hosts.push(config.listen.ip().to_string());
    let parts = ConsoleParts { hosts, secure: config.console.secure, closing: closing.clone() };
    let work: Background = Box::new(move |stop| {
        Box::pin(async move {
            stop.cancelled().await;
            closing.cancel();
        })
    });
    (parts, ("console", work))
}

/// What the log-in page of a demonstration shows. Only where nobody else can reach the page may whoever opens it operate
/// the shop.
pub(super) fn hints(config: &Config, demo: Demo, signer: &Arc<TokenSigner>, host: &Host) -> DemoHints {
    let (signer, host) = (Arc::clone(signer), host.clone());
    let issue = move || signer.issue(&host, "demo", Role::Operator, DEMO_LIFETIME).0;
    let operator: Option<Arc<dyn Fn() -> String + Send + Sync>> =
        if config.listen.ip().is_loopback() { Some(Arc::new(issue)) } else { None };
    DemoHints { login: demo.login, password: demo.password, operator }
}
