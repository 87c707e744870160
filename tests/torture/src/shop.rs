//! The shop as processes: all of them, and who listens where.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::join_all;
use madrigal_client::Shop;
use madrigal_core::Host;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_invariants::Violation;

use crate::options::Mode;
use crate::process::{NotReady, Process, Role, command};
use crate::verdict;

/// How long a process may take until it is ready. A debug build on a loaded machine recovers slowly.
const READY: Duration = Duration::from_secs(120);
/// How long a process may take to end after SIGTERM.
const END: Duration = Duration::from_secs(60);
/// Ports are taken from here: below those that systems give to outgoing connections, so that nobody else takes one while its
/// owner is dead.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// How often a start is repeated where somebody else has the port after all.
const PORT_TRIES: usize = 20;

/// The services that have data.
const SERVICES: [&str; 7] = ["user", "catalog", "order", "payment", "notification", "analytics", "sync"];

/// The processes of a shop on one directory.
#[derive(Debug)]
pub struct ShopProcesses {
    binary: PathBuf,
    dir: PathBuf,
    roles: Vec<Role>,
    /// By role; none while it is away.
    running: Vec<Option<Process>>,
    stop: StopSignal,
    /// From the start of a process to the first 200 of its `/readyz`, each time that it got that far.
    pub recoveries: Vec<Duration>,
}

/// A process could not be used any more: the run is over.
#[derive(Debug)]
pub enum Broken {
    /// It did not come up, or it ended by itself.
    Process(Violation),
    /// The run was stopped from outside.
    Stopped,
}

impl ShopProcesses {
    /// The shop of this mode in `dir`, which has the data in `data` and the logs in `logs`; nothing is started yet.
    ///
    /// # Errors
    /// Where the directories or the configuration cannot be written, or no port is free.
    pub fn plan(mode: Mode, binary: &Path, dir: &Path, stop: &StopSignal) -> anyhow::Result<Self> {
        let logs = dir.join("logs");
        std::fs::create_dir_all(&logs).with_context(|| format!("{} cannot be made", logs.display()))?;
        let role = |name: &'static str, address: SocketAddr, arguments: Vec<String>| {
            let log = logs.join(format!("{name}.log"));
            Role { name, address, arguments, log }
        };
        let shared = |words: &[&str]| -> Vec<String> {
            ["--data", "data"].iter().chain(words).map(|word| (*word).to_owned()).collect()
        };
        let mut addresses = free_addresses(SERVICES.len() + 1)?.into_iter();
        let mut next = || addresses.next().context("no port is free");
        let front = next()?;
        let mut roles = Vec::new();
        match mode {
            Mode::Whole => roles.push(role("shop", front, shared(&["up", "--listen", &front.to_string()]))),
            Mode::Services => {
                let mut text = String::new();
                for service in SERVICES {
                    let address = next()?;
                    writeln!(text, "[{service}]\nlisten = \"{address}\"\nurl = \"http://{address}\"")?;
                    let name = full_name(service);
                    roles.push(role(name, address, shared(&["--config", "services.toml", "serve", name])));
                }
                let listen = front.to_string();
                let words = ["--config", "services.toml", "serve", "gateway", "--listen", &listen];
                roles.push(role("gateway", front, shared(&words)));
                std::fs::write(dir.join("services.toml"), text)?;
            }
        }
        // The one that clients talk to is the last.
        let running = roles.iter().map(|_| None).collect();
        let (binary, dir) = (binary.to_owned(), dir.to_owned());
        Ok(Self { binary, dir, roles, running, stop: stop.clone(), recoveries: Vec::new() })
    }

    /// How many processes there are.
    pub fn count(&self) -> usize {
        self.roles.len()
    }

    /// The address that clients talk to.
    pub fn url(&self) -> String {
        self.roles.last().map(|role| format!("http://{}", role.address)).unwrap_or_default()
    }

    /// Starts those that are away.
    ///
    /// # Errors
    /// Where the binary does not start at all.
    pub fn start(&mut self) -> anyhow::Result<()> {
        for (role, running) in self.roles.iter().zip(&mut self.running) {
            if running.is_none() {
                *running = Some(Process::start(&self.binary, &self.dir, role)?);
            }
        }
        Ok(())
    }

    /// Kills these, and returns how many there were to kill.
    ///
    /// # Errors
    /// Where one had ended by itself before.
    pub fn kill(&mut self, victims: &[usize]) -> Result<usize, Broken> {
        let mut killed = 0;
        for victim in victims {
            if let Some(mut process) = self.running[*victim].take() {
                if let Some(status) = process.ended() {
                    return Err(Broken::Process(ended_by_itself(&process, status)));
                }
                process.kill();
                killed += 1;
            }
        }
        Ok(killed)
    }

    /// Waits until every process is ready; remembers how long those took that were not before.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn ready(&mut self, fresh: &[usize]) -> Result<(), Broken> {
        for attempt in 0.. {
            let stop = self.stop.clone();
            let waits = self.running.iter_mut().flatten().map(|process| process.ready(READY, &stop));
            let answers = join_all(waits).await;
            let mut lost_ports = Vec::new();
            for (index, answer) in answers.into_iter().enumerate() {
                let Some(process) = &self.running[index] else { continue };
                match answer {
                    Ok(took) if fresh.contains(&index) => self.recoveries.push(took),
                    Ok(_) => {}
                    Err(NotReady::Stopped) => return Err(Broken::Stopped),
                    Err(NotReady::Ended(_)) if attempt < PORT_TRIES && lost_port(process) => lost_ports.push(index),
                    Err(NotReady::Ended(status)) => return Err(Broken::Process(ended_by_itself(process, status))),
                    Err(NotReady::TooSlow) => {
                        let words = format!(
                            "{} is not ready {} s after its start; the end of its log:\n{}",
                            process.name(),
                            READY.as_secs(),
                            process.tail()
                        );
                        return Err(Broken::Process(Violation::new(verdict::STARTS_AGAIN, [process.name()], words)));
                    }
                }
            }
            if lost_ports.is_empty() {
                return Ok(());
            }
            tasks::sleep(Duration::from_millis(250)).await;
            for index in lost_ports {
                self.running[index] = Process::start(&self.binary, &self.dir, &self.roles[index]).ok();
            }
        }
        Ok(())
    }

    /// Asks all to end, as an operator would, and says who did not.
    pub async fn terminate(&mut self) -> Vec<Violation> {
        let mut found = Vec::new();
        // The gateway first: nothing is asked any more of the others.
        for running in self.running.iter_mut().rev() {
            let Some(mut process) = running.take() else { continue };
            match process.terminate(END).await {
                Ok(status) if status.code() == Some(0) => {}
                Ok(status) => {
                    let words = format!("{} ended with {status} after SIGTERM:\n{}", process.name(), process.tail());
                    found.push(Violation::new(verdict::STARTS_AGAIN, [process.name()], words));
                }
                Err(error) => {
                    found.push(Violation::new(verdict::STARTS_AGAIN, [process.name()], format!("{error:#}")));
                }
            }
        }
        found
    }

    /// Runs a command of the binary on the shop's data to its end: whether it succeeded, and what it printed.
    ///
    /// # Errors
    /// Where the binary does not run.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        let mut command = command(&self.binary, &self.dir);
        command.args(["--data", "data", "--url", &self.url()]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = tasks::blocking(move || command.output()).await??;
        let mut text = String::from_utf8_lossy(&ended.stdout).into_owned();
        if !ended.status.success() {
            text.push_str(&String::from_utf8_lossy(&ended.stderr));
        }
        Ok((ended.status.success(), text.trim().to_owned()))
    }

    /// A token, as an operator makes one.
    ///
    /// # Errors
    /// Where the command fails.
    pub async fn token(&self, subject: &str, role: &str) -> anyhow::Result<String> {
        let arguments = ["token", "issue", "--subject", subject, "--role", role, "--minutes", "1440"];
        let (succeeded, text) = self.run(&arguments).await?;
        if !succeeded {
            bail!("no token for {subject}: {text}");
        }
        Ok(text)
    }

    /// The shop, asked with a token.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn client(&self, token: String) -> anyhow::Result<Shop> {
        Ok(Shop::at(&self.url(), Some(token))?)
    }

    /// The logs of all processes.
    pub fn logs(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.roles.iter().map(|role| (role.name, role.log.as_path()))
    }
}

fn full_name(service: &str) -> &'static str {
    match service {
        "user" => "user-service",
        "catalog" => "catalog-service",
        "order" => "order-service",
        "payment" => "payment-service",
        "analytics" => "analytics-service",
        "sync" => "sync-service",
        _ => "notification-service",
    }
}

fn ended_by_itself(process: &Process, status: std::process::ExitStatus) -> Violation {
    let words = format!(
        "{} ended by itself ({status}), {} ms after its start; the end of its log:\n{}",
        process.name(),
        process.age().as_millis(),
        process.tail()
    );
    Violation::new(verdict::STARTS_AGAIN, [process.name()], words)
}

fn lost_port(process: &Process) -> bool {
    process.tail().lines().last().is_some_and(|line| line.contains("cannot listen on"))
}

/// Addresses on loopback that were free a moment ago; drawn from the system's chance, so that runs with the same seed do not
/// get in each other's way.
fn free_addresses(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let host = Host::system();
    let mut held = Vec::new();
    for _ in 0..1_000 {
        let port = PORTS.start + u16::try_from(host.random_u64() % u64::from(PORTS.end - PORTS.start))?;
        // Held until all are found, so that none is found twice.
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            held.push(listener);
        }
        if held.len() == count {
            return Ok(held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?);
        }
    }
    bail!("there are no {count} free ports between {} and {}", PORTS.start, PORTS.end)
}
