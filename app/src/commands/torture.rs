//! `madrigal torture`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use madrigal_core::Host;
use madrigal_torture::{Mode, Options, TortureError};

use super::signals::{Again, stop_on_signals};
use crate::cli::{Settings, Torture, TortureMode};
use crate::exit::Ended;
use crate::output::{self, Format, Out};

/// Seeds that are drawn stay readable.
const SEEDS: u64 = 1_000_000_000;

pub(super) async fn run(settings: &Settings, torture: Torture) -> anyhow::Result<()> {
    let host = Host::system();
    let seed = torture.seed.unwrap_or_else(|| host.random_u64() % SEEDS);
    let binary = torture.binary.map_or_else(std::env::current_exe, Ok).context("this program's file is not known")?;
    let modes = match torture.mode {
        TortureMode::Whole => vec![Mode::Whole],
        TortureMode::Services => vec![Mode::Services],
        TortureMode::Both => vec![Mode::Whole, Mode::Services],
    };
    let options = Options {
        modes,
        kills: torture.kills as usize,
        clients: torture.clients as usize,
        seed,
        // Only the flag: a shop's own data directory, from the environment or a file, is nothing to be tortured.
        dir: settings.data.clone().unwrap_or_else(|| fresh_directory(seed)),
        keep: torture.keep,
        binary,
    };
    // What was started is killed, and there is no verdict.
    let stop = stop_on_signals("stopping: what was started is killed", Again::Waits)?;
    let report = match madrigal_torture::torture(&options, &stop, &output::message).await {
        Ok(report) => report,
        Err(error @ TortureError::NotEmpty(_)) => return Err(Ended::Refused(error.to_string()).into()),
        Err(error @ TortureError::Stopped { .. }) => return Err(Ended::CouldNotCheck(error.to_string()).into()),
        Err(TortureError::Other(error)) => return Err(error),
    };
    match settings.output {
        Format::Table if !torture.json => Out::lock().write_all(report.table().as_bytes())?,
        Format::Table | Format::Json => output::document(Format::Json, &report.json())?,
        Format::Ndjson => output::document(Format::Ndjson, &report.json())?,
    }
    match report.violations() {
        0 => Ok(()),
        count => anyhow::bail!("{count} violations with seed {seed}"),
    }
}

/// Below `target` where there is one, else among the temporary files; of this process alone.
fn fresh_directory(seed: u64) -> PathBuf {
    let name = format!("madrigal-torture-{seed}-{}", std::process::id());
    let target = Path::new("target");
    if target.is_dir() { target.join(name) } else { std::env::temp_dir().join(name) }
}
