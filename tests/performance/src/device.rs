//! What the disk does by itself: `write` and `fdatasync` over zeroes that are already there, on one thread.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use serde_json::{Value, json};

use crate::latency::Latencies;
use crate::report::check;

/// A file of zeroes that were written and synced, to be written over: no allocation, no change of its length, so that
/// `fdatasync` has only the data to bring to the disk. Removed when dropped.
#[derive(Debug)]
pub struct RawFile {
    path: PathBuf,
    file: File,
    size: u64,
    at: u64,
}

impl RawFile {
    /// Makes such a file in `dir`.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn create(dir: &Path, size: u64) -> anyhow::Result<Self> {
        let path = dir.join("raw-device");
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        let raw = Self { path, file, size, at: 0 };
        let zeroes = vec![0; 1 << 20];
        for at in (0..size).step_by(zeroes.len()) {
            raw.file.write_all_at(&zeroes, at)?;
        }
        raw.file.sync_all()?;
        Ok(raw)
    }

    /// Writes `bytes` behind the last ones (at the end of the file, at its beginning again) and syncs them, over and over,
    /// for `limit`; how long each took, and how long all.
    ///
    /// # Errors
    /// Where the disk refuses, or [`crate::Interrupted`].
    pub fn write_and_sync(
        &mut self,
        bytes: &[u8],
        limit: Duration,
        stop: &StopSignal,
    ) -> anyhow::Result<(Latencies, Duration)> {
        let (mut latencies, began) = (Latencies::new()?, tasks::instant());
        while latencies.count() == 0 || began.elapsed() < limit {
            check(stop)?;
            if self.at + bytes.len() as u64 > self.size {
                self.at = 0;
            }
            let call = tasks::instant();
            self.file.write_all_at(bytes, self.at)?;
            self.file.sync_data()?;
            latencies.record(call.elapsed());
            self.at += bytes.len() as u64;
        }
        Ok((latencies, began.elapsed()))
    }
}

impl Drop for RawFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Syncs per second and their latencies for writes of 4 KiB and of 64 KiB in the directory, each measured for `limit`.
///
/// # Errors
/// Where the directory cannot be written, or [`crate::Interrupted`].
pub fn measure(dir: &Path, limit: Duration, stop: &StopSignal) -> anyhow::Result<Value> {
    let mut file = RawFile::create(dir, 64 << 20)?;
    let mut sizes = Vec::new();
    for bytes in [4 << 10, 64 << 10] {
        let (latencies, took) = file.write_and_sync(&vec![7; bytes], limit, stop)?;
        let mut measured = latencies.json();
        measured["bytes"] = json!(bytes);
        measured["syncsPerSecond"] = json!((latencies.count() as f64 / took.as_secs_f64()).round() as u64);
        sizes.push(measured);
    }
    Ok(Value::Array(sizes))
}
