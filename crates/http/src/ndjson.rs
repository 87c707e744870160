//! Imports: a body of many lines, each a JSON document, and an answer with a line for each of them, both streamed.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use madrigal_core::tasks;
use serde::Serialize;

use crate::body;
use crate::problem::{self, Answered, Problem};

/// The media type of lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";
/// How long the next bytes of a body may take to arrive.
pub const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// The most lines of an answer that are sent as one piece.
const LINES_PER_PIECE: usize = 256;

/// A line of a body.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1; blank and unreadable lines count.
    pub number: u64,
    /// Its text without the end of line, or why there is none.
    pub text: Result<Bytes, Problem>,
}

/// A body of lines (`application/x-ndjson`), read one line at a time. Whatever is wrong with it is said by
/// [`Lines::of_at_most`], so that a handler can refuse the caller first.
#[derive(Debug)]
pub struct Lines {
    body: BodyDataStream,
    media_type: Result<(), Problem>,
}

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Infallible;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Infallible> {
        let media_type = body::media_type(request.headers(), &[NDJSON, "application/ndjson"]);
        Ok(Self { body: request.into_body().into_data_stream(), media_type })
    }
}

impl Lines {
    /// The lines, each of at most `bytes` bytes, in memory one at a time and as fast as they are asked for. A last line needs
    /// no end of line.
    ///
    /// A line that is too long, blank, or cut off is a line with a [`Problem`]; after the latter there are no more. A pause of
    /// [`IDLE_LIMIT`] cuts a body off.
    ///
    /// # Errors
    /// 415 for another media type.
    pub fn of_at_most(self, bytes: usize) -> Answered<impl Stream<Item = Line> + Send + use<>> {
        self.media_type?;
        let reading = Reading {
            body: self.body,
            limit: bytes,
            buffer: BytesMut::new(),
            looked: 0,
            line: 0,
            passing_over: false,
            ended: false,
        };
        Ok(futures::stream::unfold(reading, |mut reading| async move { Some((reading.next().await?, reading)) }))
    }
}

/// The answer with a line for every result, sent while they come.
pub fn answer<T: Serialize>(results: impl Stream<Item = T> + Send + 'static) -> Response {
    let pieces = results.ready_chunks(LINES_PER_PIECE).map(|results| {
        let mut piece = Vec::with_capacity(128 * results.len());
        for result in &results {
            // Results are structs of texts, numbers and problems, which cannot fail to serialise.
            let written = serde_json::to_writer(&mut piece, result);
            debug_assert!(written.is_ok(), "a result does not serialise");
            piece.push(b'\n');
        }
        Ok::<Bytes, Infallible>(piece.into())
    });
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(pieces)).into_response()
}

struct Reading {
    body: BodyDataStream,
    limit: usize,
    buffer: BytesMut,
    /// How much of the buffer was looked through for the end of the line.
    looked: usize,
    line: u64,
    /// In the middle of a line that is too long: it was answered, its rest is passed over.
    passing_over: bool,
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(end) = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(self.looked + end + 1);
                line.truncate(line.len() - 1);
                self.looked = 0;
                if std::mem::take(&mut self.passing_over) {
                    continue;
                }
                return Some(self.whole(line.freeze()));
            }
            self.looked = self.buffer.len();
            if self.buffer.len() > self.limit {
                self.buffer.clear();
                self.looked = 0;
                if !std::mem::replace(&mut self.passing_over, true) {
                    return Some(self.numbered(Err(line_too_long(self.limit))));
                }
            }
            if self.ended {
                let rest = self.buffer.split();
                self.looked = 0;
                let unfinished = !rest.is_empty() && !std::mem::take(&mut self.passing_over);
                return unfinished.then(|| self.whole(rest.freeze()));
            }
            match tasks::within(IDLE_LIMIT, self.body.next()).await {
                Some(Some(Ok(bytes))) => self.buffer.extend_from_slice(&bytes),
                Some(None) => self.ended = true,
                Some(Some(Err(_))) | None => {
                    self.ended = true;
                    self.buffer.clear();
                    self.looked = 0;
                    self.passing_over = false;
                    return Some(self.numbered(Err(cut_off())));
                }
            }
        }
    }

    fn whole(&mut self, line: Bytes) -> Line {
        let text = if line.len() > self.limit {
            Err(line_too_long(self.limit))
        } else if line.iter().all(u8::is_ascii_whitespace) {
            Err(problem::bad_request("blank-line", "The line is blank", "Each line is one JSON document."))
        } else {
            Ok(line)
        };
        self.numbered(text)
    }

    fn numbered(&mut self, text: Result<Bytes, Problem>) -> Line {
        self.line += 1;
        Line { number: self.line, text }
    }
}

fn line_too_long(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "line-too-long", "The line is too long")
        .detail(format!("A line has at most {limit} bytes."))
}

fn cut_off() -> Problem {
    problem::bad_request(
        "import-cut-off",
        "The import was cut off",
        "The body did not arrive as a whole. Lines answered before are done; send the file again, they will be known.",
    )
}
