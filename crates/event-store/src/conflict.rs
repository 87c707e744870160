//! What a writer does after somebody else was faster.

use std::time::Duration;

use madrigal_core::{StreamName, StreamVersion};

use crate::port::{EventStore, StreamRead};

/// How often, and how long each time, [`until_readable`] waits: together longer than a disk takes for a group.
const MAX_WAITS: u32 = 8;
const WAIT: Duration = Duration::from_millis(100);

/// Waits a little, 800 ms at most, until a stream can be read as far as whoever was faster wrote it.
///
/// An append counts for expectations as soon as it is accepted, and is readable when it is durable. A writer that was
/// told [`crate::AppendError::WrongVersion`] and decides again at once would read the same old state and lose again.
///
/// # Cancellation
/// Safe: waits only.
pub async fn until_readable(store: &dyn EventStore, stream: &StreamName, version: StreamVersion) {
    for _ in 0..MAX_WAITS {
        let end = store.end();
        let read = StreamRead { after: version, limit: 1 };
        if !matches!(store.read_stream(stream, read).await, Ok(slice) if slice.version < version) {
            return;
        }
        // A time-out is as good a reason to look again as news.
        let _ = store.wait_beyond(end, WAIT).await;
    }
}
