//! The shop as a process of its own, and what `/proc` says of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_core::tasks;

use crate::machine::kib;

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, 100 on every Linux that Rust runs on here.
const TICKS: f64 = 100.0;
/// How long a shop may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// A running `madrigal up`; killed when dropped.
///
/// It runs with the defaults: without a configuration file, and without what the environment says with `MADRIGAL_`.
#[derive(Debug)]
pub struct ShopProcess {
    child: Child,
    address: String,
    log: PathBuf,
    ready_after: Duration,
}

impl ShopProcess {
    /// Starts `binary` on the directory `data` with these settings of its environment, and waits until `/readyz` answers 200
    /// and `ready_line` was logged. Its log is a file in `log_dir`, where it also runs.
    ///
    /// # Errors
    /// Where it does not start or is not ready in a minute.
    ///
    /// # Cancellation
    /// It is killed.
    pub async fn start(
        binary: &Path,
        data: &Path,
        log_dir: &Path,
        (arguments, settings): (&[&str], &[(&str, &str)]),
        ready_line: &str,
    ) -> anyhow::Result<Self> {
        let log = log_dir.join("shop.log");
        let stderr = File::create(&log)?;
        let began = tasks::instant();
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MADRIGAL_")) {
            command.env_remove(name);
        }
        let child = command
            .current_dir(log_dir)
            .arg("--data")
            .arg(std::path::absolute(data)?)
            .args(["up", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        let mut shop = Self { child, address: String::new(), log, ready_after: Duration::ZERO };
        loop {
            let text = fs::read_to_string(&shop.log)?;
            if let Some(address) = text.split_once("madrigal is up: http://").and_then(|(_, rest)| rest.split_once('/'))
                && text.contains(ready_line)
            {
                shop.address = address.0.to_owned();
                break;
            }
            if let Some(status) = shop.child.try_wait()? {
                bail!("the shop ended with {status}:\n{text}");
            }
            if began.elapsed() > READY {
                bail!("the shop is not up after {} s", READY.as_secs());
            }
            tasks::sleep(Duration::from_millis(2)).await;
        }
        while reqwest::get(format!("{}/readyz", shop.url())).await?.status() != reqwest::StatusCode::OK {
            if began.elapsed() > READY {
                bail!("the shop is not ready after {} s", READY.as_secs());
            }
            tasks::sleep(Duration::from_millis(2)).await;
        }
        shop.ready_after = began.elapsed();
        Ok(shop)
    }

    /// Where it listens, as in `127.0.0.1:4711`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From the start of the process to the first 200 of `/readyz`.
    pub const fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// CPU time used so far, user's and kernel's.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Resident memory now and at most so far, in bytes.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok((kib(&status, "VmRSS:").context("no VmRSS")?, kib(&status, "VmHWM:").context("no VmHWM")?))
    }

    /// The number of its threads.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn threads(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.child.id()))?.count())
    }

    /// The id of the process, for a profiler.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ShopProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process's threads have used; of threads that ended nothing is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Time on a core, to the nanosecond.
    pub cpu: Duration,
    /// How often a thread gave up a core, or had to.
    pub switches: u64,
}

impl Usage {
    /// So far; nothing where `/proc` does not say.
    pub fn now() -> Self {
        let mut usage = Self::default();
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        for thread in threads.map(|entry| entry.path()) {
            let text = |name: &str| fs::read_to_string(thread.join(name)).unwrap_or_default();
            let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            usage.cpu += Duration::from_nanos(number(text("schedstat").split(' ').next()));
            let status = text("status");
            let counts = status.lines().filter(|line| line.contains("voluntary_ctxt_switches:"));
            usage.switches += counts.map(|line| number(line.split_whitespace().last())).sum::<u64>();
        }
        usage
    }

    /// What was used after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(before.cpu), switches: self.switches.saturating_sub(before.switches) }
    }
}

/// CPU time that this process used so far.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the process is in parentheses and may hold anything; user and system time are the 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(')').context("an unknown /proc/PID/stat")?;
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
}
