//! `madrigal bench`: measures this machine with this binary.

use madrigal_performance::{
    Tell, cache, consistency, footprint, interruptible, journal, on_one_thread, orders, projection, search, store,
    sync, year,
};

use super::signals::{Again, stop_on_signals};
use crate::cli::{BenchCommand, Settings};
use crate::output::{self, Format};

pub(super) async fn run(settings: &Settings, command: BenchCommand) -> anyhow::Result<()> {
    let tell = if settings.output == Format::Table { Tell::Output } else { Tell::Error };
    let stop = stop_on_signals("stopping what was started", Again::Kills)?;
    let report = match command {
        // These look at `stop` by themselves: what they write is removed after the last append, not beneath it.
        BenchCommand::Journal(options) => journal::run(&options, tell, &stop).await,
        BenchCommand::Store(options) => store::run(&options, tell, &stop).await,
        BenchCommand::Projection(options) => interruptible(&stop, projection::run(&options, tell, &stop)).await,
        BenchCommand::Cache(options) => cache::run(&options, tell, &stop).await,
        BenchCommand::Consistency(options) => consistency::run(&options, tell, &stop).await,
        // What loads another process gets a thread of its own; it looks at `stop` by itself, so that it ends what it started.
        BenchCommand::Orders(options) => on_one_thread(move || orders::run(options, tell, stop)).await,
        BenchCommand::Search(options) => on_one_thread(move || search::run(options, tell, stop)).await,
        BenchCommand::Sync(options) => on_one_thread(move || sync::run(options, tell, stop)).await,
        BenchCommand::Year(options) => on_one_thread(move || year::run(options, tell, stop)).await,
        BenchCommand::Footprint(options) => {
            let existing = settings.data.clone();
            on_one_thread(move || footprint::run(options, existing, tell, stop)).await
        }
    }?;
    if settings.output != Format::Table {
        output::document(settings.output, &report)?;
    }
    Ok(())
}
