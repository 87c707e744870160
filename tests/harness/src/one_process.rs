//! A whole shop in the test's own process, reached over HTTP.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use madrigal::client::Shop;
use madrigal::compose::{Running, Switches, Wiring, compose_all};
use madrigal::config::Config;
use madrigal::data_dir::DataDir;
use madrigal_core::Host;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_http::{Role, TokenSigner};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running shop; dropped, it stops without ceremony and its data goes.
pub struct OneProcess {
    data: TempDir,
    address: SocketAddr,
    stop: StopSignal,
    server: JoinHandle<()>,
    background: Running,
    signer: TokenSigner,
    wiring: Wiring,
    configure: fn(&mut Config),
    /// The shop, asked as an operator.
    pub shop: Shop,
}

impl OneProcess {
    /// Starts an empty shop.
    ///
    /// # Errors
    /// Where something cannot be opened.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Wiring::direct()).await
    }

    /// Starts an empty shop with a configuration of its own.
    ///
    /// # Errors
    /// Where something cannot be opened.
    pub async fn start_configured(configure: fn(&mut Config)) -> anyhow::Result<Self> {
        Self::start_on(tempfile::tempdir()?, Wiring::direct(), configure).await
    }

    /// Starts an empty shop whose services call each other as `wiring` says.
    ///
    /// # Errors
    /// Where something cannot be opened.
    pub async fn start_with(wiring: Wiring) -> anyhow::Result<Self> {
        Self::start_on(tempfile::tempdir()?, wiring, |_| {}).await
    }

    /// The switches of a shop that was started with them.
    pub fn switches(&self) -> &Switches {
        self.wiring.switches()
    }

    /// Stops the shop and starts it again on the same data.
    ///
    /// # Errors
    /// Where something cannot be opened.
    pub async fn restart(self) -> anyhow::Result<Self> {
        self.restart_after(async |_| Ok(())).await
    }

    /// Stops the shop, lets `meanwhile` at its data, and starts it again.
    ///
    /// # Errors
    /// Where something cannot be opened, or `meanwhile` says so.
    pub async fn restart_after(self, meanwhile: impl AsyncFnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        self.stop.cancel();
        self.server.await?;
        self.background.ended().await;
        freed(self.data.path()).await?;
        meanwhile(self.data.path()).await?;
        freed(self.data.path()).await?;
        Self::start_on(self.data, self.wiring, self.configure).await
    }

    async fn start_on(data: TempDir, wiring: Wiring, configure: fn(&mut Config)) -> anyhow::Result<Self> {
        let mut config = Config { data: data.path().to_owned(), ..Config::default() };
        // The least that argon2 takes: tests are not about the cost of a hash.
        config.user.hash_memory_kib = 8;
        configure(&mut config);
        let host = Host::system();
        let dir = DataDir::open(data.path())?;
        let composed = compose_all(&config, &dir, &host, None, &wiring).await?;
        let signer = TokenSigner::load_or_create(&dir.signing_key(), &host)?;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let stop = StopSignal::new();
        let (router, background) = composed.start(&stop);
        let server = tasks::spawn("http server", madrigal_http::serve(listener, router, stop.clone()));
        let (token, _) = signer.issue(&host, "tests", Role::Operator, Duration::from_secs(3_600));
        let shop = Shop::at(&format!("http://{address}"), Some(token))?;
        Ok(Self { data, address, stop, server, background, signer, wiring, configure, shop })
    }

    /// A token, signed with the shop's key.
    pub fn token(&self, subject: &str, role: Role) -> String {
        self.signer.issue(&Host::system(), subject, role, Duration::from_secs(3_600)).0
    }

    /// The shop, asked without a token.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn anonymous(&self) -> anyhow::Result<Shop> {
        Ok(Shop::at(&format!("http://{}", self.address), None)?)
    }

    /// Where the shop listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

/// How long the last handles on a journal may take to go.
const FREED: Duration = Duration::from_secs(10);

/// Waits until every journal below `dir` is closed. A journal is freed when its last handle is dropped, and a task that
/// has ended may hold one until its thread has dropped it; a process that ends frees all at once.
async fn freed(dir: &Path) -> anyhow::Result<()> {
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.file_name().is_some_and(|name| name == "lock") {
                let file = File::options().read(true).write(true).open(&path)?;
                let freed = tasks::within(FREED, async {
                    while file.try_lock().is_err() {
                        tasks::sleep(Duration::from_millis(1)).await;
                    }
                });
                freed.await.with_context(|| format!("{} is still in use", path.display()))?;
            }
        }
    }
    Ok(())
}

impl std::fmt::Debug for OneProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneProcess").field("address", &self.address).finish_non_exhaustive()
    }
}
