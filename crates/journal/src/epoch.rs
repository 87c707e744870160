//! The log's identity and how it was closed, in one small file that is replaced as a whole.

use std::io;
use std::path::Path;

use madrigal_core::LogEpoch;

use crate::disk::{Disk, read_up_to, write_all_at};
use crate::options::Durability;

const NAME: &str = "epoch";
const FIRST_LINE: &str = "madrigal-journal 1";

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochFile {
    pub(crate) epoch: LogEpoch,
    /// What `Ok` meant to the process that wrote it.
    pub(crate) durability: Durability,
    /// The last position, if the log was closed; `None` while it is open.
    pub(crate) closed_at: Option<u64>,
}

impl EpochFile {
    /// The file in `dir`; `None` if there is none, or none that can be trusted.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Self>> {
        let file = match disk.open(&dir.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; 512];
        let length = read_up_to(&*file, &mut bytes, 0)?;
        Ok(std::str::from_utf8(&bytes[..length]).ok().and_then(Self::parse))
    }

    /// Replaces the file, durably.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        let new = dir.join("epoch.new");
        let file = disk.create(&new)?;
        write_all_at(&*file, self.text().as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(&new, &dir.join(NAME))?;
        disk.sync_dir(dir)
    }

    fn text(&self) -> String {
        let durability = match self.durability {
            Durability::Synced => "synced",
            Durability::Buffered => "buffered",
        };
        let state = self.closed_at.map_or_else(|| "open".to_owned(), |end| format!("closed {end}"));
        let body = format!("{FIRST_LINE}\nepoch {}\ndurability {durability}\nstate {state}\n", self.epoch);
        format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()))
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, crc) = text.split_at_checked(text.find("crc32c ")?)?;
        let crc = u32::from_str_radix(crc.strip_prefix("crc32c ")?.trim_end(), 16).ok()?;
        if crc != crc32c::crc32c(body.as_bytes()) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        let epoch = uuid::Uuid::parse_str(lines.next()?.strip_prefix("epoch ")?).ok()?;
        let durability = match lines.next()?.strip_prefix("durability ")? {
            "synced" => Durability::Synced,
            "buffered" => Durability::Buffered,
            _ => return None,
        };
        let closed_at = match lines.next()?.strip_prefix("state ")? {
            "open" => None,
            other => Some(other.strip_prefix("closed ")?.parse().ok()?),
        };
        Some(Self { epoch: LogEpoch::from_uuid(epoch), durability, closed_at })
    }
}

#[cfg(test)]
mod tests {
    use madrigal_core::Host;

    use super::*;

    #[test]
    fn the_file_gives_back_what_was_written_and_nothing_else() {
        let epoch = LogEpoch::new(&Host::seeded(1));
        for closed_at in [None, Some(0), Some(77)] {
            for durability in [Durability::Synced, Durability::Buffered] {
                let file = EpochFile { epoch, durability, closed_at };
                assert_eq!(EpochFile::parse(&file.text()), Some(file));
                assert_eq!(EpochFile::parse(&file.text().replace("state", "stote")), None);
            }
        }
    }
}
