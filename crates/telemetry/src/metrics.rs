//! Metrics, as Prometheus reads them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::names;

/// Bounds of all histograms, in seconds: from a write to memory to a request that is given up. 0.2 is what copies are promised
/// to take at most.
const BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// How often samples are folded into their histograms between scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The process's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up: somebody else set them up for this process before")]
pub struct MetricsError;

/// The process's metrics, set up at the first call.
///
/// Samples of histograms are kept one by one until somebody folds them: run [`Metrics::run`], or memory grows between
/// scrapes.
///
/// # Errors
/// Where another recorder was installed before.
pub fn metrics() -> Result<Metrics, MetricsError> {
    static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = &*installed {
        return Ok(metrics.clone());
    }
    let recorder = PrometheusBuilder::new().set_buckets(BUCKETS).map_err(|_| MetricsError)?.build_recorder();
    let metrics = Metrics { handle: recorder.handle() };
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError)?;
    names::describe();
    *installed = Some(metrics.clone());
    Ok(metrics)
}

/// Measures how many bytes can still be written in a service's directory.
#[expect(clippy::cast_precision_loss, reason = "a gauge; nobody tells 2^53 bytes from one more")]
pub fn measure_storage_free(service: &'static str, bytes: u64) {
    metrics::gauge!(names::STORAGE_FREE, "service" => service).set(bytes as f64);
}

impl Metrics {
    /// Everything, in the Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds samples into their histograms every 5 s, until `stop`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn run(&self, stop: StopSignal) {
        while !tasks::sleep_or_stopped(UPKEEP_EVERY, &stop).await {
            self.handle.run_upkeep();
        }
    }
}
