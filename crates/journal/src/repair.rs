//! A damaged log: what is damaged, and how it goes on without it.
//!
//! A log is a prefix of what was appended: what follows a lost record cannot stay, because whoever reads would take the
//! log for whole. So everything from the first damaged record on is set aside, the intact records among it too, as
//! copies of the files and a report in `damaged/`; nothing is deleted. The log goes on in a new epoch: consumers that
//! saw what is gone refuse to go on by themselves.

use std::fmt::Write;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use madrigal_core::{Host, LogEpoch, Position, error_chain};

use crate::archive::copy;
use crate::disk::{Disk, write_all_at};
use crate::epoch::EpochFile;
use crate::error::OpenError;
use crate::frame::{ALIGN, FrameHeader, HEADER_BYTES};
use crate::options::JournalOptions;
use crate::recovery::{Found, at, lock, scan};
use crate::segment::{FIRST_FRAME, Segment, SegmentHeader, zero_from};

/// What is wrong with a log, and what going on without it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What opening the log answers, in words.
    pub cause: String,
    /// The last position that stays.
    pub kept: Position,
    /// The positions that would go, as far as the files tell; none where a stop tore what was never acknowledged.
    pub lost: Option<RangeInclusive<u64>>,
    /// Those of the lost positions whose records are intact in the files that are set aside.
    pub intact: Vec<RangeInclusive<u64>>,
    /// The files that are set aside, in part or whole.
    pub files: Vec<PathBuf>,
}

/// What was done about damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// What it was.
    pub damage: Damage,
    /// Where what was set aside is, with a report for people.
    pub report: PathBuf,
    /// The log's epoch from now on.
    pub epoch: LogEpoch,
}

/// Looks for damage for which the log would not be opened; `None` if it would be. Changes nothing. Archived segments are
/// not read. Blocks: reads the whole log.
///
/// # Errors
/// [`OpenError`] where the log is in use, of a newer format, cannot be read, or where what is damaged or missing is in
/// the archive: that has to come from a backup.
pub fn examine(dir: &Path, options: &JournalOptions) -> Result<Option<Damage>, OpenError> {
    let _lock = lock(&*options.disk, dir)?;
    let found = Found::examine(dir, options)?;
    Ok(Wound::of(&found, options)?.map(|wound| wound.damage))
}

/// Sets aside what is damaged, and everything after it, so that the log can be opened; `None` if there is nothing.
/// May be stopped at any moment and called again. Blocks: reads the whole log, and copies what is set aside.
///
/// # Errors
/// As [`examine`], and where the file system refuses; what was in the log is in the log or in `damaged/` then.
pub fn set_aside(dir: &Path, options: &JournalOptions, host: &Host) -> Result<Option<SetAside>, OpenError> {
    let disk = &*options.disk;
    let _lock = lock(disk, dir)?;
    let found = Found::examine(dir, options)?;
    let Some(wound) = Wound::of(&found, options)? else { return Ok(None) };
    let aside = dir.join("damaged");
    disk.create_dir(&aside).map_err(at("make", &aside))?;
    disk.sync_dir(dir).map_err(at("sync", dir))?;
    let stamp = host.now().as_micros();
    let place = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        aside.join(format!("{stamp}-{name}"))
    };
    let epoch = LogEpoch::new(host);
    for path in &wound.damage.files {
        let to = place(path);
        let copied = disk.open(path).and_then(|file| copy(disk, &*file, &to, file.length()?));
        copied.map_err(at("copy", path))?;
    }
    let report = aside.join(format!("{stamp}-report.txt"));
    let text = wound.report(dir, &found, epoch, place);
    write_file(disk, &report, text.as_bytes()).map_err(at("write", &report))?;
    disk.sync_dir(&aside).map_err(at("sync", &aside))?;
    // From here on whoever opens the log sees that it is not the one it was.
    let durability = found.noted.map_or(options.durability, |noted| noted.durability);
    let noted = EpochFile { epoch, durability, closed_at: Some(wound.damage.kept.0) };
    let open = EpochFile { closed_at: None, ..noted };
    open.write(disk, dir).map_err(at("write the epoch of", dir))?;
    // The last file first: a stop between two leaves the damage where it is, to be found again.
    for path in wound.damage.files.iter().skip(1).rev() {
        disk.remove(path).and_then(|()| disk.sync_dir(dir)).map_err(at("remove", path))?;
    }
    if let Some(first) = wound.damage.files.first() {
        let ended = match &wound.shortened {
            Some(end) => shorten(disk, dir, first, *end),
            None => disk.remove(first).and_then(|()| disk.sync_dir(dir)),
        };
        ended.map_err(at("replace", first))?;
    }
    noted.write(disk, dir).map_err(at("write the epoch of", dir))?;
    tracing::warn!(dir = %dir.display(), report = %report.display(), "set damage aside");
    Ok(Some(SetAside { damage: wound.damage, report, epoch }))
}

/// Damage, and what to do with its first file.
struct Wound {
    damage: Damage,
    /// Where the first file's good part ends; `None` if it has none.
    shortened: Option<u64>,
}

impl Wound {
    fn of(found: &Found, options: &JournalOptions) -> Result<Option<Self>, OpenError> {
        let Err(error) = found.verdict() else { return Ok(None) };
        // The segments that stay whole, and whether the one after them has a good part.
        let broken =
            found.segments.windows(2).zip(&found.scans).position(|(pair, scan)| {
                scan.next != pair[1].header.first || pair[0].header.salt != pair[1].header.salt
            });
        let starts_at_one = found.files.first().is_none_or(|(first, _)| *first == 1);
        let last = found.segments.len().checked_sub(1);
        let (whole, kept, shortened) = match (broken, &found.bad_header, last) {
            _ if !starts_at_one => return Err(error),
            (None, None, None) => (0, 0, None),
            (None, Some(_), _) => {
                let kept = found.scans.last().map_or(0, |scan| scan.next - 1);
                (found.segments.len(), kept, None)
            }
            (Some(at), ..) | (None, None, Some(at)) => (at, found.scans[at].next - 1, Some(found.scans[at].end)),
        };
        let files: Vec<PathBuf> = found.files[whole..].iter().map(|(_, path)| path.clone()).collect();
        if found.files[whole..].iter().any(|(_, path)| path.parent() != Some(&found.dir)) {
            return Err(error);
        }
        let mut intact = Vec::new();
        for (first, path) in &found.files[whole..] {
            intact_in(&*options.disk, *first, path, kept, &mut intact).map_err(at("read", path))?;
        }
        let closed_at = found.noted.and_then(|noted| noted.closed_at).unwrap_or_default();
        let named = found.files.last().map_or(0, |(first, _)| first.saturating_sub(1));
        let end = intact.last().map_or(0, |range| *range.end()).max(closed_at).max(named);
        // A record that is damaged at the very end, and is named nowhere else, is lost all the same.
        let end = if shortened.is_some() { end.max(kept + 1) } else { end };
        let lost = (end > kept).then_some(kept + 1..=end);
        let cause = error_chain(&error);
        Ok(Some(Self { damage: Damage { cause, kept: Position(kept), lost, intact, files }, shortened }))
    }

    fn report(&self, dir: &Path, found: &Found, epoch: LogEpoch, place: impl Fn(&Path) -> PathBuf) -> String {
        let Damage { cause, kept, lost, intact, files } = &self.damage;
        let mut text = String::from("Damage that was set aside\n\n");
        let mut line = |what: &str, value: &str| {
            // Writing into a String does not fail.
            let _ = writeln!(text, "{what:<24}{value}");
        };
        line("log", &dir.display().to_string());
        line("cause", cause);
        line("positions that stayed", &format!("1 to {kept}"));
        let lost =
            lost.as_ref().map_or_else(|| "none".to_owned(), |lost| format!("{} to {}", lost.start(), lost.end()));
        line("positions set aside", &lost);
        line("intact among them", &ranges(intact));
        let before = found.noted.map_or_else(|| "unknown".to_owned(), |noted| noted.epoch.to_string());
        line("epoch before", &before);
        line("epoch now", &epoch.to_string());
        for file in files {
            line("copied", &format!("{} to {}", file.display(), place(file).display()));
        }
        text.push_str(
            "\nThe copies have the format that docs/journal-format.md describes. Views and consumers of this log have to be \
             built again: what they saw after the last position that stayed is not in the log any more.\n",
        );
        text
    }
}

fn ranges(ranges: &[RangeInclusive<u64>]) -> String {
    if ranges.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<String> = ranges.iter().map(|range| format!("{} to {}", range.start(), range.end())).collect();
    words.join(", ")
}

/// Adds the positions after `kept` whose records are intact in a file, wherever in it they are.
fn intact_in(
    disk: &dyn Disk,
    first: u64,
    path: &Path,
    kept: u64,
    intact: &mut Vec<RangeInclusive<u64>>,
) -> io::Result<()> {
    let file = disk.open(path)?;
    let Ok(header) = SegmentHeader::read(&*file)? else { return Ok(()) };
    let length = file.length()?;
    let segment = Segment::new(path.to_owned(), file, header, length);
    let mut window = scan::Window::default();
    let mut at = FIRST_FRAME;
    let mut next = first;
    while let Some(bytes) = window.get(&segment, at, HEADER_BYTES)? {
        let header = FrameHeader::decode(bytes, segment.header.salt).filter(|header| header.first >= next);
        let whole = match header {
            Some(header) => window
                .get(&segment, at, header.length)?
                .is_some_and(|frame| header.matches(&frame[HEADER_BYTES..], segment.header.salt))
                .then_some(header),
            None => None,
        };
        let Some(header) = whole else {
            at += ALIGN as u64;
            continue;
        };
        at += header.length as u64;
        next = header.next();
        let (start, end) = (header.first.max(kept + 1), header.next() - 1);
        match intact.last_mut() {
            _ if end < start => {}
            Some(last) if *last.end() + 1 == start => *last = *last.start()..=end,
            _ => intact.push(start..=end),
        }
    }
    Ok(())
}

/// Replaces a segment by its first `end` bytes, with zeros to its old size, in one step.
fn shorten(disk: &dyn Disk, dir: &Path, path: &Path, end: u64) -> io::Result<()> {
    let whole = disk.open(path)?;
    let new = dir.join("spare-repaired");
    copy(disk, &*whole, &new, end)?;
    let file = disk.open(&new)?;
    zero_from(&*file, end, whole.length()?)?;
    disk.rename(&new, path)?;
    disk.sync_dir(dir)
}

fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create(path)?;
    write_all_at(&*file, bytes, 0)?;
    file.sync_data()
}
