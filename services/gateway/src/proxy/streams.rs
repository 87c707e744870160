//! Bodies on their way through, each with a bound.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Limited};
use madrigal_core::tasks;
use tokio::sync::OwnedSemaphorePermit;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A pause in an answer's body that is taken for its end.
#[derive(Debug, thiserror::Error)]
#[error("the service paused for more than {} s in the middle of its answer", .0.as_secs())]
struct Stalled(Duration);

/// The request's body with at most `limit` bytes; without a limit as it is.
pub(super) fn incoming(body: Body, limit: Option<usize>) -> Body {
    match limit {
        Some(limit) => Body::new(Limited::new(body, limit)),
        None => body,
    }
}

/// The answer's body, piece by piece as it comes; it may pause for `patience` at most, and holds its place until it ends.
pub(super) fn outgoing<B>(body: B, patience: Duration, place: OwnedSemaphorePermit) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let pieces = stream::try_unfold((body, place), move |(mut body, place)| async move {
        loop {
            let frame = tasks::within(patience, body.frame()).await.ok_or(Stalled(patience))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.into()),
                // Trailers concern one connection only.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok::<_, BoxError>(Some((data, (body, place))));
                    }
                }
            }
        }
    });
    Body::from_stream(pieces)
}
