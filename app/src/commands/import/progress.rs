//! How far an import is: shown, and kept so that a stopped one goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use madrigal_core::Fingerprint;
use madrigal_core::tasks::{self, Instant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lines::NumberedLine;
use super::{Done, Fate, is_stdin};
use crate::data_dir::DataDir;
use crate::output::{self, Format, Out};

/// The position is kept when so many lines are done since, or so much time has passed.
const SAVE_EVERY: (u64, Duration) = (1_000, Duration::from_secs(1));
/// How often a terminal is told, and whoever reads messages otherwise.
const SHOW_EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What is imported from where into which shop.
pub(super) struct Origin<'a> {
    pub(super) kind: &'static str,
    pub(super) file: &'a Path,
    /// The history of the shop's logs: which shop it is, wherever it listens.
    pub(super) epoch: &'a str,
}

/// Counts of all runs of this import, and where it goes on.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Counts {
    lines: u64,
    offset: u64,
    imported: u64,
    known: u64,
    refused: u64,
}

pub(super) struct Progress {
    /// Where the counts are kept; nowhere for standard input.
    kept: Option<PathBuf>,
    counts: Counts,
    /// The lines that earlier runs did.
    resumed: u64,
    refused: Option<BufWriter<File>>,
    /// Of the file, for the share that is done.
    size: u64,
    started: Instant,
    saved: (u64, Instant),
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// The progress of this import, from where an earlier run was stopped. Refused lines go to `refused` too, if given.
    pub(super) fn resume(data: &DataDir, origin: &Origin<'_>, refused: Option<&Path>) -> anyhow::Result<Self> {
        let source = origin.file.canonicalize().unwrap_or_else(|_| origin.file.to_owned());
        let metadata = fs::metadata(origin.file);
        let size = metadata.as_ref().map_or(0, fs::Metadata::len);
        let changed = metadata.and_then(|metadata| metadata.modified()).ok();
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_nanos();
        let Origin { kind, epoch, .. } = origin;
        let named = format!("{kind} {} {size} {changed} {epoch}", source.display());
        let kept = data.imports()?.join(Fingerprint::of(named.as_bytes()).as_str());
        let kept = (!is_stdin(origin.file)).then_some(kept);
        let counts: Option<Counts> = kept.as_ref().and_then(|kept| serde_json::from_slice(&fs::read(kept).ok()?).ok());
        let counts = counts.unwrap_or_default();
        if counts.lines > 0 {
            output::message(&format!("going on after line {}, where an earlier run was stopped", counts.lines));
        }
        let refused = refused.map(|path| refused_file(path, counts.lines > 0)).transpose()?;
        let (now, resumed) = (tasks::instant(), counts.lines);
        Ok(Self {
            kept,
            resumed,
            counts,
            refused,
            size,
            started: now,
            saved: (resumed, now),
            shown: now,
            terminal: io::stderr().is_terminal(),
        })
    }

    /// How many lines are done.
    pub(super) const fn lines(&self) -> u64 {
        self.counts.lines
    }

    /// Where the file goes on after them.
    pub(super) const fn offset(&self) -> u64 {
        self.counts.offset
    }

    pub(super) fn note(&mut self, done: &Done) -> io::Result<()> {
        for (line, fate) in &done.fates {
            match fate {
                Fate::Imported => self.counts.imported += 1,
                Fate::Merged(told) => {
                    self.counts.imported += 1;
                    self.clear_bar();
                    output::message(&format!("line {} merged: {told}", line.number));
                }
                Fate::Known => self.counts.known += 1,
                Fate::Refused(reason) => self.refuse(line, reason)?,
            }
            self.counts.lines = line.number;
        }
        self.counts.offset = done.offset;
        let since = self.counts.lines - self.saved.0;
        if since >= SAVE_EVERY.0 || self.saved.1.elapsed() >= SAVE_EVERY.1 {
            self.saved = (self.counts.lines, tasks::instant());
            self.save();
        }
        let every = if self.terminal { SHOW_EVERY.0 } else { SHOW_EVERY.1 };
        if self.shown.elapsed() >= every {
            self.shown = tasks::instant();
            self.show();
        }
        Ok(())
    }

    /// Keeps the position; where that fails the import is merely repeated from an earlier line, which changes nothing.
    pub(super) fn save(&mut self) {
        if let Some(refused) = &mut self.refused {
            let _ = refused.flush();
        }
        let (Some(kept), Ok(counts)) = (&self.kept, serde_json::to_vec(&self.counts)) else { return };
        // In one step, so that a kill leaves the old position or the new one.
        let beside = kept.with_extension("new");
        let _ = fs::write(&beside, counts).and_then(|()| fs::rename(&beside, kept));
    }

    /// Says how it went; an error where lines were refused.
    pub(super) fn end(mut self, origin: &Origin<'_>, format: Format) -> anyhow::Result<()> {
        if let Some(kept) = self.kept.take() {
            let _ = fs::remove_file(kept);
        }
        if let Some(refused) = &mut self.refused {
            refused.flush().context("the file of refused lines cannot be written")?;
        }
        self.clear_bar();
        let (seconds, counts) = (self.started.elapsed().as_secs_f64(), &self.counts);
        let kind = origin.kind;
        match format {
            Format::Table => writeln!(
                Out::lock(),
                "{kind}: {} imported, {} known already, {} refused, in {seconds:.1} s ({:.0} a second)",
                counts.imported,
                counts.known,
                counts.refused,
                self.rate()
            )?,
            Format::Json | Format::Ndjson => output::document(
                format,
                &json!({ "kind": kind, "file": origin.file, "lines": counts.lines, "imported": counts.imported,
                    "known": counts.known, "refused": counts.refused, "resumedAfterLine": self.resumed,
                    "seconds": rounded(seconds), "perSecond": rounded(self.rate()) }),
            )?,
        }
        let read = counts.imported + counts.known + counts.refused;
        if counts.refused > 0 {
            bail!("{} of {read} lines were refused", counts.refused);
        }
        Ok(())
    }

    fn refuse(&mut self, line: &NumberedLine, reason: &str) -> io::Result<()> {
        self.counts.refused += 1;
        self.clear_bar();
        output::message(&format!("line {} refused: {reason}", line.number));
        if let Some(refused) = &mut self.refused {
            let told = json!({ "line": line.number, "key": key(line), "reason": reason });
            writeln!(refused, "{told}")?;
        }
        Ok(())
    }

    fn show(&self) {
        let (lines, rate) = (self.counts.lines, self.rate());
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{}{lines} lines, {rate:.0} a second", self.bar());
        } else {
            output::message(&format!("{lines} lines, {rate:.0} a second"));
        }
    }

    fn clear_bar(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn bar(&self) -> String {
        const WIDTH: u64 = 30;
        if self.size == 0 {
            return String::new();
        }
        let done = (self.counts.offset.min(self.size) * WIDTH / self.size) as usize;
        let percent = self.counts.offset.min(self.size) * 100 / self.size;
        format!("[{}{}] {percent:3} %  ", "#".repeat(done), " ".repeat(WIDTH as usize - done))
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        (self.counts.lines - self.resumed) as f64 / self.started.elapsed().as_secs_f64().max(0.001)
    }
}

fn refused_file(path: &Path, going_on: bool) -> anyhow::Result<BufWriter<File>> {
    let mut options = OpenOptions::new();
    let options = if going_on { options.append(true) } else { options.write(true).truncate(true) };
    let file = options.create(true).open(path);
    Ok(BufWriter::new(file.with_context(|| format!("{} cannot be written", path.display()))?))
}

/// What names the line's body, where it can be read.
fn key(line: &NumberedLine) -> Value {
    let body: Value = line.text.as_ref().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
    let names = ["importKey", "orderId", "productId", "username"];
    names.iter().map(|name| &body[*name]).find(|name| name.is_string()).cloned().unwrap_or_default()
}

/// To three decimals.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
