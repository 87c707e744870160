//! How far an import is: shown, and kept so that a stopped one goes on.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use madrigal_core::Fingerprint;
use madrigal_core::tasks::{self, Instant};

use super::Fate;
use crate::data_dir::DataDir;
use crate::output;

/// How often the position is kept, in lines.
const SAVE_EVERY: u64 = 500;
/// How often the terminal is told.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// How many refused lines are named one by one.
const NAMED: u64 = 20;

pub(super) struct Progress {
    file: PathBuf,
    lines: u64,
    imported: u64,
    known: u64,
    refused: u64,
    started: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// The progress of this file into this shop, from where an earlier run was stopped.
    pub(super) fn resume(data: &DataDir, kind: &str, path: &Path, shop: &str) -> anyhow::Result<Self> {
        let source = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let named = format!("{kind} {} {size} {shop}", source.display());
        let file = data.imports()?.join(Fingerprint::of(named.as_bytes()).as_str());
        let resumable = path != Path::new("-");
        let kept = if resumable { fs::read_to_string(&file).unwrap_or_default() } else { String::new() };
        let now = tasks::instant();
        Ok(Self {
            file,
            lines: kept.trim().parse().unwrap_or(0),
            imported: 0,
            known: 0,
            refused: 0,
            started: now,
            shown: now,
            terminal: std::io::stderr().is_terminal(),
        })
    }

    /// How many lines are done.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn note(&mut self, number: u64, fate: &Fate) {
        match fate {
            Fate::Imported => self.imported += 1,
            Fate::Known => self.known += 1,
            Fate::Refused(reason) => {
                self.refused += 1;
                if self.refused <= NAMED {
                    output::message(&format!("line {number} refused: {reason}"));
                }
            }
        }
        self.lines = number;
        if number.is_multiple_of(SAVE_EVERY) {
            self.save();
        }
        if self.terminal && self.shown.elapsed() >= SHOW_EVERY {
            self.shown = tasks::instant();
            let _ = write!(std::io::stderr(), "\r{} lines, {:.0} a second ", self.lines, self.rate());
        }
    }

    /// Keeps the position; where that fails the import is merely repeated from an earlier line, which changes nothing.
    pub(super) fn save(&self) {
        let _ = fs::write(&self.file, self.lines.to_string());
    }

    pub(super) fn end(self, kind: &str) -> anyhow::Result<()> {
        let _ = fs::remove_file(&self.file);
        let seconds = self.started.elapsed().as_secs_f64();
        if self.terminal {
            let _ = writeln!(std::io::stderr());
        }
        writeln!(
            std::io::stdout(),
            "{kind}: {} imported, {} known already, {} refused, in {seconds:.1} s ({:.0} a second)",
            self.imported,
            self.known,
            self.refused,
            self.rate()
        )?;
        if self.refused > NAMED {
            output::message(&format!("{} further refused lines are not named", self.refused - NAMED));
        }
        if self.refused > 0 && self.imported + self.known == 0 {
            bail!("every line was refused");
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        let done = self.imported + self.known + self.refused;
        done as f64 / self.started.elapsed().as_secs_f64().max(0.001)
    }
}
