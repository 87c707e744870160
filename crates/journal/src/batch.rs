//! What is appended in one piece.

/// Records that are appended together: after a crash all of them are in the log, or none.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    body: Vec<u8>,
    count: u32,
}

impl Batch {
    /// The largest batch in bytes, with four bytes for each record.
    pub const MAX_BYTES: usize = 16 << 20;

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of one record.
    pub fn of(payload: &[u8]) -> Self {
        let mut batch = Self::default();
        batch.push(payload);
        batch
    }

    /// Adds a record; returns where its payload begins, for [`Batch::overwrite`].
    pub fn push(&mut self, payload: &[u8]) -> usize {
        self.push_with(|body| body.extend_from_slice(payload))
    }

    /// Adds a record that `write` puts at the end of the buffer it is given; returns where its payload begins.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let length_at = self.body.len();
        self.body.extend_from_slice(&[0; 4]);
        let start = self.body.len();
        write(&mut self.body);
        // A record longer than u32 makes the batch larger than MAX_BYTES, which enqueue refuses.
        let length = u32::try_from(self.body.len().saturating_sub(start)).unwrap_or(u32::MAX);
        self.body[length_at..start].copy_from_slice(&length.to_le_bytes());
        self.count += 1;
        start
    }

    /// Replaces bytes at `start`, as given by [`Batch::push`] plus an offset into that payload.
    ///
    /// # Panics
    /// If the bytes do not lie inside the batch.
    pub fn overwrite(&mut self, start: usize, bytes: &[u8]) {
        self.body[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// How many records.
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is no record.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The size in bytes, with four bytes for each record.
    pub const fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}
