//! `madrigal up` and `madrigal serve`: processes that stay.

use std::net::SocketAddr;

use anyhow::Context;
use madrigal_core::Host;
use madrigal_core::tasks;
use madrigal_http::serve as serve_http;
use madrigal_telemetry::{LogOptions, Traces};
use tokio::net::TcpListener;

use super::signals::{Again, stop_on_signals};
use crate::cli::{Serve, Service, Settings, Up};
use crate::client::Shop;
use crate::compose::{Composed, Demo, Wiring, compose_all, compose_one};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::{demo, output};

/// Said when the process is told to stop.
const STOPPING: &str = "stopping: requests under way are finished first";

pub(super) async fn up(settings: &Settings, up: Up) -> anyhow::Result<()> {
    let config = Config::load(settings, up.listen.map(|listen| (listen, None)))?.config;
    logs(&config);
    let host = Host::system();
    survive_file_size_limits()?;
    let data = DataDir::open(&config.data)?;
    let listener = listen(config.listen).await?;
    let address = listener.local_addr()?;
    let shown = up.demo.then(Demo::default);
    // The recorder of metrics comes first: what is counted before it counts nothing.
    madrigal_telemetry::metrics::metrics()?;
    let traces = madrigal_telemetry::init_traces(&host);
    let composed = compose_all(&config, &data, &host, shown, &Wiring::direct()).await?;
    let stop = stop_on_signals(STOPPING, Again::Kills)?;
    let serving = stop.clone();
    let (router, background) = composed.start(&stop);
    let server = tasks::spawn("http server", serve_http(listener, router, serving));
    let url = format!("http://{address}");
    output::message(&format!("madrigal is up: {url}/ (API documentation at {url}/docs)"));
    if up.demo {
        let token = demo::token(&data)?;
        let shop = Shop::at(&url, Some(token.clone()))?;
        tokio::select! {
            () = stop.cancelled() => {}
            filled = demo::fill(&shop) => {
                filled.context("the demo shop could not be filled")?;
                output::message(&demo::hints(&url, &config, &token));
            }
        }
    }
    server.await.context("the server broke")?;
    background.ended().await;
    finish(traces).await;
    Ok(())
}

pub(super) async fn serve(settings: &Settings, serve: Serve) -> anyhow::Result<()> {
    let service = serve.service;
    let config = Config::load(settings, serve.listen.map(|listen| (listen, Some(service))))?.config;
    logs(&config);
    survive_file_size_limits()?;
    let data = DataDir::open(&config.data)?;
    let address = match service {
        Service::Gateway => config.listen,
        Service::UserService => config.user.listen,
        Service::CatalogService => config.catalog.listen,
        Service::OrderService => config.order.listen,
        Service::PaymentService => config.payment.listen,
        Service::NotificationService => config.notification.listen,
        Service::AnalyticsService => config.analytics.listen,
        Service::SyncService => config.sync.listen,
    };
    let listener = listen(address).await?;
    let address = listener.local_addr()?;
    madrigal_telemetry::metrics::metrics()?;
    let host = Host::system();
    let traces = madrigal_telemetry::init_traces(&host);
    let composed: Composed = compose_one(service, &config, &data, &host).await?;
    let stop = stop_on_signals(STOPPING, Again::Kills)?;
    let (router, background) = composed.start(&stop);
    output::message(&format!("{} is up: http://{address}/", service.name()));
    serve_http(listener, router, stop).await;
    background.ended().await;
    finish(traces).await;
    Ok(())
}

/// The last spans end with the last of the background work.
async fn finish(traces: Option<Traces>) {
    if let Some(traces) = traces {
        traces.finish().await;
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn logs(config: &Config) {
    // A level that is no filter was refused with the configuration; logging twice cannot happen in one process.
    let options = LogOptions { json: config.log.json, level: config.log.level.clone() };
    if let Err(error) = madrigal_telemetry::init_logs(&options) {
        output::message(&format!("logs: {error}"));
    }
}

/// A write beyond the largest size of a file (`ulimit -f`) is to be an error like that of a full disk. By default the system
/// ends the process with SIGXFSZ; where somebody listens for that signal it does not, and what is heard is of no interest.
fn survive_file_size_limits() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    /// The same on Linux (but for MIPS), macOS and the BSDs.
    const SIGXFSZ: i32 = 25;
    // The system's handler stays when the listener is dropped.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop).context("SIGXFSZ cannot be listened for")
}
