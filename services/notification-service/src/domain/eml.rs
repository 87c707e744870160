//! A mail as a file: RFC 5322 with MIME, in which no content can become a header.
//!
//! # Source
//! RFC 5322 (form, dates, line lengths), RFC 2045 (quoted-printable), RFC 2047 (encoded words), RFC 6532 (UTF-8 addresses).

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use madrigal_contracts::notification::MailContent;
use madrigal_core::Timestamp;
use time::format_description::well_known::Rfc2822;

use super::key::MailKey;

/// Who writes.
const FROM: &str = "Madrigal <shop@madrigal.local>";
/// A header's line with encoded words has at most 76 characters (RFC 2047, 2): less `Subject: `, `=?utf-8?B?` and `?=`
/// that is 55; whole groups of base64 are 52, which hold 39 bytes.
const WORD_BYTES: usize = 39;
/// A line of quoted-printable has at most 76 characters (RFC 2045, 6.7), the soft break's `=` included.
const QUOTED_LINE: usize = 76;
/// An address has at most 254 bytes.
///
/// # Source
/// RFC 5321, 4.5.3.1.3 (a path of 256 with its brackets), and RFC 3696's erratum 1690.
const MAX_ADDRESS_BYTES: usize = 254;

/// A mail as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eml {
    /// The file.
    pub bytes: Vec<u8>,
    /// `message/rfc822`, or `message/global` where the address is not ASCII.
    pub media_type: &'static str,
}

/// Why a mail cannot be a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmlError {
    /// The recipient's address has characters that no header may carry, or is none.
    #[error("the recipient's address cannot stand in a header")]
    Address,
    /// The date cannot be written in this form.
    #[error("the mail's date is out of range")]
    Date,
}

/// The mail as a file.
///
/// Control characters in name and subject become spaces; everything beyond plain ASCII is encoded.
///
/// # Errors
/// [`EmlError`].
pub fn render(key: &MailKey, requested_at: Timestamp, content: &MailContent) -> Result<Eml, EmlError> {
    let address = checked_address(&content.to_email)?;
    let date = requested_at.to_date_time().format(&Rfc2822).map_err(|_| EmlError::Date)?;
    let name = header_text(&content.to_name);
    let to = if name.is_empty() { format!("<{address}>") } else { format!("{name}\r\n <{address}>") };
    let mut eml = String::with_capacity(content.text.len() + 512);
    for (header, value) in [
        ("Date", date.as_str()),
        ("From", FROM),
        ("To", &to),
        ("Subject", &header_text(&content.subject)),
        ("Message-ID", &key.message_id()),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ] {
        let _ = write!(eml, "{header}: {value}\r\n");
    }
    eml.push_str("\r\n");
    quoted_printable(&content.text, &mut eml);
    let media_type = if address.is_ascii() { "message/rfc822" } else { "message/global" };
    Ok(Eml { bytes: eml.into_bytes(), media_type })
}

/// The address, if it is `local@domain` of characters that need no quoting.
fn checked_address(address: &str) -> Result<&str, EmlError> {
    let plain =
        |letter: char| letter.is_alphanumeric() || (letter.is_ascii_graphic() && !r#"@()<>[]:;,\""#.contains(letter));
    let (local, domain) = address.split_once('@').ok_or(EmlError::Address)?;
    let fits = !local.is_empty() && !domain.is_empty() && address.len() <= MAX_ADDRESS_BYTES;
    if fits && local.chars().all(plain) && domain.chars().all(plain) { Ok(address) } else { Err(EmlError::Address) }
}

/// Text in a header: as it is where it is short, plain ASCII, else as encoded words, one a line.
fn header_text(text: &str) -> String {
    let text: String = text.chars().map(|letter| if is_break(letter) { ' ' } else { letter }).collect();
    let text = text.trim();
    let plain =
        text.len() <= 60 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_.!/'*+#&%".contains(&byte));
    if plain {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if word.len() + letter.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    words.push(word);
    let words: Vec<String> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

/// What could break a line somewhere: control characters and Unicode's line and paragraph separators.
fn is_break(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Appends the text in quoted-printable, its line ends as CRLF.
fn quoted_printable(text: &str, out: &mut String) {
    for line in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let mut length = 0;
        let bytes = line.as_bytes();
        for (index, &byte) in bytes.iter().enumerate() {
            let last = index + 1 == bytes.len();
            // White space may not end a line, and a line of a lone dot ends a message in SMTP.
            let lone_dot = byte == b'.' && bytes.len() == 1;
            let literal = match byte {
                b'=' => false,
                b' ' | b'\t' => !last,
                _ => byte.is_ascii_graphic() && !lone_dot,
            };
            let width = if literal { 1 } else { 3 };
            let room = if last { QUOTED_LINE } else { QUOTED_LINE - 1 };
            if length + width > room {
                out.push_str("=\r\n");
                length = 0;
            }
            if literal {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "={byte:02X}");
            }
            length += width;
        }
        out.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests;
