//! What the disk does by itself: `write` and `fdatasync` over zeroes that are already there, on one thread.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use madrigal_core::tasks;
use serde_json::{Value, json};

const SIZE: u64 = 64 << 20;

/// Syncs per second and their latencies for writes of 4 KiB and of 64 KiB in the directory, each measured for `limit`.
///
/// # Errors
/// Where the directory cannot be written.
pub fn measure(dir: &Path, limit: Duration) -> anyhow::Result<Value> {
    let path = dir.join("raw-device");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    file.write_all_at(&vec![0; SIZE as usize], 0)?;
    file.sync_all()?;
    let mut sizes = Vec::new();
    for bytes in [4 << 10, 64 << 10] {
        let block = vec![7u8; bytes];
        let mut histogram = Histogram::<u64>::new(3)?;
        let (began, mut at) = (tasks::instant(), 0);
        while began.elapsed() < limit {
            let call = tasks::instant();
            file.write_all_at(&block, at)?;
            file.sync_data()?;
            histogram.record(call.elapsed().as_micros() as u64)?;
            at = (at + bytes as u64) % SIZE;
        }
        let rate = histogram.len() as f64 / began.elapsed().as_secs_f64();
        sizes.push(json!({
            "bytes": bytes, "syncsPerSecond": rate.round(),
            "p50Micros": histogram.value_at_quantile(0.5), "p99Micros": histogram.value_at_quantile(0.99),
        }));
    }
    std::fs::remove_file(&path)?;
    Ok(Value::Array(sizes))
}
