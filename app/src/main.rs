//! The binary `madrigal`: one process of the shop, or a command to a running one.

use std::process::ExitCode;
use std::time::Duration;

use madrigal::exit::report;
use madrigal::{cli, commands};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a thread for blocking work waits for more. They wake in turns, so that with a longer one the polls of an idle
/// shop keep all alive that its start needed, each with memory of its own.
const IDLE_THREADS_LIVE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = cli::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().thread_keep_alive(IDLE_THREADS_LIVE).build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::new(error).context("the runtime did not start")),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}
