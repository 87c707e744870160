//! Services and their neighbours, put together: all in one process, or one alone.

mod all;
mod analytics;
mod console;
mod health;
mod monitor;
mod one;
mod openapi;
mod sync;
mod watch;
mod wiring;

use std::path::PathBuf;

use axum::Router;
use futures::future::{BoxFuture, join_all};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_telemetry::Health;
use tokio::task::JoinHandle;

use crate::data_dir::DirLock;
use crate::demo;

pub use all::compose_all;
pub use one::compose_one;
pub use openapi::{DESCRIPTION, openapi};
pub use wiring::{Switches, Wiring};

/// What a demo shop shows on its first page.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The customer to log in as.
    pub login: String,
    /// Their password.
    pub password: String,
}

impl Default for Demo {
    fn default() -> Self {
        Self { login: demo::LOGIN.to_owned(), password: demo::PASSWORD.to_owned() }
    }
}

type Background = Box<dyn FnOnce(StopSignal) -> BoxFuture<'static, ()> + Send>;

/// Services that are open and not yet running.
pub struct Composed {
    router: Router,
    background: Vec<(&'static str, Background)>,
    locks: Vec<DirLock>,
    health: Health,
    /// The directories of the services.
    rooms: Vec<(&'static str, PathBuf)>,
}

impl Composed {
    /// Starts the background work; the router is to be served.
    pub fn start(self, stop: &StopSignal) -> (Router, Running) {
        self.health.serving();
        let watching = tasks::spawn("watch", watch::watch(self.health.clone(), self.rooms, stop.clone()));
        let (health, stopped) = (self.health, stop.clone());
        let readiness = tasks::spawn("readiness", async move {
            stopped.cancelled().await;
            health.draining();
        });
        let run = |(name, work): (&'static str, Background)| tasks::spawn(name, work(stop.clone()));
        // Readiness asks the services: who waits for the end waits for it too.
        let tasks = self.background.into_iter().map(run).chain([readiness, watching]).collect();
        (self.router, Running { tasks, _locks: self.locks })
    }
}

impl std::fmt::Debug for Composed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composed").finish_non_exhaustive()
    }
}

/// Background work under way.
#[derive(Debug)]
pub struct Running {
    tasks: Vec<JoinHandle<()>>,
    _locks: Vec<DirLock>,
}

impl Running {
    /// Waits until everything has ended, after the stop signal.
    pub async fn ended(self) {
        for ended in join_all(self.tasks).await {
            if let Err(error) = ended {
                tracing::error!(%error, "background work broke");
            }
        }
    }
}

/// Background work of a service that has `run(stop)`.
macro_rules! runs {
    ($name:literal, $service:expr) => {{
        let service = $service.clone();
        let work: $crate::compose::Background = Box::new(move |stop| Box::pin(async move { service.run(stop).await }));
        ($name, work)
    }};
}
pub(crate) use runs;
