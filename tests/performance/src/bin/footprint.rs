//! What `madrigal up` takes when nothing happens: memory, threads, the time until it is ready, the size of the binary.
#![expect(clippy::print_stdout, reason = "prints its table")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use madrigal_core::tasks;
use madrigal_performance::machine;
use madrigal_performance::process::ShopProcess;

/// Starts an empty shop, the same again, and a demo shop, and looks at each after some seconds without requests.
#[derive(Debug, Parser)]
struct Options {
    /// The binary that is measured.
    #[arg(long, default_value = "target/release/madrigal")]
    binary: PathBuf,
    /// Seconds without requests before memory is read.
    #[arg(long, default_value_t = 5.0)]
    idle: f64,
    /// Where the data directories are made.
    #[arg(long, default_value = "target/performance")]
    dir: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&options))
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.dir)?;
    let temporary = tempfile::Builder::new().prefix("footprint-").tempdir_in(&options.dir)?;
    println!("machine {}", machine::describe());
    println!("binary  {:.1} MiB", std::fs::metadata(&options.binary)?.len() as f64 / f64::from(1 << 20));
    println!("{:<22} {:>9} {:>9} {:>9} {:>8} {:>10}", "", "ready ms", "RSS MiB", "most MiB", "threads", "CPU ms/s");
    // A demo shop is ready to use when its hints begin to be printed, after its orders were placed.
    let demo = ("demo shop, filled", "demo", &["--demo"][..], "The demo shop is open");
    let again = ("demo shop, again", "demo", &[][..], "");
    for (name, dir, arguments, line) in
        [("empty, first start", "empty", &[][..], ""), ("empty, again", "empty", &[][..], ""), demo, again]
    {
        let data = temporary.path().join(dir);
        let process = ShopProcess::start(&options.binary, &data, arguments, line).await?;
        tasks::sleep(Duration::from_secs_f64(options.idle)).await;
        let before = process.cpu()?;
        tasks::sleep(Duration::from_secs(2)).await;
        let idle_cpu = (process.cpu()? - before).as_secs_f64() * 1e3 / 2.0;
        let (resident, most) = process.memory()?;
        println!(
            "{name:<22} {:>9.0} {:>9} {:>9} {:>8} {idle_cpu:>10.1}",
            process.ready_after().as_secs_f64() * 1e3,
            resident >> 20,
            most >> 20,
            process.threads()?
        );
    }
    Ok(())
}
