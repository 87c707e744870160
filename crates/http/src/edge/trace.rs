//! W3C trace context: the one header, read strictly, and continued.
//!
//! # Source
//! W3C Trace Context, level 1, 3.2 (`version-traceid-parentid-flags`, lower-case hexadecimal, no zero ids).

use std::fmt::Write as _;
use std::sync::Arc;

use madrigal_core::Host;

/// A `traceparent` of this request: the trace it came with, or a new one, and a span of its own.
pub(super) fn continued(incoming: Option<&str>, host: &Host) -> Arc<str> {
    let mut random = [0u8; 24];
    let mut text = String::with_capacity(55);
    match incoming.filter(|text| is_valid(text)) {
        Some(incoming) => {
            host.fill(&mut random[16..]);
            text.push_str("00-");
            text.push_str(&incoming[3..35]);
            text.push('-');
            hex(&random[16..], &mut text);
            text.push('-');
            text.push_str(&incoming[53..55]);
        }
        None => {
            host.fill(&mut random);
            text.push_str("00-");
            hex(&random[..16], &mut text);
            text.push('-');
            hex(&random[16..], &mut text);
            text.push_str("-01");
        }
    }
    text.into()
}

/// The trace id inside a valid `traceparent`.
pub(super) fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.get(3..35)
}

fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 55 || !text.is_ascii() || (bytes.len() > 55 && (text.starts_with("00") || bytes[55] != b'-')) {
        return false;
    }
    let dashes = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
    let lower_hex = |range: std::ops::Range<usize>| {
        bytes[range].iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
    };
    let zero = |range: std::ops::Range<usize>| bytes[range].iter().all(|byte| *byte == b'0');
    dashes
        && lower_hex(0..2)
        && &text[..2] != "ff"
        && lower_hex(3..35)
        && !zero(3..35)
        && lower_hex(36..52)
        && !zero(36..52)
        && lower_hex(53..55)
}

fn hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_trace_is_continued_with_a_span_of_its_own_and_another_is_replaced() {
        let host = Host::seeded(1);
        let incoming = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let ours = continued(Some(incoming), &host);
        assert_eq!((&ours[..36], &ours[52..]), (&incoming[..36], "-00"));
        assert_ne!(ours[36..52], incoming[36..52]);
        let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let upper = "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01";
        for odd in ["", "00-ab", zero, upper, &format!("{incoming}0"), &"é".repeat(40)] {
            let fresh = continued(Some(odd), &host);
            assert!(is_valid(&fresh) && !odd.contains(&fresh[3..35]), "{odd}");
        }
        assert_eq!(trace_id(&ours), Some("0af7651916cd43dd8448eb211c80319c"));
    }
}
