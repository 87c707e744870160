//! W3C trace context: the one header, read strictly.
//!
//! # Source
//! W3C Trace Context, level 1, 3.2 (`version-traceid-parentid-flags`, lower-case hexadecimal, no zero ids).

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::host::Host;

/// A trace's id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// A span's id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// A random one.
    pub fn new(host: &Host) -> Self {
        Self(random(host))
    }
}

impl SpanId {
    /// A random one.
    pub fn new(host: &Host) -> Self {
        Self(random(host))
    }
}

fn random<const N: usize>(host: &Host) -> [u8; N] {
    let mut bytes = [0; N];
    host.fill(&mut bytes);
    // Zero is no id.
    if bytes.iter().all(|byte| *byte == 0) {
        bytes[N - 1] = 1;
    }
    bytes
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A span as others name it: what a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether the trace's spans are kept.
    pub sampled: bool,
}

impl TraceContext {
    /// What a `traceparent` says; `None` where it is not valid. Of the flags only *sampled* is known.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 55 || (bytes.len() > 55 && (bytes.starts_with(b"00") || bytes[55] != b'-')) {
            return None;
        }
        if [2, 35, 52].iter().any(|at| bytes[*at] != b'-') || bytes[..2] == *b"ff" {
            return None;
        }
        let _version: [u8; 1] = hex(&bytes[..2])?;
        let trace: [u8; 16] = hex(&bytes[3..35])?;
        let span: [u8; 8] = hex(&bytes[36..52])?;
        let [flags] = hex(&bytes[53..55])?;
        let zero = trace.iter().all(|byte| *byte == 0) || span.iter().all(|byte| *byte == 0);
        (!zero).then_some(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & 1 == 1 })
    }

    /// The `traceparent` that says it.
    pub fn to_text(&self) -> Arc<str> {
        let mut text = String::with_capacity(55);
        let flags = u8::from(self.sampled);
        // Writing to a string cannot fail.
        let _ = write!(text, "00-{}-{}-{flags:02x}", self.trace, self.span);
        text.into()
    }
}

fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_strictly_and_written_as_it_was() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = TraceContext::parse(text).unwrap();
        assert_eq!((&*read.to_text(), read.sampled), (text, true));
        assert_eq!(read.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(!TraceContext::parse(&text.replace("-01", "-00")).unwrap().sampled);
        assert!(TraceContext::parse(&format!("01{}-more", &text[2..])).is_some(), "a later version may say more");
        let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        let upper = "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01";
        let longer = format!("{text}0");
        let version = format!("ff{}", &text[2..]);
        for odd in ["", "00-ab", zero_trace, zero_span, upper, &longer, &version, &"é".repeat(40)] {
            assert_eq!(TraceContext::parse(odd), None, "{odd}");
        }
    }
}
