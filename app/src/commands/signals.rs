//! What SIGTERM and SIGINT do to a command that has something to end in order.

use madrigal_core::tasks::{self, StopSignal};
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// What a second SIGINT does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It ends this process at once.
    Kills,
    /// Nothing: other processes would be left behind.
    Waits,
}

/// Stops on SIGTERM and SIGINT, and says so.
///
/// # Errors
/// Where the system does not let this process listen.
pub(super) fn stop_on_signals(says: &'static str, again: Again) -> anyhow::Result<StopSignal> {
    let stop = StopSignal::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = stop.clone();
    tasks::spawn("signals", async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        output::message(says);
        signalled.cancel();
        if again == Again::Kills {
            interrupt.recv().await;
            std::process::exit(130);
        }
    });
    Ok(stop)
}
