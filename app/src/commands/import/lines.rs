//! The lines of a file, numbered, bounded, and with the place where each ends.

use std::io::SeekFrom;
use std::path::Path;

use anyhow::Context;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncSeekExt, BufReader};

use super::is_stdin;

/// The longest line; the shop's own limit is 256 KiB.
const MAX_LINE_BYTES: usize = 1 << 20;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberedLine {
    /// From 1.
    pub(super) number: u64,
    /// Without the end of line; `None` where it is longer than a line may be.
    pub(super) text: Option<Vec<u8>>,
}

impl NumberedLine {
    /// Why it is refused without asking the shop.
    pub(super) fn too_long() -> String {
        format!("the line has more than {MAX_LINE_BYTES} bytes")
    }
}

/// Reads a file line by line; blank lines are counted and passed over.
pub(super) struct FileLines {
    reader: Box<dyn AsyncBufRead + Unpin + Send>,
    number: u64,
    offset: u64,
}

impl FileLines {
    /// The lines of this file after `lines` of them, which end at `offset`; of standard input from where it is.
    pub(super) async fn open(path: &Path, offset: u64, lines: u64) -> anyhow::Result<Self> {
        let reader: Box<dyn AsyncBufRead + Unpin + Send> = if is_stdin(path) {
            Box::new(BufReader::new(tokio::io::stdin()))
        } else {
            let unreadable = || format!("{} cannot be read", path.display());
            let mut file = tokio::fs::File::open(path).await.with_context(unreadable)?;
            file.seek(SeekFrom::Start(offset)).await.with_context(unreadable)?;
            Box::new(BufReader::with_capacity(1 << 20, file))
        };
        Ok(Self { reader, number: lines, offset })
    }

    /// Where the next line begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line that is not blank.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<NumberedLine>> {
        while let Some(line) = self.read().await.context("the file cannot be read further")? {
            if line.text.as_ref().is_none_or(|text| !text.iter().all(u8::is_ascii_whitespace)) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    async fn read(&mut self) -> std::io::Result<Option<NumberedLine>> {
        let (mut text, mut too_long, mut read) = (Vec::new(), false, 0);
        loop {
            let buffer = self.reader.fill_buf().await?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            too_long |= text.len() + part.len() > MAX_LINE_BYTES;
            if too_long {
                text = Vec::new();
            } else {
                text.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            read += used;
            self.offset += used as u64;
            if end.is_some() || used == 0 {
                if read == 0 {
                    return Ok(None);
                }
                self.number += 1;
                return Ok(Some(NumberedLine { number: self.number, text: (!too_long).then_some(text) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_numbered_bounded_and_found_again_at_their_offset() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lines");
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        std::fs::write(&file, format!("one\n\n{long}\nfour\nfive")).unwrap();
        let mut lines = FileLines::open(&file, 0, 0).await.unwrap();
        let line = |number, text: &str| Some(NumberedLine { number, text: Some(text.as_bytes().to_vec()) });
        assert_eq!(lines.next().await.unwrap(), line(1, "one"));
        assert_eq!(lines.next().await.unwrap(), Some(NumberedLine { number: 3, text: None }));
        let offset = lines.offset();
        assert_eq!(lines.next().await.unwrap(), line(4, "four"));
        assert_eq!(lines.next().await.unwrap(), line(5, "five"));
        assert_eq!(lines.next().await.unwrap(), None);
        let mut again = FileLines::open(&file, offset, 3).await.unwrap();
        assert_eq!(again.next().await.unwrap(), line(4, "four"));
    }
}
