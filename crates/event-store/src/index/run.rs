//! One sorted file of entries that never changes: blocks with checksums, then a filter, fences and a footer.

use std::fmt;
use std::path::{Path, PathBuf};

use madrigal_journal::disk::{Disk, DiskFile, read_up_to, write_all_at};

use super::IndexError;
use super::bloom;

const ENTRY: usize = 24;
const PER_BLOCK: usize = 170;
const BLOCK: usize = 4_096;
const FOOTER: usize = 48;
const MAGIC: u64 = u64::from_le_bytes(*b"MADIDX01");
/// A larger filter stays on disk, and a lookup reads one block of it.
const MAX_FILTER_IN_MEMORY: usize = 16 << 20;

/// An event under a key: of its stream, or of its id in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: u64,
    pub(crate) version: u64,
    pub(crate) position: u64,
}

impl Entry {
    fn encode(&self, into: &mut [u8]) {
        into[0..8].copy_from_slice(&self.key.to_le_bytes());
        into[8..16].copy_from_slice(&self.version.to_le_bytes());
        into[16..24].copy_from_slice(&self.position.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self { key: u64_at(bytes, 0), version: u64_at(bytes, 8), position: u64_at(bytes, 16) }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

pub(crate) struct SortedFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    pub(crate) entries: usize,
    filter: Filter,
    /// The first entry's key and version of each block.
    fences: Vec<(u64, u64)>,
}

enum Filter {
    Memory(Vec<u8>),
    Disk { offset: u64, bytes: usize },
}

impl fmt::Debug for SortedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedFile").field("path", &self.path).field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl SortedFile {
    /// Writes `count` ascending entries, durably.
    pub(crate) fn write(
        disk: &dyn Disk,
        path: &Path,
        count: usize,
        entries: impl Iterator<Item = Result<Entry, IndexError>>,
    ) -> Result<(), IndexError> {
        let io = |operation| at(operation, path);
        let file = disk.create(path).map_err(io("create"))?;
        let mut filter = vec![0; bloom::bytes_for(count)];
        let mut fences = Vec::with_capacity(count.div_ceil(PER_BLOCK) * 16);
        // Blocks are gathered to 256 KiB: one write each would cost more than what it writes.
        let (mut buffer, mut offset, mut in_block, mut written) = (Vec::with_capacity(64 * BLOCK), 0, 0, 0);
        let (mut keys, mut last_key) = (0, None);
        for entry in entries {
            let entry = entry?;
            if in_block == 0 {
                fences.extend_from_slice(&entry.key.to_le_bytes());
                fences.extend_from_slice(&entry.version.to_le_bytes());
                buffer.resize(buffer.len() + BLOCK, 0);
            }
            if last_key.replace(entry.key) != Some(entry.key) {
                bloom::insert(&mut filter, entry.key);
                keys += 1;
            }
            let block = buffer.len() - BLOCK;
            entry.encode(&mut buffer[block + in_block * ENTRY..][..ENTRY]);
            (in_block, written) = (in_block + 1, written + 1);
            if in_block == PER_BLOCK {
                seal(&mut buffer[block..], in_block);
                in_block = 0;
                if buffer.len() >= 64 * BLOCK {
                    write_all_at(&*file, &buffer, offset).map_err(io("write"))?;
                    offset += buffer.len() as u64;
                    buffer.clear();
                }
            }
        }
        if in_block > 0 {
            let block = buffer.len() - BLOCK;
            seal(&mut buffer[block..], in_block);
        }
        let blocks_end = offset + buffer.len() as u64;
        // Known only now: how many different streams the events are of.
        bloom::fold(&mut filter, keys);
        let filter_bytes = filter.len();
        let mut tail = filter;
        tail.extend_from_slice(&fences);
        let mut footer = [0; FOOTER];
        let words = [MAGIC, written as u64, blocks_end, filter_bytes as u64, xxhash_rust::xxh3::xxh3_64(&tail)];
        for (word, place) in words.iter().zip(footer.chunks_exact_mut(8)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let sum = xxhash_rust::xxh3::xxh3_64(&footer[..40]);
        footer[40..].copy_from_slice(&sum.to_le_bytes());
        tail.extend_from_slice(&footer);
        write_all_at(&*file, &buffer, offset).map_err(io("write"))?;
        write_all_at(&*file, &tail, blocks_end).map_err(io("write"))?;
        file.sync_data().map_err(io("sync"))
    }

    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, IndexError> {
        let damaged = || IndexError::Damaged { file: path.to_owned() };
        let file = disk.open(path).map_err(at("open", path))?;
        let length = file.length().map_err(at("measure", path))?;
        let mut footer = [0; FOOTER];
        let footer_at = length.checked_sub(FOOTER as u64).ok_or_else(damaged)?;
        read_up_to(&*file, &mut footer, footer_at).map_err(at("read", path))?;
        let [magic, entries, blocks_end, filter_bytes, tail_sum, sum] =
            [0, 8, 16, 24, 32, 40].map(|n| u64_at(&footer, n));
        if magic != MAGIC || sum != xxhash_rust::xxh3::xxh3_64(&footer[..40]) || blocks_end > footer_at {
            return Err(damaged());
        }
        let mut tail = vec![0; (footer_at - blocks_end) as usize];
        let read = read_up_to(&*file, &mut tail, blocks_end).map_err(at("read", path))?;
        let filter_bytes = filter_bytes as usize;
        if read != tail.len() || filter_bytes > read || tail_sum != xxhash_rust::xxh3::xxh3_64(&tail) {
            return Err(damaged());
        }
        let fences = tail[filter_bytes..].chunks_exact(16).map(|fence| (u64_at(fence, 0), u64_at(fence, 8))).collect();
        let filter = if filter_bytes > MAX_FILTER_IN_MEMORY {
            Filter::Disk { offset: blocks_end, bytes: filter_bytes }
        } else {
            tail.truncate(filter_bytes);
            tail.shrink_to_fit();
            Filter::Memory(tail)
        };
        Ok(Self { path: path.to_owned(), file, entries: entries as usize, filter, fences })
    }

    /// Whether the key may be here, told from memory alone: *perhaps* where the filter is on disk.
    pub(crate) fn may_have_at_once(&self, key: u64) -> bool {
        match &self.filter {
            Filter::Memory(filter) => {
                let start = bloom::block_of(key, filter.len());
                bloom::may_contain(&filter[start..start + bloom::BLOCK], key)
            }
            Filter::Disk { .. } => true,
        }
    }

    fn may_have(&self, key: u64) -> Result<bool, IndexError> {
        let Filter::Disk { offset, bytes } = &self.filter else { return Ok(self.may_have_at_once(key)) };
        let mut block = [0; bloom::BLOCK];
        let start = bloom::block_of(key, *bytes) as u64;
        read_up_to(&*self.file, &mut block, offset + start).map_err(at("read", &self.path))?;
        Ok(bloom::may_contain(&block, key))
    }

    /// At most `limit` entries of a key from `version` on, ascending.
    pub(crate) fn range(&self, key: u64, version: u64, limit: usize) -> Result<Vec<Entry>, IndexError> {
        let mut found = Vec::new();
        if limit == 0 || !self.may_have(key)? {
            return Ok(found);
        }
        let first = self.fences.partition_point(|fence| *fence < (key, version)).saturating_sub(1);
        for block in first..self.fences.len() {
            if self.fences[block].0 > key {
                break;
            }
            for entry in self.block(block)? {
                if entry.key == key && entry.version >= version {
                    found.push(entry);
                    if found.len() == limit {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The last entry of a key that comes before `(version, position)`.
    pub(crate) fn last_before(&self, key: u64, version: u64, position: u64) -> Result<Option<Entry>, IndexError> {
        if !self.may_have(key)? {
            return Ok(None);
        }
        let bound = Entry { key, version, position };
        let mut block = self.fences.partition_point(|fence| *fence <= (key, version));
        while block > 0 {
            block -= 1;
            let last = self.block(block)?.into_iter().rfind(|entry| *entry < bound);
            match last {
                Some(entry) => return Ok((entry.key == key).then_some(entry)),
                None => continue,
            }
        }
        Ok(None)
    }

    /// All entries in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<Entry, IndexError>> + '_ {
        (0..self.fences.len()).flat_map(|block| match self.block(block) {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    fn block(&self, number: usize) -> Result<Vec<Entry>, IndexError> {
        let mut bytes = [0; BLOCK];
        let offset = (number * BLOCK) as u64;
        let read = read_up_to(&*self.file, &mut bytes, offset).map_err(at("read", &self.path))?;
        let count = usize::from(u16::from_le_bytes([bytes[BLOCK - 16], bytes[BLOCK - 15]]));
        let sound = read == BLOCK
            && count <= PER_BLOCK
            && u64_at(&bytes, BLOCK - 8) == xxhash_rust::xxh3::xxh3_64(&bytes[..BLOCK - 8]);
        if !sound {
            return Err(IndexError::Damaged { file: self.path.clone() });
        }
        Ok(bytes.chunks_exact(ENTRY).take(count).map(Entry::decode).collect())
    }
}

/// Completes a block: 170 entries of 24 bytes, the count, and the checksum in the last 8 bytes.
fn seal(block: &mut [u8], count: usize) {
    block[BLOCK - 16..BLOCK - 14].copy_from_slice(&(count as u16).to_le_bytes());
    let sum = xxhash_rust::xxh3::xxh3_64(&block[..BLOCK - 8]);
    block[BLOCK - 8..].copy_from_slice(&sum.to_le_bytes());
}

pub(crate) fn at(operation: &'static str, file: &Path) -> impl Fn(std::io::Error) -> IndexError {
    move |source| IndexError::Io { operation, file: file.to_owned(), source }
}
