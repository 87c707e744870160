//! Processes of the binary.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use madrigal::client::Shop;
use madrigal_core::tasks;

/// How long a process may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// A command of the binary on a data directory, with cheap password hashes and no configuration from outside.
pub(crate) fn madrigal(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madrigal"));
    command
        .current_dir(data)
        .env_remove("MADRIGAL_TOKEN")
        .env("MADRIGAL_DATA", data)
        .env("MADRIGAL_USER__HASH_MEMORY_KIB", "8")
        .env("MADRIGAL_LOG__LEVEL", "warn")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// An address on loopback that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// A process that serves; killed with SIGKILL when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// The whole shop on this data directory, at a free address, ready.
    pub(crate) async fn up(data: &Path) -> Self {
        let address = free_address();
        let mut command = madrigal(data);
        command.args(["up", "--listen", &address.to_string()]);
        Self::start(command, address).await
    }

    /// Starts a command that listens on `address`, and waits until it is ready.
    pub(crate) async fn start(command: Command, address: SocketAddr) -> Self {
        Self::start_logging(command, address, Stdio::inherit()).await
    }

    /// The same; its log goes to `log`.
    pub(crate) async fn start_logging(mut command: Command, address: SocketAddr, log: impl Into<Stdio>) -> Self {
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut process = Self { child, address };
        process.ready().await;
        process
    }

    /// The process's API with an operator's token from the data directory.
    pub(crate) fn shop(&self, data: &Path) -> Shop {
        let token = output(madrigal(data).args(["token", "issue", "--subject", "tests", "--minutes", "600"]));
        assert!(token.status.success(), "{}", String::from_utf8_lossy(&token.stderr));
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        Shop::at(&format!("http://{}", self.address), Some(token)).unwrap()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sets the largest size that a file may get by this process, in bytes or `unlimited`.
    pub(crate) fn limit_file_size(&self, limit: &str) {
        let pid = self.child.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:unlimited")]).status();
        assert!(limited.unwrap().success());
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code()
    }

    async fn ready(&mut self) {
        let shop = Shop::at(&format!("http://{}", self.address), None).unwrap();
        let waited = tasks::within(READY, async {
            loop {
                if let Ok(answer) = shop.send(shop.request(reqwest::Method::GET, "/readyz")).await
                    && answer.status == 200
                {
                    return;
                }
                if let Some(status) = self.child.try_wait().unwrap() {
                    panic!("the process ended with {status} before it was ready");
                }
                tasks::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_some(), "the process is not ready after {} s", READY.as_secs());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
