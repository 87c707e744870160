//! Mending one row: for who has found that it does not say what its events say.

use madrigal_core::{Fault, Position, StreamVersion};

use super::ProjectionRunner;
use super::cache::Slot;
use super::fold;
use crate::projection::Projection;
use crate::view::{Checkpoint, StoredRow, ViewBatch};

/// What a row should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended<R> {
    /// As it is: nothing is written.
    Left,
    /// This row, as of the last of its events up to the view's checkpoint.
    Row {
        /// The row.
        row: R,
        /// The stream version of that event.
        version: StreamVersion,
        /// Its position.
        position: Position,
    },
    /// None.
    Nothing,
}

impl<P: Projection> ProjectionRunner<P> {
    /// Replaces one row of what serves while nothing is applied to it: `decide` is given the row as it is stored (whatever
    /// the runner remembers of it is forgotten) and how far the view is, and says what the row should be, from its events up
    /// to there and no others. True where something was written.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke, the view stands still, or `decide` says so.
    ///
    /// # Cancellation
    /// The row may or may not be replaced; the view waits while `decide` works.
    pub async fn mend<D, F>(&self, key: &str, decide: D) -> Result<bool, Fault>
    where
        D: FnOnce(Option<StoredRow>, Checkpoint) -> F + Send,
        F: Future<Output = Result<Mended<P::Row>, Fault>> + Send,
    {
        let engine = self.managed.serving().await?;
        let mut held = engine.loaded.lock().await;
        let mut loaded = match held.take() {
            Some(loaded) => loaded,
            None => engine.load().await.map_err(|error| Fault::not_applied("projection", "mend", error.chain()))?,
        };
        let stored = engine.views.get(&engine.view, key).await?;
        loaded.cache.take(key);
        let mut batch = ViewBatch::at(loaded.checkpoint);
        match decide(stored, loaded.checkpoint).await? {
            Mended::Left => {}
            Mended::Nothing => batch.deletes.push(key.to_owned()),
            Mended::Row { row, version, position } => {
                let slot = Slot { row: None, version, position };
                let stored = fold::stored(&*engine.projection, &row, &slot)
                    .map_err(|error| Fault::permanent("projection", "mend", error))?;
                batch.puts.push((key.to_owned(), stored));
            }
        }
        let writes = !batch.puts.is_empty() || !batch.deletes.is_empty();
        if writes {
            engine.views.commit(&engine.view, batch).await?;
        }
        *held = Some(loaded);
        Ok(writes)
    }
}
