//! Digests of chunks, made of the pages of any set.

use madrigal_core::Fault;

use super::{ChunkDigest, Cut, DigestAsk, MAX_CHUNKS, MAX_DIGESTED, MAX_PAGE, PageRead, RowSet};
use crate::digest::{Digest, Hashing};
use crate::row::{Detail, KeyRange, Row};

/// Digests made of pages; a page of rows is in memory at a time.
pub(super) async fn digest_pages<S: RowSet + ?Sized>(
    set: &S,
    ask: &DigestAsk,
) -> Result<(Vec<ChunkDigest>, bool), Fault> {
    let fields = matches!(ask.detail, Detail::Content).then_some(ask.fields.as_slice());
    let hashing = Hashing { seed: ask.seed, versions: ask.versions, fields };
    let mut chunks = Chunks::new(ask);
    let mut after = ask.range.after.clone();
    loop {
        let range = KeyRange { after: after.take(), through: ask.range.through.clone() };
        let page = set.page(PageRead { range, limit: MAX_PAGE, detail: ask.detail }).await?;
        let ended = page.len() < MAX_PAGE;
        for row in &page {
            if !chunks.take(row, &hashing) {
                return Ok((chunks.done, false));
            }
        }
        if ended {
            return Ok((chunks.end(), true));
        }
        after = page.into_iter().next_back().map(|row| row.key);
    }
}

struct Chunks<'a> {
    ask: &'a DigestAsk,
    done: Vec<ChunkDigest>,
    open: Digest,
    rows: u64,
}

impl<'a> Chunks<'a> {
    fn new(ask: &'a DigestAsk) -> Self {
        Self { ask, done: Vec::new(), open: Digest::default(), rows: 0 }
    }

    /// Takes a row in; false where no more chunks were asked for: the row is not in.
    fn take(&mut self, row: &Row, hashing: &Hashing<'_>) -> bool {
        match &self.ask.cut {
            Cut::Every { chunks, .. } => {
                if self.done.len() >= (*chunks).clamp(1, MAX_CHUNKS) {
                    return false;
                }
            }
            Cut::After(bounds) => {
                while let Some(bound) = bounds.get(self.done.len())
                    && row.key > *bound
                {
                    self.close(Some(bound.clone()));
                }
            }
        }
        if !row.deleted {
            self.open.add(hashing.of(row));
        }
        self.rows += 1;
        if let Cut::Every { rows, chunks } = self.ask.cut
            && self.rows >= rows.clamp(1, MAX_DIGESTED / chunks.clamp(1, MAX_CHUNKS) as u64)
        {
            self.close(Some(row.key.clone()));
        }
        true
    }

    fn close(&mut self, through: Option<String>) {
        self.rows = 0;
        self.done.push(ChunkDigest { through, digest: std::mem::take(&mut self.open) });
    }

    /// The range has no more rows.
    fn end(mut self) -> Vec<ChunkDigest> {
        if let Cut::After(bounds) = &self.ask.cut {
            for bound in bounds.iter().skip(self.done.len()) {
                self.close(Some(bound.clone()));
            }
        }
        let through = self.ask.range.through.clone();
        if self.rows == 0
            && let (Some(last), Cut::Every { .. }) = (self.done.last_mut(), &self.ask.cut)
        {
            // Behind the last row is nothing: its chunk reaches to the range's end.
            last.through = through;
        } else {
            self.close(through);
        }
        self.done
    }
}
