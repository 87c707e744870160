//! HTTP/1.1 over one kept connection: requests are bytes that are ready, answers are read no further than needed.

use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_core::tasks::{self, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// After so long a connection is opened anew: a shop closes those that are idle for 30 s.
const IDLE: Duration = Duration::from_secs(20);

/// A connection that sends one request after the other.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: String,
    buffer: Vec<u8>,
    used: Instant,
}

/// What came back.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The head as it came.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

impl Connection {
    /// Connects to `address`, as in `127.0.0.1:8080`.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let (stream, address) = (connect(address).await?, address.to_owned());
        Ok(Self { stream, address, buffer: Vec::with_capacity(16 * 1024), used: tasks::instant() })
    }

    /// Sends a request and reads its whole answer.
    ///
    /// # Errors
    /// Where the connection breaks or the answer is not understood; the connection is of no use any more.
    ///
    /// # Cancellation
    /// The connection is of no use any more.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        if self.used.elapsed() > IDLE {
            self.stream = connect(&self.address).await?;
        }
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (mut searched, mut whole) = (0, None);
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed");
            }
            if whole.is_none() {
                let from = searched;
                searched = self.buffer.len().saturating_sub(3);
                let end = self.buffer[from..].windows(4).position(|four| four == b"\r\n\r\n");
                if let Some(end) = end.map(|end| from + end + 4) {
                    let length =
                        header(&self.buffer[..end], "content-length").context("an answer without its length")?;
                    let length: usize = length.parse()?;
                    if length > MAX_ANSWER {
                        bail!("an answer of {length} bytes");
                    }
                    whole = Some((end, end + length));
                }
            }
            if let Some((body, end)) = whole
                && self.buffer.len() >= end
            {
                self.used = tasks::instant();
                let status = std::str::from_utf8(self.buffer.get(9..12).unwrap_or_default())?.parse()?;
                return Ok(Answer { status, head: &self.buffer[..body], body: &self.buffer[body..end] });
            }
        }
    }
}

async fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nobody listens at {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (key, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":").filter(|_| key.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok().map(str::trim)
    })
}

/// A request with a JSON body (or none, where `body` is empty), ready to be sent.
pub fn request(method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("content-type: application/json\r\n");
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let head = b"HTTP/1.1 201 Created\r\nContent-Length: 17\r\nmadrigal-lag: 3\r\n\r\n";
        assert_eq!(header(head, "content-length"), Some("17"));
        assert_eq!(header(head, "madrigal-lag"), Some("3"));
        assert_eq!(header(head, "content"), None);
    }
}
