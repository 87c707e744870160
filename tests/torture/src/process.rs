//! One process of the binary: started, killed, ended.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use madrigal_client::Shop;
use madrigal_core::tasks::{self, Instant, StopSignal};
use reqwest::Method;

/// How often a process that is not ready is asked again.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// How much of a log is shown where something went wrong.
const TAIL: usize = 2_000;

/// How to start one process of the shop.
#[derive(Debug, Clone)]
pub struct Role {
    /// As in `order-service`, or `shop` for the whole.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// What stands on its command line.
    pub arguments: Vec<String>,
    /// Where its standard error goes; appended to.
    pub log: PathBuf,
}

/// A process of the shop. Killed when dropped; nobody else's process is ever touched.
#[derive(Debug)]
pub struct Process {
    role: Role,
    child: Child,
    started: Instant,
}

/// Why a process is not ready.
#[derive(Debug)]
pub enum NotReady {
    /// It ended by itself.
    Ended(ExitStatus),
    /// It took longer than it may.
    TooSlow,
    /// The run was stopped.
    Stopped,
}

/// A command of the binary that sees nothing of this process's surroundings but the directory.
pub(crate) fn command(binary: &Path, dir: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .current_dir(dir)
        .stdin(Stdio::null())
        // Of a group of its own: Ctrl-C reaches this process, which ends its children itself.
        .process_group(0);
    command
}

impl Process {
    /// Starts it; it is not ready yet.
    ///
    /// # Errors
    /// Where the binary does not start at all.
    pub fn start(binary: &Path, dir: &Path, role: &Role) -> anyhow::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(&role.log);
        let log: File = log.with_context(|| format!("{} cannot be written", role.log.display()))?;
        let child = command(binary, dir)
            .args(&role.arguments)
            // Hashing passwords is not what this is about.
            .env("MADRIGAL_USER__HASH_MEMORY_KIB", "8")
            .env("MADRIGAL_LOG__LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        Ok(Self { role: role.clone(), child, started: tasks::instant() })
    }

    /// As in `order-service`.
    pub const fn name(&self) -> &'static str {
        self.role.name
    }

    /// The time since it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and how it ended; killed past `limit`.
    ///
    /// # Errors
    /// Where it did not end within the limit.
    pub async fn terminate(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        sent.context("kill does not run")?;
        let ended = tasks::within(limit, async {
            loop {
                if let Some(status) = self.ended() {
                    return status;
                }
                tasks::sleep(ASK_EVERY).await;
            }
        });
        let ended = ended.await;
        self.kill();
        ended.with_context(|| format!("{} did not end within {} s of SIGTERM", self.name(), limit.as_secs()))
    }

    /// Waits until `/readyz` answers 200; returns the time since the start.
    ///
    /// # Errors
    /// [`NotReady`].
    pub async fn ready(&mut self, limit: Duration, stop: &StopSignal) -> Result<Duration, NotReady> {
        let Ok(shop) = Shop::at(&format!("http://{}", self.role.address), None) else { return Err(NotReady::TooSlow) };
        loop {
            if let Some(status) = self.ended() {
                return Err(NotReady::Ended(status));
            }
            let asked = tasks::within(Duration::from_secs(5), shop.send(shop.request(Method::GET, "/readyz"))).await;
            if let Some(Ok(answer)) = asked
                && answer.status == 200
            {
                return Ok(self.age());
            }
            if self.age() > limit {
                return Err(NotReady::TooSlow);
            }
            if tasks::sleep_or_stopped(ASK_EVERY, stop).await {
                return Err(NotReady::Stopped);
            }
        }
    }

    /// The end of its log, for people.
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.role.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL)..]).into_owned();
        text.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
