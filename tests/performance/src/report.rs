//! What every benchmark takes, tells while it runs, and writes at its end.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{device, machine};

/// What every benchmark takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where data is written, in a new directory that is removed at the end; on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = "target/performance")]
    pub dir: PathBuf,
    /// Where the figures are written as JSON; by default in --dir, under the benchmark's name and the time.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Seconds for which the disk is measured by itself, for each of two sizes; 0 leaves it out.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub device_seconds: f64,
}

/// Reads a number of seconds.
///
/// # Errors
/// In words, where it is no number from 0 to a day.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 86400 is expected".to_owned()),
    }
}

/// Reads a number of seconds that is not 0.
///
/// # Errors
/// As [`seconds`].
pub fn some_seconds(text: &str) -> Result<f64, String> {
    seconds(text)
        .and_then(|seconds| if seconds > 0.0 { Ok(seconds) } else { Err("0 seconds measure nothing".to_owned()) })
}

/// Reads a number that is at least 1 and at most a thousand million.
///
/// # Errors
/// In words, where it is none.
pub fn count(text: &str) -> Result<u64, String> {
    match text.replace('_', "").parse::<u64>() {
        Ok(count) if (1..=1_000_000_000).contains(&count) => Ok(count),
        _ => Err("a whole number from 1 to 1000000000 is expected".to_owned()),
    }
}

/// Where a benchmark's lines for people go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// To standard output.
    Output,
    /// To standard error: standard output is for the document.
    Error,
}

/// Somebody stopped the benchmark: nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: what was started is stopped, and no figures were written")]
pub struct Interrupted;

/// Fails where `stop` was given.
///
/// # Errors
/// [`Interrupted`].
pub fn check(stop: &StopSignal) -> Result<(), Interrupted> {
    if stop.is_cancelled() { Err(Interrupted) } else { Ok(()) }
}

/// The result of `work`, which is dropped where `stop` comes first.
///
/// # Errors
/// Those of `work`; [`Interrupted`].
pub async fn interruptible<T>(stop: &StopSignal, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Interrupted.into()),
        result = work => result,
    }
}

/// Runs the future that `work` makes on one thread of its own, with its own timers and sockets: a load generator that
/// shares the machine with what it loads should not wake others.
///
/// # Errors
/// Those of the future, and where the thread cannot have a runtime.
///
/// # Cancellation
/// The thread goes on; `work` looks at its own stop signal.
pub async fn on_one_thread<T, F, W>(work: W) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
    W: FnOnce() -> F + Send + 'static,
{
    let run = move || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work());
    tasks::blocking(run).await.context("the benchmark broke")?
}

/// A benchmark that runs.
#[derive(Debug)]
pub struct Report {
    stop: StopSignal,
    tell: Tell,
    json: PathBuf,
    data: TempDir,
    document: Value,
    goals: Vec<Value>,
}

impl Report {
    /// Begins one: makes its directory, looks at the machine, measures the disk.
    ///
    /// # Errors
    /// Where the directory cannot be written, or [`Interrupted`].
    pub fn begin(
        name: &str,
        common: &Common,
        settings: &Value,
        durability: &str,
        tell: Tell,
        stop: &StopSignal,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&common.dir).with_context(|| format!("cannot make {}", common.dir.display()))?;
        let data = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&common.dir);
        let data = data.with_context(|| format!("cannot write in {}", common.dir.display()))?;
        let began = Host::system().now();
        let json = common.json.clone().unwrap_or_else(|| common.dir.join(format!("{name}-{}.json", stamp(began))));
        let document = json!({
            "benchmark": name, "version": env!("CARGO_PKG_VERSION"), "began": began.to_string(),
            "debugBuild": cfg!(debug_assertions), "machine": machine::describe(data.path()), "commit": machine::commit(),
            "durability": durability, "settings": settings,
        });
        let mut report = Self { stop: stop.clone(), tell, json, data, document, goals: Vec::new() };
        report.line(&format!("machine     {}", report.document["machine"]));
        report.line(&format!("commit      {}; durability: {durability}", report.document["commit"]));
        if cfg!(debug_assertions) {
            report.line("this is a debug build: its figures mean nothing");
        }
        if common.device_seconds > 0.0 {
            let limit = Duration::from_secs_f64(common.device_seconds);
            let measured = device::measure(report.data.path(), limit, stop)?;
            for size in measured.as_array().into_iter().flatten() {
                report.line(&format!(
                    "device      {} bytes: {} write + fdatasync a second, p50 {} µs, p99 {} µs, p99.9 {} µs",
                    size["bytes"], size["syncsPerSecond"], size["p50Micros"], size["p99Micros"], size["p999Micros"]
                ));
            }
            report.put("device", measured);
        }
        Ok(report)
    }

    /// Its own directory.
    pub fn dir(&self) -> &Path {
        self.data.path()
    }

    /// Given when it is to end.
    pub const fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// Tells a person something, at once.
    pub fn line(&self, text: &str) {
        let _ = match self.tell {
            Tell::Output => writeln!(std::io::stdout(), "{text}"),
            Tell::Error => writeln!(std::io::stderr(), "{text}"),
        };
    }

    /// Adds a part to the document.
    pub fn put(&mut self, name: &str, value: Value) {
        self.document[name] = value;
    }

    /// Compares a figure with a goal of the project, where it was measured with the settings that the goal is about.
    pub fn goal(&mut self, goal: &str, wanted: Wanted, measured: f64) {
        let (met, sign, limit) = match wanted {
            Wanted::AtLeast(limit) => (measured >= limit, "≥", limit),
            Wanted::AtMost(limit) => (measured <= limit, "≤", limit),
        };
        self.line(&format!(
            "goal        {goal}: {} (wanted {sign} {}): {}",
            rounded(measured),
            rounded(limit),
            if met { "met" } else { "not met" }
        ));
        self.goals.push(json!({ "goal": goal, "wanted": format!("{sign} {limit}"), "measured": measured, "met": met }));
    }

    /// Ends it: writes the document to its file and returns it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<Value> {
        self.document["goals"] = Value::Array(std::mem::take(&mut self.goals));
        self.document["ended"] = json!(Host::system().now().to_string());
        self.document["loadAverageAfter"] = json!(machine::load_average());
        if let Some(dir) = self.json.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&self.json, serde_json::to_vec_pretty(&self.document)?)
            .with_context(|| format!("cannot write {}", self.json.display()))?;
        self.line(&format!("load average {} at the end; written to {}", machine::load_average(), self.json.display()));
        Ok(self.document)
    }
}

/// What a goal asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// A figure with as many digits as it deserves.
fn rounded(figure: f64) -> String {
    if figure.abs() >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.2}") }
}

/// A time as a part of a file's name.
fn stamp(time: Timestamp) -> String {
    time.to_string().chars().filter(|sign| !matches!(sign, ':' | '-')).take_while(|sign| *sign != '.').collect()
}
