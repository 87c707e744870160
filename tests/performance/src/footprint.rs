//! What `madrigal up` takes when nothing happens.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use madrigal_core::tasks::{self, StopSignal};
use serde_json::{Value, json};

use crate::process::ShopProcess;
use crate::report::{Common, Report, Tell, Wanted, interruptible, seconds};
use crate::{cold, reopen};

/// Starts a shop and looks at it after some seconds without requests: time until it is ready, memory, CPU time, threads.
///
/// An empty one, the same again, a demo shop, the same again; and with --data DIR the shop of that directory. That one is started as
/// it is, on its own files: they are opened for writing, as by `madrigal up` (views that are behind catch up, sagas that are open go
/// on). Nothing is asked of it but `/readyz`. It must not run.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds without requests before memory is read.
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub idle: f64,
    /// The binary that is measured; this one by default.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// Runs it; `existing` is the data directory of a shop that is measured, too.
///
/// # Errors
/// Where a shop does not start, or [`crate::Interrupted`].
pub async fn run(options: Options, existing: Option<PathBuf>, tell: Tell, stop: StopSignal) -> anyhow::Result<Value> {
    let existing = existing.map(|dir| dir.canonicalize().with_context(|| format!("there is no {}", dir.display())));
    let existing = existing.transpose()?;
    if let Some(dir) = &existing {
        // Starting would make a new shop.
        anyhow::ensure!(dir.join("auth").is_dir(), "{} is not the data directory of a shop", dir.display());
    }
    let settings = json!({ "idleSeconds": options.idle, "data": existing, "binary": options.binary });
    let durability = "fdatasync before every answer; views rebuildable, all on";
    let mut report = Report::begin("footprint", &options.common, &settings, durability, tell, &stop)?;
    interruptible(&stop, measure(&options, existing, &mut report)).await?;
    report.finish()
}

async fn measure(options: &Options, existing: Option<PathBuf>, report: &mut Report) -> anyhow::Result<()> {
    let binary = reopen::binary(options.binary.as_deref())?;
    let bytes = std::fs::metadata(&binary)?.len();
    report.put("binaryBytes", json!(bytes));
    report.line(&format!("binary      {:.1} MiB", bytes as f64 / f64::from(1 << 20)));
    report.line(&format!(
        "{:<22} {:>9} {:>9} {:>9} {:>8} {:>10} {:>9}",
        "", "ready ms", "RSS MiB", "most MiB", "threads", "CPU ms/s", "disk MiB"
    ));
    // A demo shop is ready to use when its hints begin to be printed, after its orders were placed.
    let (empty, demo) = (report.dir().join("empty"), report.dir().join("demo"));
    let mut shops = vec![
        ("empty, first start", empty.clone(), &[][..], ""),
        ("empty, again", empty, &[], ""),
        ("demo shop, filled", demo.clone(), &["--demo"], "The demo shop is open"),
        ("demo shop, again", demo, &[], ""),
    ];
    shops.extend(existing.map(|dir| ("existing", dir, &[][..], "")));
    let mut rows = Vec::new();
    for (name, data, arguments, line) in shops {
        let process = ShopProcess::start(&binary, &data, report.dir(), (arguments, &[]), line).await?;
        tasks::sleep(Duration::from_secs_f64(options.idle)).await;
        let before = process.cpu()?;
        tasks::sleep(Duration::from_secs(2)).await;
        let idle_cpu = (process.cpu()? - before).as_secs_f64() * 1e3 / 2.0;
        let (resident, most) = process.memory()?;
        let (ready, threads, disk) =
            (process.ready_after().as_secs_f64() * 1e3, process.threads()?, cold::bytes_below(&data));
        report.line(&format!(
            "{name:<22} {ready:>9.0} {:>9} {:>9} {threads:>8} {idle_cpu:>10.1} {:>9}",
            resident >> 20,
            most >> 20,
            disk >> 20
        ));
        rows.push(json!({
            "shop": name, "readyMillis": ready, "residentBytes": resident, "mostResidentBytes": most,
            "threads": threads, "idleCpuMillisPerSecond": idle_cpu, "bytesOnDisk": disk,
        }));
        if name == "empty, first start" {
            report.goal("ms until an empty shop is ready", Wanted::AtMost(1_000.0), ready);
            let mebibytes = resident as f64 / f64::from(1 << 20);
            report.goal("MiB resident, idle, empty", Wanted::AtMost(64.0), mebibytes);
        }
        if name == "existing" {
            report.goal("ms until the existing shop is ready", Wanted::AtMost(3_000.0), ready);
        }
    }
    report.put("shops", Value::Array(rows));
    Ok(())
}
